-- Traces: what an application did for one request, as a tree of spans, and what people and judges say
-- of it. A trace carries a number of its own beside MLflow's id, as a run does.

CREATE TABLE traces (
    tid               INTEGER PRIMARY KEY,
    id                TEXT NOT NULL UNIQUE,
    experiment_id     INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    started_at        INTEGER NOT NULL,
    duration          INTEGER,                  -- ms; NULL while it is not known
    state             TEXT NOT NULL CHECK (state IN ('STATE_UNSPECIFIED', 'OK', 'ERROR', 'IN_PROGRESS')),
    client_request_id TEXT,
    request_preview   TEXT,
    response_preview  TEXT
) STRICT;

-- The order in which traces are listed when nobody asks for another.
CREATE INDEX traces_newest ON traces (experiment_id, started_at DESC, id);

CREATE TABLE trace_tags (
    trace INTEGER NOT NULL REFERENCES traces (tid) ON DELETE CASCADE,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (trace, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE trace_metadata (
    trace INTEGER NOT NULL REFERENCES traces (tid) ON DELETE CASCADE,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (trace, key)
) STRICT, WITHOUT ROWID;

-- A conversation is found by its session.
CREATE INDEX trace_sessions ON trace_metadata (value) WHERE key = 'mlflow.trace.session';

CREATE TABLE spans (
    trace      INTEGER NOT NULL REFERENCES traces (tid) ON DELETE CASCADE,
    id         TEXT NOT NULL,                   -- 16 hexadecimal characters
    parent     TEXT,
    name       TEXT NOT NULL,
    type       TEXT,
    status     TEXT NOT NULL,
    started_ns INTEGER NOT NULL,
    ended_ns   INTEGER,
    content    TEXT NOT NULL,                   -- the span as MLflow's JSON has it
    usage      TEXT,                            -- JSON: tokens by kind
    cost       TEXT,                            -- JSON: dollars by kind
    model      TEXT,
    provider   TEXT,
    UNIQUE (trace, id)
) STRICT;

CREATE TABLE assessments (
    id             TEXT PRIMARY KEY,
    trace          INTEGER NOT NULL REFERENCES traces (tid) ON DELETE CASCADE,
    name           TEXT NOT NULL,
    kind           TEXT NOT NULL CHECK (kind IN ('feedback', 'expectation', 'issue')),
    value          TEXT NOT NULL,               -- JSON
    error          TEXT,                        -- JSON
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    source_type    TEXT NOT NULL,
    source_id      TEXT NOT NULL,
    span_id        TEXT,
    rationale      TEXT,
    overrides      TEXT,
    valid          INTEGER NOT NULL DEFAULT 1,
    metadata       TEXT,                        -- JSON object of strings
    number         REAL,                        -- what the value counts as where values are averaged
    numeric        INTEGER NOT NULL             -- 1 if the value is a number itself
) STRICT;

CREATE INDEX assessments_of_trace ON assessments (trace, created_at, id);
CREATE INDEX assessments_named ON assessments (kind, name);

-- Which runs and which versions of prompts a trace belongs to.
CREATE TABLE trace_links (
    trace  INTEGER NOT NULL REFERENCES traces (tid) ON DELETE CASCADE,
    kind   TEXT NOT NULL CHECK (kind IN ('run', 'prompt')),
    target TEXT NOT NULL,                       -- a run's id, or a prompt's name/version
    PRIMARY KEY (trace, kind, target)
) STRICT, WITHOUT ROWID;

CREATE INDEX trace_links_by_target ON trace_links (kind, target);
