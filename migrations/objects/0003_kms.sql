-- Named keys for encryption at rest. The root key that wraps them is the file secrets/objects.key.

CREATE TABLE kms_key (
    name       TEXT PRIMARY KEY,
    created_ms INTEGER NOT NULL,
    enabled    INTEGER NOT NULL,
    sealed     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
