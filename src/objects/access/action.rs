//! Which right each operation needs: the action of a policy, the role of the house, the grant of an ACL.

use super::{acl::Permission, policy::pattern};
use crate::auth::Role;

/// What an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// No bucket yet: listing and making buckets.
    Account,
    Bucket,
    /// A key to be written or removed: rights on the bucket count.
    Key,
    /// An object that is there: its owner and its ACL count.
    Object,
}

/// The rights one operation needs.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    pub action: &'static str,
    /// The action instead, when the request names a version.
    pub versioned: Option<&'static str>,
    pub scope: Scope,
    /// The least role of the house that may do it to the house's buckets.
    pub role: Role,
    /// The permission in the bucket's ACL (the object's, for `Scope::Object`) that allows it.
    pub permission: Option<Permission>,
}

impl Operation {
    const fn new(scope: Scope, role: Role, action: &'static str) -> Self {
        Self { action, versioned: None, scope, role, permission: None }
    }

    const fn by(self, permission: Permission) -> Self {
        Self { permission: Some(permission), ..self }
    }

    const fn version(self, action: &'static str) -> Self {
        Self { versioned: Some(action), ..self }
    }

    /// The action for a request that does or does not name a version.
    pub fn action(&self, version: bool) -> &'static str {
        self.versioned.filter(|_| version).unwrap_or(self.action)
    }
}

