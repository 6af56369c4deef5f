-- Endpoints: a name under which the model behind a registry URI is served.
CREATE TABLE endpoints (
  name       TEXT PRIMARY KEY,
  model      TEXT NOT NULL, -- models:/NAME@ALIAS, models:/NAME/VERSION, ...
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
