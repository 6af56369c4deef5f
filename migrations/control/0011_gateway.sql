-- What MLflow's gateway to language models is configured with: credentials, models, endpoints.

CREATE TABLE gateway_secrets (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    sealed      BLOB NOT NULL,                  -- JSON object, sealed with the master key
    masked      TEXT NOT NULL,                  -- the same object with each value made unreadable
    provider    TEXT,
    auth_config TEXT NOT NULL,                  -- JSON object of what is not secret
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    created_by  TEXT,
    updated_by  TEXT
) STRICT;

-- A definition outlives its secret and is then without one.
CREATE TABLE gateway_models (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    secret     TEXT REFERENCES gateway_secrets (id) ON DELETE SET NULL,
    provider   TEXT NOT NULL,
    model_name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    created_by TEXT,
    updated_by TEXT
) STRICT;

CREATE INDEX gateway_models_by_secret ON gateway_models (secret);

CREATE TABLE gateway_endpoints (
    id             TEXT PRIMARY KEY,
    name           TEXT NOT NULL UNIQUE,
    routing        TEXT,
    fallback       TEXT,                        -- JSON object, if there is a fallback at all
    experiment_id  INTEGER REFERENCES experiments (id) ON DELETE SET NULL,
    usage_tracking INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    created_by     TEXT,
    updated_by     TEXT
) STRICT;

CREATE INDEX gateway_endpoints_by_experiment ON gateway_endpoints (experiment_id);

-- The models of an endpoint, in the order they were attached.
CREATE TABLE gateway_endpoint_models (
    place          INTEGER PRIMARY KEY,
    id             TEXT NOT NULL UNIQUE,
    endpoint       TEXT NOT NULL REFERENCES gateway_endpoints (id) ON DELETE CASCADE,
    model          TEXT NOT NULL REFERENCES gateway_models (id),
    linkage        TEXT NOT NULL CHECK (linkage IN ('PRIMARY', 'FALLBACK')),
    weight         REAL NOT NULL,
    fallback_order INTEGER,
    created_at     INTEGER NOT NULL,
    created_by     TEXT,
    UNIQUE (endpoint, model, linkage)
) STRICT;

CREATE INDEX gateway_endpoint_models_by_model ON gateway_endpoint_models (model);

CREATE TABLE gateway_endpoint_tags (
    endpoint TEXT NOT NULL REFERENCES gateway_endpoints (id) ON DELETE CASCADE,
    key      TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (endpoint, key)
) STRICT, WITHOUT ROWID;

-- What asks a model through an endpoint.
CREATE TABLE gateway_bindings (
    endpoint      TEXT NOT NULL REFERENCES gateway_endpoints (id) ON DELETE CASCADE,
    resource_type TEXT NOT NULL,
    resource_id   TEXT NOT NULL,
    display_name  TEXT,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    created_by    TEXT,
    updated_by    TEXT,
    PRIMARY KEY (endpoint, resource_type, resource_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX gateway_bindings_by_resource ON gateway_bindings (resource_type, resource_id);
