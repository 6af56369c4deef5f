-- The aliases that an import brought, and the version each named then. One that still names it here was not
-- changed since, and follows its source.
CREATE TABLE imported_aliases (
  model_id INTEGER NOT NULL REFERENCES registered_models(id) ON DELETE CASCADE,
  alias    TEXT NOT NULL,
  version  INTEGER NOT NULL,
  PRIMARY KEY (model_id, alias)
) STRICT, WITHOUT ROWID;
