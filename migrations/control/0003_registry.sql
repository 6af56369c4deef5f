-- Registered models, their versions and aliases. A surrogate id lets a rename touch one row.
CREATE TABLE registered_models (
  id          INTEGER PRIMARY KEY,
  name        TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL DEFAULT '',
  created_ms  INTEGER NOT NULL,
  updated_ms  INTEGER NOT NULL
) STRICT;

CREATE TABLE registered_model_tags (
  model_id INTEGER NOT NULL REFERENCES registered_models(id) ON DELETE CASCADE,
  key      TEXT NOT NULL,
  value    TEXT NOT NULL,
  PRIMARY KEY (model_id, key)
) STRICT, WITHOUT ROWID;

-- A deleted version keeps its row (stage 'Deleted_Internal', redacted), so that its number is never given again.
CREATE TABLE model_versions (
  model_id        INTEGER NOT NULL REFERENCES registered_models(id) ON DELETE CASCADE,
  version         INTEGER NOT NULL,
  stage           TEXT NOT NULL DEFAULT 'None',
  description     TEXT,
  user_id         TEXT,
  source          TEXT NOT NULL,
  storage         TEXT NOT NULL, -- where the files are, once a models:/ source is followed
  run_id          TEXT NOT NULL DEFAULT '',
  run_link        TEXT NOT NULL DEFAULT '',
  logged_model_id TEXT,
  created_ms      INTEGER NOT NULL,
  updated_ms      INTEGER NOT NULL,
  PRIMARY KEY (model_id, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX model_versions_by_update ON model_versions (updated_ms);
CREATE INDEX model_versions_by_run ON model_versions (run_id);

CREATE TABLE model_version_tags (
  model_id INTEGER NOT NULL,
  version  INTEGER NOT NULL,
  key      TEXT NOT NULL,
  value    TEXT NOT NULL,
  PRIMARY KEY (model_id, version, key),
  FOREIGN KEY (model_id, version) REFERENCES model_versions (model_id, version) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE registered_model_aliases (
  model_id INTEGER NOT NULL,
  alias    TEXT NOT NULL,
  version  INTEGER NOT NULL,
  PRIMARY KEY (model_id, alias),
  FOREIGN KEY (model_id, version) REFERENCES model_versions (model_id, version) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