/// The rights an operation needs, by its name in the S3 API. One that is not here is for admins.
pub fn of(operation: &str) -> Operation {
    use Permission::{Read, ReadAcp, Write, WriteAcp};
    use Role::{Admin, Editor, Viewer};
    use Scope::{Account, Bucket, Key, Object};
    let new = Operation::new;
    match operation {
        "ListBuckets" | "ListDirectoryBuckets" => new(Account, Viewer, "s3:ListAllMyBuckets"),
        "CreateBucket" => new(Account, Editor, "s3:CreateBucket"),

        "HeadBucket" | "ListObjects" | "ListObjectsV2" => new(Bucket, Viewer, "s3:ListBucket").by(Read),
        "ListObjectVersions" => new(Bucket, Viewer, "s3:ListBucketVersions").by(Read),
        "ListMultipartUploads" => new(Bucket, Viewer, "s3:ListBucketMultipartUploads").by(Read),
        "DeleteBucket" => new(Bucket, Editor, "s3:DeleteBucket"),

        "GetBucketAcl" => new(Bucket, Viewer, "s3:GetBucketAcl").by(ReadAcp),
        "PutBucketAcl" => new(Bucket, Admin, "s3:PutBucketAcl").by(WriteAcp),
        "GetBucketPolicy" => new(Bucket, Viewer, "s3:GetBucketPolicy"),
        "GetBucketPolicyStatus" => new(Bucket, Viewer, "s3:GetBucketPolicyStatus"),
        "PutBucketPolicy" => new(Bucket, Admin, "s3:PutBucketPolicy"),
        "DeleteBucketPolicy" => new(Bucket, Admin, "s3:DeleteBucketPolicy"),
        "GetPublicAccessBlock" => new(Bucket, Viewer, "s3:GetBucketPublicAccessBlock"),
        "PutPublicAccessBlock" | "DeletePublicAccessBlock" => {
            new(Bucket, Admin, "s3:PutBucketPublicAccessBlock")
        }
        "GetBucketOwnershipControls" => new(Bucket, Viewer, "s3:GetBucketOwnershipControls"),
        "PutBucketOwnershipControls" | "DeleteBucketOwnershipControls" => {
            new(Bucket, Admin, "s3:PutBucketOwnershipControls")
        }

        "GetBucketLocation" => new(Bucket, Viewer, "s3:GetBucketLocation"),
        "GetBucketVersioning" => new(Bucket, Viewer, "s3:GetBucketVersioning"),
        "PutBucketVersioning" => new(Bucket, Editor, "s3:PutBucketVersioning"),
        "GetBucketTagging" => new(Bucket, Viewer, "s3:GetBucketTagging"),
        "PutBucketTagging" | "DeleteBucketTagging" => new(Bucket, Editor, "s3:PutBucketTagging"),
        "GetBucketCors" => new(Bucket, Viewer, "s3:GetBucketCORS"),
        "PutBucketCors" | "DeleteBucketCors" => new(Bucket, Editor, "s3:PutBucketCORS"),
        "GetBucketWebsite" => new(Bucket, Viewer, "s3:GetBucketWebsite"),
        "PutBucketWebsite" => new(Bucket, Editor, "s3:PutBucketWebsite"),
        "DeleteBucketWebsite" => new(Bucket, Editor, "s3:DeleteBucketWebsite"),
        "GetBucketEncryption" => new(Bucket, Viewer, "s3:GetEncryptionConfiguration"),
        "PutBucketEncryption" | "DeleteBucketEncryption" => {
            new(Bucket, Editor, "s3:PutEncryptionConfiguration")
        }
        "GetBucketLifecycleConfiguration" => new(Bucket, Viewer, "s3:GetLifecycleConfiguration"),
        "PutBucketLifecycleConfiguration" | "DeleteBucketLifecycle" => {
            new(Bucket, Editor, "s3:PutLifecycleConfiguration")
        }
        "GetBucketNotificationConfiguration" => new(Bucket, Viewer, "s3:GetBucketNotification"),
        // It makes the server call addresses: not for everybody who may write an object.
        "PutBucketNotificationConfiguration" => new(Bucket, Admin, "s3:PutBucketNotification"),
        "GetBucketLogging" => new(Bucket, Viewer, "s3:GetBucketLogging"),
        "PutBucketLogging" => new(Bucket, Editor, "s3:PutBucketLogging"),
        "GetBucketRequestPayment" => new(Bucket, Viewer, "s3:GetBucketRequestPayment"),
        "PutBucketRequestPayment" => new(Bucket, Editor, "s3:PutBucketRequestPayment"),
        "GetBucketAccelerateConfiguration" => new(Bucket, Viewer, "s3:GetAccelerateConfiguration"),
        "PutBucketAccelerateConfiguration" => new(Bucket, Editor, "s3:PutAccelerateConfiguration"),
        "GetBucketReplication" => new(Bucket, Viewer, "s3:GetReplicationConfiguration"),
        "PutBucketReplication" | "DeleteBucketReplication" => {
            new(Bucket, Admin, "s3:PutReplicationConfiguration")
        }
        "GetObjectLockConfiguration" => new(Bucket, Viewer, "s3:GetBucketObjectLockConfiguration"),
        "PutObjectLockConfiguration" => new(Bucket, Editor, "s3:PutBucketObjectLockConfiguration"),

        "GetObject" | "HeadObject" | "SelectObjectContent" | "GetObjectTorrent" => {
            new(Object, Viewer, "s3:GetObject").version("s3:GetObjectVersion").by(Read)
        }
        "GetObjectAttributes" => {
            new(Object, Viewer, "s3:GetObjectAttributes").version("s3:GetObjectVersionAttributes").by(Read)
        }
        "GetObjectAcl" => {
            new(Object, Viewer, "s3:GetObjectAcl").version("s3:GetObjectVersionAcl").by(ReadAcp)
        }
        "PutObjectAcl" => {
            new(Object, Editor, "s3:PutObjectAcl").version("s3:PutObjectVersionAcl").by(WriteAcp)
        }
        "GetObjectTagging" => {
            new(Object, Viewer, "s3:GetObjectTagging").version("s3:GetObjectVersionTagging")
        }
        "PutObjectTagging" => {
            new(Object, Editor, "s3:PutObjectTagging").version("s3:PutObjectVersionTagging")
        }
        "DeleteObjectTagging" => {
            new(Object, Editor, "s3:DeleteObjectTagging").version("s3:DeleteObjectVersionTagging")
        }
        "GetObjectRetention" => new(Object, Viewer, "s3:GetObjectRetention"),
        "PutObjectRetention" => new(Object, Editor, "s3:PutObjectRetention"),
        "GetObjectLegalHold" => new(Object, Viewer, "s3:GetObjectLegalHold"),
        "PutObjectLegalHold" => new(Object, Editor, "s3:PutObjectLegalHold"),
        "RestoreObject" => new(Object, Editor, "s3:RestoreObject"),

        "PutObject"
        | "PostObject"
        | "CopyObject"
        | "CreateMultipartUpload"
        | "UploadPart"
        | "UploadPartCopy"
        | "CompleteMultipartUpload" => new(Key, Editor, "s3:PutObject").by(Write),
        "AbortMultipartUpload" => new(Key, Editor, "s3:AbortMultipartUpload").by(Write),
        "ListParts" => new(Key, Viewer, "s3:ListMultipartUploadParts").by(Write),
        "DeleteObject" | "DeleteObjects" => {
            new(Key, Editor, "s3:DeleteObject").version("s3:DeleteObjectVersion").by(Write)
        }
        "BypassGovernanceRetention" => new(Key, Admin, "s3:BypassGovernanceRetention"),
        _ => new(Bucket, Admin, "s3:Unknown"),
    }
}

