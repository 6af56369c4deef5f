-- Members: users who have of MLflow what was granted to them. What was granted, directly and by roles.

-- As in 0006: the old table steps aside for one that knows the role, and numbers its users, by which
-- MLflow's clients know them.
ALTER TABLE users RENAME TO users_before;

CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,              -- argon2id, PHC string
    role          TEXT NOT NULL CHECK (role IN ('guest', 'member', 'viewer', 'editor', 'admin')),
    created_at    INTEGER NOT NULL,           -- ms since 1970, as every *_at
    email         TEXT UNIQUE,                -- lower case; by which an ACL may name the user
    display_name  TEXT
) STRICT;
INSERT INTO users (name, password_hash, role, created_at, email, display_name)
SELECT name, password_hash, role, created_at, email, display_name FROM users_before ORDER BY created_at;

CREATE TABLE tokens_anew (
    id         TEXT PRIMARY KEY,
    digest     BLOB NOT NULL UNIQUE,          -- SHA-256 of the secret
    user       TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    kind       TEXT NOT NULL CHECK (kind IN ('token', 'session')),
    label      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;
INSERT INTO tokens_anew SELECT id, digest, user, kind, label, created_at, expires_at FROM tokens;
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
INSERT INTO s3_keys_anew SELECT access_key, sealed, user, label, created_at, expires_at, session FROM s3_keys;
DROP TABLE s3_keys;
ALTER TABLE s3_keys_anew RENAME TO s3_keys;
CREATE INDEX s3_keys_by_label ON s3_keys (label);

DROP TABLE users_before;

-- What one user may do with one resource, or with all of a kind ('*'). Kind 'default' is what the user
-- may do where nothing was granted.
CREATE TABLE user_grants (
    user       TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    kind       TEXT NOT NULL,
    resource   TEXT NOT NULL,                 -- an experiment's id, a model's name, or '*'
    permission TEXT NOT NULL,
    PRIMARY KEY (user, kind, resource)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_grants_by_resource ON user_grants (kind, resource);

-- Sets of grants that users are given as a whole.
CREATE TABLE grant_roles (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace   TEXT NOT NULL,
    name        TEXT NOT NULL,
    description TEXT,
    UNIQUE (workspace, name)
) STRICT;

CREATE TABLE role_grants (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    role_id    INTEGER NOT NULL REFERENCES grant_roles (id) ON DELETE CASCADE,
    kind       TEXT NOT NULL,
    resource   TEXT NOT NULL,
    permission TEXT NOT NULL,
    UNIQUE (role_id, kind, resource)
) STRICT;
CREATE INDEX role_grants_by_resource ON role_grants (kind, resource);

CREATE TABLE role_members (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    role_id INTEGER NOT NULL REFERENCES grant_roles (id) ON DELETE CASCADE,
    user    TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    UNIQUE (role_id, user)
) STRICT;
CREATE INDEX role_members_by_user ON role_members (user);

-- A model is known by its name: what was granted on it goes with it, in the same transaction, lest a
-- later model of that name be open to whom it was not shown.
CREATE TRIGGER registered_model_grants_go AFTER DELETE ON registered_models BEGIN
    DELETE FROM user_grants WHERE kind IN ('registered_model', 'prompt') AND resource = OLD.name;
    DELETE FROM role_grants WHERE kind IN ('registered_model', 'prompt') AND resource = OLD.name;
END;
CREATE TRIGGER registered_model_grants_follow AFTER UPDATE OF name ON registered_models BEGIN
    UPDATE user_grants SET resource = NEW.name
    WHERE kind IN ('registered_model', 'prompt') AND resource = OLD.name;
    UPDATE role_grants SET resource = NEW.name
    WHERE kind IN ('registered_model', 'prompt') AND resource = OLD.name;
END;
CREATE TRIGGER experiment_grants_go AFTER DELETE ON experiments BEGIN
    DELETE FROM user_grants WHERE kind = 'experiment' AND resource = CAST(OLD.id AS TEXT);
    DELETE FROM role_grants WHERE kind = 'experiment' AND resource = CAST(OLD.id AS TEXT);
END;
