-- Notifications: registered webhooks, and the queue of what they and pipelines are to be told.

CREATE TABLE webhook (
    name       TEXT PRIMARY KEY,
    url        TEXT NOT NULL,
    secret     TEXT NOT NULL, -- signs every delivery; sealed
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Written in the transaction that changed the object; removed once delivered.
CREATE TABLE notice (
    id         INTEGER PRIMARY KEY AUTOINCREMENT, -- told to the receiver, who may hear one twice
    kind       TEXT NOT NULL,                     -- webhook or pipeline
    name       TEXT NOT NULL,
    body       TEXT NOT NULL,                     -- JSON
    created_ms INTEGER NOT NULL,
    due_ms     INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    error      TEXT                               -- of the last attempt
) STRICT;
CREATE INDEX notice_due ON notice (kind, name, due_ms);

-- What a bucket may hold at most; null is no limit.
ALTER TABLE bucket ADD COLUMN quota_objects INTEGER;
ALTER TABLE bucket ADD COLUMN quota_bytes INTEGER;