/// Every action a policy may name, those of operations this server does not have included.
const ACTIONS: &[&str] = &[
    "AbortMultipartUpload",
    "BypassGovernanceRetention",
    "CreateBucket",
    "DeleteBucket",
    "DeleteBucketPolicy",
    "DeleteBucketWebsite",
    "DeleteObject",
    "DeleteObjectTagging",
    "DeleteObjectVersion",
    "DeleteObjectVersionTagging",
    "GetAccelerateConfiguration",
    "GetAnalyticsConfiguration",
    "GetBucketAcl",
    "GetBucketCORS",
    "GetBucketLocation",
    "GetBucketLogging",
    "GetBucketMetadataTableConfiguration",
    "GetBucketNotification",
    "GetBucketObjectLockConfiguration",
    "GetBucketOwnershipControls",
    "GetBucketPolicy",
    "GetBucketPolicyStatus",
    "GetBucketPublicAccessBlock",
    "GetBucketRequestPayment",
    "GetBucketTagging",
    "GetBucketVersioning",
    "GetBucketWebsite",
    "GetEncryptionConfiguration",
    "GetIntelligentTieringConfiguration",
    "GetInventoryConfiguration",
    "GetLifecycleConfiguration",
    "GetMetricsConfiguration",
    "GetObject",
    "GetObjectAcl",
    "GetObjectAttributes",
    "GetObjectLegalHold",
    "GetObjectRetention",
    "GetObjectTagging",
    "GetObjectTorrent",
    "GetObjectVersion",
    "GetObjectVersionAcl",
    "GetObjectVersionAttributes",
    "GetObjectVersionForReplication",
    "GetObjectVersionTagging",
    "GetObjectVersionTorrent",
    "GetReplicationConfiguration",
    "InitiateReplication",
    "ListAllMyBuckets",
    "ListBucket",
    "ListBucketMultipartUploads",
    "ListBucketVersions",
    "ListMultipartUploadParts",
    "ListTagsForResource",
    "ObjectOwnerOverrideToBucketOwner",
    "PutAccelerateConfiguration",
    "PutAnalyticsConfiguration",
    "PutBucketAcl",
    "PutBucketCORS",
    "PutBucketLogging",
    "PutBucketNotification",
    "PutBucketObjectLockConfiguration",
    "PutBucketOwnershipControls",
    "PutBucketPolicy",
    "PutBucketPublicAccessBlock",
    "PutBucketRequestPayment",
    "PutBucketTagging",
    "PutBucketVersioning",
    "PutBucketWebsite",
    "PutEncryptionConfiguration",
    "PutIntelligentTieringConfiguration",
    "PutInventoryConfiguration",
    "PutLifecycleConfiguration",
    "PutMetricsConfiguration",
    "PutObject",
    "PutObjectAcl",
    "PutObjectLegalHold",
    "PutObjectRetention",
    "PutObjectTagging",
    "PutObjectVersionAcl",
    "PutObjectVersionTagging",
    "PutReplicationConfiguration",
    "ReplicateDelete",
    "ReplicateObject",
    "ReplicateTags",
    "RestoreObject",
    "TagResource",
    "UntagResource",
    "UpdateObjectEncryption",
];

/// Whether a policy's pattern can mean any action there is.
pub fn is_known(pattern: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let Some((service, name)) = pattern.split_once(':') else { return false };
    service.eq_ignore_ascii_case("s3") && ACTIONS.iter().any(|action| pattern::fits_action(name, action))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_of_an_operation_is_one_a_policy_may_name() {
        for operation in ["GetObject", "PutObject", "DeleteObjects", "ListObjectsV2", "PutBucketCors"] {
            let rights = of(operation);
            assert!(is_known(rights.action), "{operation}");
            assert!(rights.versioned.is_none_or(is_known), "{operation}");
        }
        assert!(is_known("*") && is_known("s3:*") && is_known("S3:getobject"));
        assert!(!is_known("s3:GetObjct") && !is_known("GetObject") && !is_known("iam:*"));
        assert!(ACTIONS.is_sorted());
    }

    #[test]
    fn a_version_asks_for_an_action_of_its_own() {
        assert_eq!(of("GetObject").action(true), "s3:GetObjectVersion");
        assert_eq!(of("DeleteObject").action(false), "s3:DeleteObject");
        assert_eq!(of("PutObject").action(true), "s3:PutObject");
        assert_eq!(of("SomethingNew").role, Role::Admin);
    }
}
