-- Buckets, objects, multipart uploads, and the blobs their bytes live in.

CREATE TABLE bucket (
    name       TEXT PRIMARY KEY,
    created_ms INTEGER NOT NULL,
    -- Kept in the same transaction as the objects, so that a size never needs a scan.
    objects    INTEGER NOT NULL DEFAULT 0,
    bytes      INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- A blob is immutable. A small one carries its bytes in the row; a larger one is the file blobs/<id>,
-- synced before the row is committed. `refs` counts the objects and parts that use it.
CREATE TABLE blob (
    id      TEXT PRIMARY KEY,
    size    INTEGER NOT NULL,
    refs    INTEGER NOT NULL,
    -- When the last reference to a file went; the collector removes it after a grace.
    dead_ms INTEGER,
    data    BLOB
) STRICT;
CREATE INDEX blob_dead ON blob (dead_ms) WHERE dead_ms IS NOT NULL;

-- The primary key's byte order is the order S3 lists in. An unversioned object is version ''.
CREATE TABLE object (
    bucket       TEXT NOT NULL,
    key          TEXT NOT NULL,
    version      TEXT NOT NULL DEFAULT '',
    size         INTEGER NOT NULL,
    etag         TEXT NOT NULL,
    modified_ms  INTEGER NOT NULL,
    content_type TEXT,
    headers      TEXT NOT NULL, -- JSON: the other system headers
    metadata     TEXT NOT NULL, -- JSON: [[name, value], ...]
    tags         TEXT NOT NULL, -- JSON: [[key, value], ...]
    checksums    TEXT NOT NULL, -- JSON
    parts        TEXT,          -- JSON: [[number, size, checksum], ...]; null unless uploaded in parts
    upload       TEXT,          -- the upload it was completed from: a repeated completion succeeds
    extents      TEXT NOT NULL, -- JSON: [[blob, offset, length, inline], ...]; last, it may be long
    PRIMARY KEY (bucket, key, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE upload (
    id            TEXT PRIMARY KEY,
    bucket        TEXT NOT NULL,
    key           TEXT NOT NULL,
    created_ms    INTEGER NOT NULL,
    content_type  TEXT,
    headers       TEXT NOT NULL,
    metadata      TEXT NOT NULL,
    tags          TEXT NOT NULL,
    algorithm     TEXT, -- checksum of each part, when one was asked for
    checksum_kind TEXT  -- COMPOSITE or FULL_OBJECT
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_order ON upload (bucket, key, id);

CREATE TABLE part (
    upload      TEXT NOT NULL,
    number      INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    etag        TEXT NOT NULL,
    modified_ms INTEGER NOT NULL,
    checksum    TEXT,
    extents     TEXT NOT NULL,
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;
