-- Webhooks of the registry, and the queue of what they are to be told.

CREATE TABLE registry_webhooks (
  id          TEXT PRIMARY KEY,
  name        TEXT NOT NULL,
  description TEXT,
  url         TEXT NOT NULL,
  secret      BLOB,              -- signs every delivery; sealed
  active      INTEGER NOT NULL,
  created_ms  INTEGER NOT NULL,
  updated_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE registry_webhook_events (
  webhook TEXT NOT NULL REFERENCES registry_webhooks(id) ON DELETE CASCADE,
  entity  TEXT NOT NULL,
  action  TEXT NOT NULL,
  PRIMARY KEY (entity, action, webhook)
) STRICT, WITHOUT ROWID;
CREATE INDEX registry_webhook_events_of ON registry_webhook_events (webhook);

-- Written in the transaction that changed the registry; removed once delivered.
CREATE TABLE notice (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  kind       TEXT NOT NULL,      -- webhook
  name       TEXT NOT NULL,      -- its id
  body       TEXT NOT NULL,      -- JSON
  created_ms INTEGER NOT NULL,
  due_ms     INTEGER NOT NULL,
  attempts   INTEGER NOT NULL DEFAULT 0,
  error      TEXT                -- of the last attempt
) STRICT;
CREATE INDEX notice_due ON notice (kind, name, due_ms);
