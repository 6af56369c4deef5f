-- Pipelines, their runs, the tasks of a run, and every attempt of a task. Times are ms since the epoch.

CREATE TABLE pipelines (
    name        TEXT    NOT NULL PRIMARY KEY,
    source      TEXT    NOT NULL,            -- 'api', or 'file:' and the path below the pipelines folder
    folder      TEXT,                        -- where its tasks start; NULL: in their attempt's own folder
    definition  TEXT    NOT NULL,            -- the last good text; empty while there never was one
    error       TEXT,                        -- what is wrong with a newer text
    paused      INTEGER NOT NULL DEFAULT 0,
    next_at     INTEGER,                     -- the next firing; NULL: paused or no schedule
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX pipelines_due ON pipelines (next_at) WHERE next_at IS NOT NULL;

-- A run outlives its pipeline: history is not lost with the definition, which is kept in each run.
CREATE TABLE pipeline_runs (
    id               TEXT    NOT NULL PRIMARY KEY,  -- time-ordered
    pipeline         TEXT    NOT NULL,
    state            TEXT    NOT NULL,
    trigger          TEXT    NOT NULL,
    logical_at       INTEGER NOT NULL,
    definition       TEXT    NOT NULL,
    folder           TEXT,
    params           TEXT    NOT NULL,              -- JSON object of strings
    created_at       INTEGER NOT NULL,
    started_at       INTEGER,
    ended_at         INTEGER,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    credentials      INTEGER NOT NULL DEFAULT 0     -- 1 while its tasks' token and keys are to be revoked
) STRICT, WITHOUT ROWID;

CREATE INDEX pipeline_runs_of ON pipeline_runs (pipeline, id);
CREATE INDEX pipeline_runs_open ON pipeline_runs (id) WHERE state IN ('queued', 'running');
CREATE INDEX pipeline_runs_credentials ON pipeline_runs (id) WHERE credentials = 1;
-- A firing of a schedule makes one run, whatever happens around it.
CREATE UNIQUE INDEX pipeline_runs_firing ON pipeline_runs (pipeline, logical_at) WHERE trigger = 'schedule';

CREATE TABLE pipeline_tasks (
    run_id         TEXT    NOT NULL REFERENCES pipeline_runs (id) ON DELETE CASCADE,
    idx            INTEGER NOT NULL,             -- place in the definition
    id             TEXT    NOT NULL,
    needs          TEXT    NOT NULL,             -- JSON list of places
    state          TEXT    NOT NULL,
    attempt        INTEGER NOT NULL DEFAULT 0,
    max_attempts   INTEGER NOT NULL,
    retry_delay_ms INTEGER NOT NULL,
    not_before     INTEGER,
    started_at     INTEGER,
    ended_at       INTEGER,
    exit_code      INTEGER,
    reason         TEXT,
    PRIMARY KEY (run_id, idx)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX pipeline_tasks_named ON pipeline_tasks (run_id, id);
CREATE INDEX pipeline_tasks_startable ON pipeline_tasks (run_id, idx) WHERE state IN ('queued', 'up_for_retry');

-- A row is committed before its supervisor is started, so that no start is ever forgotten.
CREATE TABLE pipeline_attempts (
    run_id     TEXT    NOT NULL REFERENCES pipeline_runs (id) ON DELETE CASCADE,
    task_id    TEXT    NOT NULL,
    attempt    INTEGER NOT NULL,
    state      TEXT    NOT NULL,                 -- running, then how it ended
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,
    exit_code  INTEGER,
    reason     TEXT,
    PRIMARY KEY (run_id, task_id, attempt)
) STRICT, WITHOUT ROWID;

CREATE INDEX pipeline_attempts_running ON pipeline_attempts (run_id) WHERE state = 'running';
