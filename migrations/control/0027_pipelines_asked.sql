-- What callers of Airflow's API ask of runs and pools.

-- A run that is to begin later.
ALTER TABLE pipeline_runs ADD COLUMN not_before INTEGER;
CREATE INDEX pipeline_runs_later ON pipeline_runs (not_before) WHERE state = 'queued' AND not_before IS NOT NULL;

-- Whether tasks that wait for something outside take slots of the pool.
ALTER TABLE pipeline_pools ADD COLUMN include_deferred INTEGER NOT NULL DEFAULT 0;

-- Pipelines that somebody marked as favourites.
CREATE TABLE pipeline_favorites (
    user      TEXT NOT NULL,
    pipeline  TEXT NOT NULL REFERENCES pipelines (name) ON DELETE CASCADE,
    PRIMARY KEY (user, pipeline)
) STRICT, WITHOUT ROWID;

-- The token of a webhook once more, sealed: what is signed with it is checked with it.
ALTER TABLE pipeline_hook_tokens ADD COLUMN sealed BLOB;
