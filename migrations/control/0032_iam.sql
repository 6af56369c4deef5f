-- Users that an account makes for itself by the IAM API: their keys may do what their policies let them.

CREATE TABLE iam_users (
    account    TEXT NOT NULL,                 -- a guest's name, or `crannog`
    name       TEXT NOT NULL COLLATE NOCASE,
    id         TEXT NOT NULL UNIQUE,
    path       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    policies   TEXT NOT NULL DEFAULT '{}',    -- JSON: a document for each name, or the ARN of a managed policy
    PRIMARY KEY (account, name)
) STRICT, WITHOUT ROWID;

-- The IAM user a key stands for; it acts with the rights of `user` as far as that one's policies go.
ALTER TABLE s3_keys ADD COLUMN iam_user TEXT; -- its id
CREATE INDEX s3_keys_by_iam_user ON s3_keys (iam_user) WHERE iam_user IS NOT NULL;
