-- Endpoints with several routes, what happened to them, and canaries.

ALTER TABLE endpoints ADD COLUMN definition TEXT; -- JSON; `model` is its champion's, and alone all there was before

CREATE TABLE endpoint_history (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  endpoint TEXT NOT NULL REFERENCES endpoints (name) ON DELETE CASCADE,
  at_ms    INTEGER NOT NULL,
  kind     TEXT NOT NULL,
  route    TEXT,
  model    TEXT,
  version  TEXT,
  note     TEXT,
  user     TEXT
) STRICT;
CREATE INDEX endpoint_history_of ON endpoint_history (endpoint, id);

-- The newest of each endpoint is the one that runs, if its status says so.
CREATE TABLE endpoint_canaries (
  id       TEXT PRIMARY KEY,
  endpoint TEXT NOT NULL REFERENCES endpoints (name) ON DELETE CASCADE,
  status   TEXT NOT NULL,  -- running, promoting, promoted, rolled_back
  canary   TEXT NOT NULL,  -- JSON: the plan, and how far it is
  began_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX endpoint_canaries_of ON endpoint_canaries (endpoint, began_ms);
