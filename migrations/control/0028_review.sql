-- Review of traces by people: the questions of an experiment, and queues of traces that wait for answers.

CREATE TABLE label_schemas (
    id            TEXT PRIMARY KEY,
    experiment_id INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    name          TEXT NOT NULL,
    kind          TEXT NOT NULL CHECK (kind IN ('FEEDBACK', 'EXPECTATION')),
    input         TEXT NOT NULL,                -- JSON: what the answer may be
    instruction   TEXT,
    commented     INTEGER NOT NULL,
    is_default    INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    UNIQUE (experiment_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE review_queues (
    id            TEXT PRIMARY KEY,
    experiment_id INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    name          TEXT NOT NULL,
    folded        TEXT NOT NULL,                -- the name in small letters, by which it is known
    kind          TEXT NOT NULL CHECK (kind IN ('USER', 'CUSTOM')),
    created_by    TEXT,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    UNIQUE (experiment_id, folded)
) STRICT, WITHOUT ROWID;

CREATE TABLE review_queue_users (
    queue TEXT NOT NULL REFERENCES review_queues (id) ON DELETE CASCADE,
    user  TEXT NOT NULL,
    PRIMARY KEY (queue, user)
) STRICT, WITHOUT ROWID;

CREATE TABLE review_queue_schemas (
    queue  TEXT NOT NULL REFERENCES review_queues (id) ON DELETE CASCADE,
    schema TEXT NOT NULL,                       -- of a question that may be gone by now
    PRIMARY KEY (queue, schema)
) STRICT, WITHOUT ROWID;

-- A trace that goes takes its places in queues along.
CREATE TABLE review_queue_items (
    queue        TEXT NOT NULL REFERENCES review_queues (id) ON DELETE CASCADE,
    trace        INTEGER NOT NULL REFERENCES traces (tid) ON DELETE CASCADE,
    status       TEXT NOT NULL CHECK (status IN ('PENDING', 'COMPLETE', 'DECLINED')),
    completed_by TEXT,
    completed_at INTEGER,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    PRIMARY KEY (queue, trace)
) STRICT, WITHOUT ROWID;

CREATE INDEX review_queue_items_of_trace ON review_queue_items (trace);
