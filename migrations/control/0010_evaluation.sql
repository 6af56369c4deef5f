-- What MLflow keeps for the evaluation of language models: datasets of records, scorers, issues.

CREATE TABLE evaluation_datasets (
    id         INTEGER PRIMARY KEY,
    dataset_id TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    digest     TEXT NOT NULL,
    schema     TEXT,                            -- JSON: the type of each field seen so far
    records    INTEGER NOT NULL DEFAULT 0,      -- how many there are, kept in the same transaction
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    created_by TEXT,
    updated_by TEXT
) STRICT;

CREATE INDEX evaluation_datasets_newest ON evaluation_datasets (created_at DESC, dataset_id DESC);

CREATE TABLE evaluation_dataset_tags (
    dataset INTEGER NOT NULL REFERENCES evaluation_datasets (id) ON DELETE CASCADE,
    key     TEXT NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (dataset, key)
) STRICT, WITHOUT ROWID;

-- Which experiments a dataset belongs to, in the order it was added to them.
CREATE TABLE evaluation_dataset_experiments (
    id            INTEGER PRIMARY KEY,
    dataset       INTEGER NOT NULL REFERENCES evaluation_datasets (id) ON DELETE CASCADE,
    experiment_id INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    UNIQUE (dataset, experiment_id)
) STRICT;

CREATE INDEX evaluation_datasets_by_experiment ON evaluation_dataset_experiments (experiment_id, dataset);

-- A dataset holds one record for each set of inputs: `fingerprint` is their digest, keys sorted.
CREATE TABLE evaluation_records (
    id           INTEGER PRIMARY KEY,
    record_id    TEXT NOT NULL UNIQUE,
    dataset      INTEGER NOT NULL REFERENCES evaluation_datasets (id) ON DELETE CASCADE,
    fingerprint  TEXT NOT NULL,
    inputs       TEXT NOT NULL,                 -- JSON, as are the next four
    outputs      TEXT,
    expectations TEXT,
    tags         TEXT NOT NULL,
    source       TEXT,
    source_id    TEXT,
    source_type  TEXT,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    created_by   TEXT,
    updated_by   TEXT,
    UNIQUE (dataset, fingerprint)
) STRICT;

CREATE INDEX evaluation_records_in_order ON evaluation_records (dataset, id);

CREATE TABLE scorers (
    id            TEXT PRIMARY KEY,
    experiment_id INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    name          TEXT NOT NULL,
    UNIQUE (experiment_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE scorer_versions (
    scorer     TEXT NOT NULL REFERENCES scorers (id) ON DELETE CASCADE,
    version    INTEGER NOT NULL,
    serialized TEXT NOT NULL,                   -- JSON; an endpoint of the gateway stands in it by its id
    created_at INTEGER NOT NULL,
    PRIMARY KEY (scorer, version)
) STRICT, WITHOUT ROWID;

-- Which share of new traces a scorer is meant to look at.
CREATE TABLE scorer_sampling (
    scorer TEXT PRIMARY KEY REFERENCES scorers (id) ON DELETE CASCADE,
    id     TEXT NOT NULL,
    rate   REAL NOT NULL,
    filter TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE issues (
    id            TEXT PRIMARY KEY,
    experiment_id INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    name          TEXT NOT NULL,
    description   TEXT NOT NULL,
    status        TEXT NOT NULL CHECK (status IN ('pending', 'rejected', 'resolved')),
    severity      TEXT CHECK (severity IN ('not_an_issue', 'low', 'medium', 'high')),
    root_causes   TEXT NOT NULL,                -- JSON list, as are the categories
    categories    TEXT NOT NULL,
    source_run_id TEXT,
    created_by    TEXT,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;

CREATE INDEX issues_of_experiment ON issues (experiment_id, created_at DESC);
