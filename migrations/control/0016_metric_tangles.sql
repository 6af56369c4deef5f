-- The metrics whose points did not come in the order of time, so that a later block may hold earlier points.
-- A page of such a history is cut from the whole; of all others only the blocks of the page are read. What
-- was folded before is not known to be in order.

CREATE TABLE metric_tangles (
    run INTEGER NOT NULL,
    key INTEGER NOT NULL,
    PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

INSERT INTO metric_tangles (run, key) SELECT DISTINCT run, key FROM metric_blocks;
