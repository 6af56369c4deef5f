//! Floor 3: buckets and objects, and the S3 door over them.
