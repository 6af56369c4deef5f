-- Guests: users that are S3 accounts of their own. Names for ACLs, and S3 keys that expire.

-- A CHECK cannot be changed in place, and dropping a table deletes what refers to its rows. So the old
-- table steps aside, the tables that refer to it are made anew upon the new one, and then it goes.
ALTER TABLE users RENAME TO users_before;

CREATE TABLE users (
    name          TEXT PRIMARY KEY,
    password_hash TEXT NOT NULL,              -- argon2id, PHC string
    role          TEXT NOT NULL CHECK (role IN ('guest', 'viewer', 'editor', 'admin')),
    created_at    INTEGER NOT NULL,           -- ms since 1970, as every *_at
    email         TEXT UNIQUE,                -- lower case; by which an ACL may name the user
    display_name  TEXT
) STRICT;
INSERT INTO users (name, password_hash, role, created_at)
SELECT name, password_hash, role, created_at FROM users_before;

CREATE TABLE tokens_anew (
    id         TEXT PRIMARY KEY,
    digest     BLOB NOT NULL UNIQUE,          -- SHA-256 of the secret
    user       TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    kind       TEXT NOT NULL CHECK (kind IN ('token', 'session')),
    label      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;
INSERT INTO tokens_anew (id, digest, user, kind, label, created_at, expires_at)
SELECT id, digest, user, kind, label, created_at, expires_at FROM tokens;
DROP TABLE tokens;
ALTER TABLE tokens_anew RENAME TO tokens;
CREATE INDEX tokens_by_label ON tokens (label);

CREATE TABLE s3_keys_anew (
    access_key TEXT PRIMARY KEY,
    sealed     BLOB NOT NULL,                 -- the secret under secrets/master.key
    user       TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    label      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,                       -- null for a key that lasts
    session    TEXT                           -- JSON: what temporary keys are limited to
) STRICT;
INSERT INTO s3_keys_anew (access_key, sealed, user, label, created_at)
SELECT access_key, sealed, user, label, created_at FROM s3_keys;
DROP TABLE s3_keys;
ALTER TABLE s3_keys_anew RENAME TO s3_keys;
CREATE INDEX s3_keys_by_label ON s3_keys (label);

DROP TABLE users_before;
