//! Floor 2: users, roles, tokens, S3 access keys, sessions.
