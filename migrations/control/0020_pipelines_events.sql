-- Runs started by events.

ALTER TABLE pipeline_runs ADD COLUMN event TEXT;                               -- JSON: the facts
ALTER TABLE pipeline_runs ADD COLUMN chain TEXT NOT NULL DEFAULT '';           -- pipelines whose runs led to it, by commas
ALTER TABLE pipelines ADD COLUMN trigger_note TEXT;                            -- why an event did not start it, last

-- What definitions ask to hear of.
CREATE TABLE pipeline_listeners (
    kind     TEXT NOT NULL,
    subject  TEXT NOT NULL,                      -- a bucket, a model, a pipeline
    pipeline TEXT NOT NULL,
    detail   TEXT NOT NULL,                      -- of a bucket: JSON list of prefix and suffix
    PRIMARY KEY (kind, subject, pipeline, detail)
) STRICT, WITHOUT ROWID;

CREATE INDEX pipeline_listeners_of ON pipeline_listeners (pipeline);

-- One run for each event, however often it is told.
CREATE TABLE pipeline_events (
    pipeline  TEXT NOT NULL,
    event_key TEXT NOT NULL,
    run_id    TEXT NOT NULL REFERENCES pipeline_runs (id) ON DELETE CASCADE,
    PRIMARY KEY (pipeline, event_key)
) STRICT, WITHOUT ROWID;

CREATE INDEX pipeline_events_run ON pipeline_events (run_id);

CREATE TABLE pipeline_hook_tokens (
    pipeline   TEXT    NOT NULL PRIMARY KEY,
    digest     BLOB    NOT NULL,                 -- SHA-256 of the token
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
