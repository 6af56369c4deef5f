-- Backfills that are more than their runs: they can be paused, and stopped, as one.

CREATE TABLE pipeline_backfills (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    pipeline        TEXT    NOT NULL,
    from_at         INTEGER NOT NULL,
    until_at        INTEGER NOT NULL,
    params          TEXT    NOT NULL,               -- JSON object of strings
    reprocess       TEXT    NOT NULL,               -- runs there are already that run again: none, failed, completed
    backwards       INTEGER NOT NULL,               -- the newest first
    max_active_runs INTEGER NOT NULL,               -- of its own runs, apart from the pipeline's others
    paused          INTEGER NOT NULL DEFAULT 0,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    cancelled_at    INTEGER
) STRICT;

CREATE INDEX pipeline_backfills_of ON pipeline_backfills (pipeline, id);

ALTER TABLE pipeline_runs ADD COLUMN backfill INTEGER;  -- the one it was made or run again for
CREATE INDEX pipeline_runs_backfill ON pipeline_runs (backfill) WHERE backfill IS NOT NULL;
