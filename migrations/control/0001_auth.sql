-- Users, and what they prove themselves with. Secrets are kept as digests, S3 keys sealed.
CREATE TABLE users (
    name          TEXT PRIMARY KEY,
    password_hash TEXT NOT NULL,              -- argon2id, PHC string
    role          TEXT NOT NULL CHECK (role IN ('viewer', 'editor', 'admin')),
    created_at    INTEGER NOT NULL            -- ms since 1970, as every *_at
) STRICT;

-- Bearer tokens and UI sessions: both are random secrets that stand for a user.
CREATE TABLE tokens (
    id         TEXT PRIMARY KEY,
    digest     BLOB NOT NULL UNIQUE,          -- SHA-256 of the secret
    user       TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    kind       TEXT NOT NULL CHECK (kind IN ('token', 'session')),
    label      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;
CREATE INDEX tokens_by_label ON tokens (label);

CREATE TABLE s3_keys (
    access_key TEXT PRIMARY KEY,
    sealed     BLOB NOT NULL,                 -- the secret under secrets/master.key
    user       TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    label      TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX s3_keys_by_label ON s3_keys (label);
