-- Experiments, runs and logged models. Runs carry a number of their own beside MLflow's id, so that
-- the many rows of metrics, params and tags stay narrow; the keys of metrics are numbers as well.

CREATE TABLE experiments (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    name              TEXT NOT NULL UNIQUE,
    artifact_location TEXT NOT NULL,
    stage             TEXT NOT NULL DEFAULT 'active' CHECK (stage IN ('active', 'deleted')),
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL
) STRICT;

-- Clients log into experiment 0 unless told otherwise: it is there from the first start.
INSERT INTO experiments (id, name, artifact_location, created_at, updated_at)
VALUES (0, 'Default', 'mlflow-artifacts:/0', CAST(unixepoch('subsec') * 1000 AS INTEGER),
        CAST(unixepoch('subsec') * 1000 AS INTEGER));

CREATE TABLE experiment_tags (
    experiment_id INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    key           TEXT NOT NULL,
    value         TEXT NOT NULL,
    PRIMARY KEY (experiment_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    rid           INTEGER PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE,
    experiment_id INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    name          TEXT NOT NULL,
    user_id       TEXT NOT NULL,
    status        TEXT NOT NULL CHECK (status IN ('RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED')),
    stage         TEXT NOT NULL DEFAULT 'active' CHECK (stage IN ('active', 'deleted')),
    started_at    INTEGER NOT NULL,
    ended_at      INTEGER,
    deleted_at    INTEGER,
    artifact_uri  TEXT NOT NULL
) STRICT;

-- The order in which runs are listed when nobody asks for another.
CREATE INDEX runs_newest ON runs (experiment_id, started_at DESC, id);

CREATE TABLE params (
    run   INTEGER NOT NULL REFERENCES runs (rid) ON DELETE CASCADE,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE tags (
    run   INTEGER NOT NULL REFERENCES runs (rid) ON DELETE CASCADE,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE metric_keys (
    id  INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE
) STRICT;

-- The history, in the order it is read. A point logged twice is one point: clients retry. NaN has no
-- place in SQLite's numbers, so it is 0 with a mark; the infinities are kept as they are.
CREATE TABLE metrics (
    run       INTEGER NOT NULL,
    key       INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    step      INTEGER NOT NULL,
    value     REAL NOT NULL,
    nan       INTEGER NOT NULL,
    PRIMARY KEY (run, key, timestamp, step, value, nan)
) STRICT, WITHOUT ROWID;

-- The latest point of each metric by step, then time, then value, kept in the same transaction.
CREATE TABLE metrics_latest (
    run       INTEGER NOT NULL REFERENCES runs (rid) ON DELETE CASCADE,
    key       INTEGER NOT NULL REFERENCES metric_keys (id),
    timestamp INTEGER NOT NULL,
    step      INTEGER NOT NULL,
    value     REAL NOT NULL,
    nan       INTEGER NOT NULL,
    PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE datasets (
    id            INTEGER PRIMARY KEY,
    experiment_id INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    name          TEXT NOT NULL,
    digest        TEXT NOT NULL,
    source_type   TEXT NOT NULL,
    source        TEXT NOT NULL,
    schema        TEXT,
    profile       TEXT,
    UNIQUE (experiment_id, name, digest)
) STRICT;

CREATE TABLE run_datasets (
    run     INTEGER NOT NULL REFERENCES runs (rid) ON DELETE CASCADE,
    dataset INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
    PRIMARY KEY (run, dataset)
) STRICT, WITHOUT ROWID;

CREATE INDEX run_datasets_by_dataset ON run_datasets (dataset);

CREATE TABLE run_dataset_tags (
    run     INTEGER NOT NULL,
    dataset INTEGER NOT NULL,
    key     TEXT NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (run, dataset, key),
    FOREIGN KEY (run, dataset) REFERENCES run_datasets (run, dataset) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE logged_models (
    id             TEXT PRIMARY KEY,
    experiment_id  INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    name           TEXT NOT NULL,
    artifact_uri   TEXT NOT NULL,
    status         TEXT NOT NULL CHECK (status IN ('UNSPECIFIED', 'PENDING', 'READY', 'FAILED')),
    status_message TEXT,
    model_type     TEXT NOT NULL,
    source_run_id  TEXT NOT NULL,
    stage          TEXT NOT NULL DEFAULT 'active' CHECK (stage IN ('active', 'deleted')),
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL
) STRICT;

CREATE INDEX logged_models_newest ON logged_models (experiment_id, created_at DESC, id);

CREATE TABLE logged_model_params (
    model_id TEXT NOT NULL REFERENCES logged_models (id) ON DELETE CASCADE,
    key      TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (model_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE logged_model_tags (
    model_id TEXT NOT NULL REFERENCES logged_models (id) ON DELETE CASCADE,
    key      TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (model_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE logged_model_metrics (
    model_id       TEXT NOT NULL REFERENCES logged_models (id) ON DELETE CASCADE,
    key            TEXT NOT NULL,
    timestamp      INTEGER NOT NULL,
    step           INTEGER NOT NULL,
    run_id         TEXT NOT NULL,
    value          REAL NOT NULL,
    nan            INTEGER NOT NULL,
    dataset_name   TEXT,
    dataset_digest TEXT,
    PRIMARY KEY (model_id, key, timestamp, step, run_id)
) STRICT, WITHOUT ROWID;

-- Which models a run took in (direction 'in') and gave out ('out'), in the order they were logged.
CREATE TABLE run_models (
    id        INTEGER PRIMARY KEY,
    run       INTEGER NOT NULL REFERENCES runs (rid) ON DELETE CASCADE,
    direction TEXT NOT NULL CHECK (direction IN ('in', 'out')),
    model_id  TEXT NOT NULL,
    step      INTEGER NOT NULL,
    UNIQUE (run, direction, model_id, step)
) STRICT;
