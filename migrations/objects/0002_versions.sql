-- Versions of objects, owners, and the settings of buckets.

ALTER TABLE bucket ADD COLUMN owner TEXT NOT NULL DEFAULT 'crannog';
ALTER TABLE bucket ADD COLUMN versioning TEXT NOT NULL DEFAULT 'off'
    CHECK (versioning IN ('off', 'enabled', 'suspended'));
-- Whether object lock was turned on: it cannot be turned off again.
ALTER TABLE bucket ADD COLUMN object_lock INTEGER NOT NULL DEFAULT 0;

-- Policy, lifecycle, CORS and the like: one JSON document each.
CREATE TABLE bucket_setting (
    bucket TEXT NOT NULL,
    name   TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (bucket, name)
) STRICT, WITHOUT ROWID;

-- The primary key's byte order is the order S3 lists in, the newest version of a key first.
CREATE TABLE object_version (
    bucket       TEXT NOT NULL,
    key          TEXT NOT NULL,
    seq          INTEGER NOT NULL, -- microseconds since 1970, made to rise with each version of a key
    latest       INTEGER NOT NULL, -- 1 for the first row of a key, and only for it
    is_null      INTEGER NOT NULL, -- the version S3 calls "null": at most one of a key
    marker       INTEGER NOT NULL, -- a delete marker: no bytes, and as the latest it hides the key
    size         INTEGER NOT NULL,
    etag         TEXT NOT NULL,
    modified_ms  INTEGER NOT NULL,
    owner        TEXT NOT NULL,
    class        TEXT,             -- storage class, null for STANDARD
    content_type TEXT,
    traits       TEXT NOT NULL,    -- JSON: headers, metadata, tags, lock and what else came with it
    checksums    TEXT NOT NULL,    -- JSON
    parts        TEXT,             -- JSON: [[number, size, checksum], ...]; null unless uploaded in parts
    upload       TEXT,             -- the upload it was completed from: a repeated completion succeeds
    extents      TEXT NOT NULL,    -- JSON: [[blob, offset, length, inline], ...]; last, it may be long
    PRIMARY KEY (bucket, key, seq DESC)
) STRICT, WITHOUT ROWID;

INSERT INTO object_version
SELECT bucket, key, modified_ms * 1000, 1, 1, 0, size, etag, modified_ms, 'crannog', NULL, content_type,
       json_object('headers', json(headers), 'metadata', json(metadata), 'tags', json(tags)),
       checksums, parts, upload, extents
FROM object;
DROP TABLE object;
ALTER TABLE object_version RENAME TO object;

ALTER TABLE upload ADD COLUMN owner TEXT NOT NULL DEFAULT 'crannog';
ALTER TABLE upload ADD COLUMN class TEXT;
ALTER TABLE upload ADD COLUMN traits TEXT NOT NULL DEFAULT '{}';
UPDATE upload SET traits = json_object('headers', json(headers), 'metadata', json(metadata), 'tags', json(tags));
ALTER TABLE upload DROP COLUMN headers;
ALTER TABLE upload DROP COLUMN metadata;
ALTER TABLE upload DROP COLUMN tags;
