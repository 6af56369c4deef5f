-- The history of metrics, packed. A batch is what one call logged, by run number * 2^24 + place; a block is
-- a piece of one metric's history. `metrics` keeps what was logged before, a row a point, and takes no more.

CREATE TABLE metric_batches (
    id     INTEGER PRIMARY KEY,
    points BLOB NOT NULL
) STRICT;

CREATE TABLE metric_blocks (
    run    INTEGER NOT NULL,
    key    INTEGER NOT NULL,
    place  INTEGER NOT NULL,
    points BLOB NOT NULL,
    PRIMARY KEY (run, key, place)
) STRICT, WITHOUT ROWID;
