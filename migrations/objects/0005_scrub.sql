-- Checksums of what the disk has of each blob, and what the scrubber found by them.

ALTER TABLE blob ADD COLUMN crc INTEGER; -- CRC-64/NVME; null for blobs written before there was one

-- Where the scrubber is: one row.
CREATE TABLE scrub (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    position    TEXT NOT NULL,    -- the last blob looked at in this pass
    begun_ms    INTEGER NOT NULL, -- of this pass
    checked     INTEGER NOT NULL, -- blobs in this pass
    bytes       INTEGER NOT NULL,
    finished_ms INTEGER           -- of the last whole pass
) STRICT;

-- Blobs that are not what was written. Never removed by itself while the blob is in use.
CREATE TABLE damage (
    blob     TEXT PRIMARY KEY,
    found_ms INTEGER NOT NULL,
    what     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
