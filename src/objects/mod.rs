//! Floor 3: buckets and objects, and the S3 door over them.
//!
//! Invariants
//! - An object is visible whole or not at all: its body is received, verified against every promise
//!   made about it (length, Content-MD5, checksums, signature), and durable, before the one
//!   transaction that shows it. Conditions (If-Match, If-None-Match) are decided inside that commit.
//! - A row never names a missing blob. Before the commit the object is invisible and its blob is
//!   garbage; after it the blob is durable, because its sync came first.
//! - A key is a plain string. It is never a path: blobs are named by random ids.
//! - Copies, and completed multipart uploads, refer to blobs that exist; no byte is written twice, but
//!   where a copy is encrypted in another way than its source.
//! - What was asked to be encrypted is never on the disk in clear, and what is encrypted never becomes
//!   clear by being copied.
//! - No request is signed the SigV2 way, unless the operator serves such clients, but the policy of an
//!   upload form may be; no presigned URL outlives a week; an anonymous one has what a policy or an ACL grants to all and nothing else.
//!
//! It mirrors Amazon S3's REST protocol. Departures: a copy of an object that was uploaded in parts
//! keeps that object's ETag.

mod access;
mod asker;
mod buckets;
mod collector;
mod copy;
mod cors;
mod crypt;
pub mod digest;
mod error;
pub mod fsck;
mod intake;
mod lifecycle;
mod links;
mod lock;
mod logging;
mod md5;
pub mod model;
mod multipart;
mod names;
mod notify;
mod part_copy;
mod quota;
mod read;
mod routes;
mod s3;
mod scrub;
mod service;
mod settings;
mod store;
#[cfg(test)]
mod tests;
mod website;

pub use error::Fault;
pub use links::{Link, Signer, check_life};
pub use model::{BucketInfo, Condition, ListPage, ListQuery, NewBucket, ObjectInfo, PutOptions};
pub use multipart::{Completion, ListedPart};
pub use notify::{Hearing, Starter};
pub use read::ByteStream;
pub use routes::{Address, router};
pub use s3::{REGION, S3Door, S3Settings, is_s3_request, s3_service};
pub use service::Service;
pub use store::audit::{OwnedFile, each_file, file_totals, unowned};
