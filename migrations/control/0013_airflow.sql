-- What Airflow's clients keep with a run beyond the house's own columns, and their variables and connections.

CREATE TABLE pipeline_run_notes (
    run_id   TEXT NOT NULL PRIMARY KEY REFERENCES pipeline_runs (id) ON DELETE CASCADE,
    pipeline TEXT NOT NULL,
    name     TEXT,                               -- the id its caller chose for the run; NULL: the house's own
    note     TEXT,
    user     TEXT                                -- who started it
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX pipeline_run_names ON pipeline_run_notes (pipeline, name) WHERE name IS NOT NULL;

CREATE TABLE pipeline_task_notes (
    run_id  TEXT NOT NULL REFERENCES pipeline_runs (id) ON DELETE CASCADE,
    task_id TEXT NOT NULL,
    note    TEXT NOT NULL,
    PRIMARY KEY (run_id, task_id)
) STRICT, WITHOUT ROWID;

-- The value is sealed: a variable may hold a secret, whatever its name.
CREATE TABLE pipeline_variables (
    key         TEXT NOT NULL PRIMARY KEY,
    description TEXT,
    sealed      BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE pipeline_connections (
    id          TEXT NOT NULL PRIMARY KEY,
    conn_type   TEXT NOT NULL,
    description TEXT,
    host        TEXT,
    login       TEXT,
    schema      TEXT,
    port        INTEGER,
    sealed      BLOB NOT NULL                    -- JSON of password and extra
) STRICT, WITHOUT ROWID;
