//! The settings of a bucket as JSON documents, in the words the AWS command line uses for them. Each is
//! read and written through the operation of the S3 door, whose checks so hold here too.

use super::super::{access::admit::Admitted, s3::Ops};
use names::Ids;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Result, dto::*};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// One kind of setting.
#[async_trait::async_trait]
pub(super) trait Document: Send + Sync {
    fn name(&self) -> &'static str;
    /// The S3 operations that get, put and delete it, by which it is decided who may.
    fn operations(&self) -> [&'static str; 3];
    /// The document, if the bucket has it.
    async fn get(&self, ops: &Ops, admitted: &Admitted, bucket: &str) -> S3Result<Option<Value>>;
    async fn put(&self, ops: &Ops, admitted: &Admitted, bucket: &str, document: &Value) -> S3Result<()>;
    async fn delete(&self, ops: &Ops, admitted: &Admitted, bucket: &str) -> S3Result<()>;
}

/// A request to the S3 door that comes from inside; who asks has been found out, and may.
pub(super) fn request<T>(input: T, admitted: &Admitted) -> S3Request<T> {
    let mut extensions = http::Extensions::new();
    extensions.insert(admitted.clone());
    S3Request {
        input,
        method: http::Method::GET,
        uri: http::Uri::default(),
        headers: http::HeaderMap::new(),
        extensions,
        credentials: None,
        region: None,
        service: None,
        trailing_headers: None,
    }
}

fn malformed(message: String) -> S3Error {
    S3Error::with_message(S3ErrorCode::InvalidArgument, message)
}

fn read<T: Serialize + DeserializeOwned>(document: &Value) -> S3Result<T> {
    names::read(document).map_err(malformed)
}

fn write<T: Serialize>(document: &T, ids: Ids) -> S3Result<Value> {
    names::write(document, ids).map_err(S3Error::internal_error)
}

/// Builds an operation's input; every field it needs is given.
macro_rules! input {
    ($input:ident, $bucket:expr $(, $set:ident = $value:expr)*) => {{
        let mut builder = $input::builder();
        builder.set_bucket($bucket.to_owned());
        $(builder.$set($value);)*
        builder.build().map_err(S3Error::internal_error)?
    }};
}

mod acl;
mod names;
mod plain;

macro_rules! document {
    (
        $name:literal, $kind:ident = $config:ty, $operations:expr, $ids:expr,
        $get:ident($get_input:ident) $found:expr,
        $put:ident($put_input:ident) $set:ident $wrap:expr,
        $delete:ident($delete_input:ident $(, $unset:ident = $empty:expr)?)
    ) => {
        struct $kind;

        #[async_trait::async_trait]
        impl Document for $kind {
            fn name(&self) -> &'static str {
                $name
            }

            fn operations(&self) -> [&'static str; 3] {
                $operations
            }

            async fn get(&self, ops: &Ops, admitted: &Admitted, bucket: &str) -> S3Result<Option<Value>> {
                let output = ops.$get(request(input!($get_input, bucket), admitted)).await?.output;
                let found: Option<$config> = ($found)(output);
                found.map(|config| write(&config, $ids)).transpose()
            }

            async fn put(&self, ops: &Ops, admitted: &Admitted, bucket: &str, document: &Value) -> S3Result<()> {
                let config: $config = read(document)?;
                ops.$put(request(input!($put_input, bucket, $set = ($wrap)(config)), admitted)).await.map(drop)
            }

            async fn delete(&self, ops: &Ops, admitted: &Admitted, bucket: &str) -> S3Result<()> {
                let input = input!($delete_input, bucket $(, $unset = $empty)?);
                ops.$delete(request(input, admitted)).await.map(drop)
            }
        }
    };
}

document! {
    "cors", Cors = CORSConfiguration,
    ["GetBucketCors", "PutBucketCors", "DeleteBucketCors"], Ids::Upper,
    get_bucket_cors(GetBucketCorsInput) |found: GetBucketCorsOutput| {
        found.cors_rules.map(|cors_rules| CORSConfiguration { cors_rules })
    },
    put_bucket_cors(PutBucketCorsInput) set_cors_configuration |config| config,
    delete_bucket_cors(DeleteBucketCorsInput)
}

document! {
    "lifecycle", Lifecycle = BucketLifecycleConfiguration,
    ["GetBucketLifecycleConfiguration", "PutBucketLifecycleConfiguration", "DeleteBucketLifecycle"], Ids::Upper,
    get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput)
        |found: GetBucketLifecycleConfigurationOutput| {
            found.rules.map(|rules| BucketLifecycleConfiguration { rules })
        },
    put_bucket_lifecycle_configuration(PutBucketLifecycleConfigurationInput) set_lifecycle_configuration Some,
    delete_bucket_lifecycle(DeleteBucketLifecycleInput)
}

document! {
    "encryption", Encryption = ServerSideEncryptionConfiguration,
    ["GetBucketEncryption", "PutBucketEncryption", "DeleteBucketEncryption"], Ids::Upper,
    get_bucket_encryption(GetBucketEncryptionInput)
        |found: GetBucketEncryptionOutput| found.server_side_encryption_configuration,
    put_bucket_encryption(PutBucketEncryptionInput) set_server_side_encryption_configuration |config| config,
    delete_bucket_encryption(DeleteBucketEncryptionInput)
}

document! {
    "tagging", Tags = Tagging,
    ["GetBucketTagging", "PutBucketTagging", "DeleteBucketTagging"], Ids::Upper,
    get_bucket_tagging(GetBucketTaggingInput)
        |found: GetBucketTaggingOutput| Some(Tagging { tag_set: found.tag_set }),
    put_bucket_tagging(PutBucketTaggingInput) set_tagging |config| config,
    delete_bucket_tagging(DeleteBucketTaggingInput)
}

document! {
    "website", Website = WebsiteConfiguration,
    ["GetBucketWebsite", "PutBucketWebsite", "DeleteBucketWebsite"], Ids::Upper,
    get_bucket_website(GetBucketWebsiteInput) |found: GetBucketWebsiteOutput| Some(WebsiteConfiguration {
        error_document: found.error_document,
        index_document: found.index_document,
        redirect_all_requests_to: found.redirect_all_requests_to,
        routing_rules: found.routing_rules,
    }),
    put_bucket_website(PutBucketWebsiteInput) set_website_configuration |config| config,
    delete_bucket_website(DeleteBucketWebsiteInput)
}

document! {
    "notification", Notification = NotificationConfiguration,
    ["GetBucketNotificationConfiguration", "PutBucketNotificationConfiguration", "PutBucketNotificationConfiguration"], Ids::Title,
    get_bucket_notification_configuration(GetBucketNotificationConfigurationInput)
        |found: GetBucketNotificationConfigurationOutput| {
            let config = NotificationConfiguration {
                event_bridge_configuration: found.event_bridge_configuration,
                lambda_function_configurations: found.lambda_function_configurations,
                queue_configurations: found.queue_configurations,
                topic_configurations: found.topic_configurations,
            };
            (config != NotificationConfiguration::default()).then_some(config)
        },
    put_bucket_notification_configuration(PutBucketNotificationConfigurationInput)
        set_notification_configuration |config| config,
    put_bucket_notification_configuration(
        PutBucketNotificationConfigurationInput,
        set_notification_configuration = NotificationConfiguration::default()
    )
}

document! {
    "logging", Logging = plain::Logging,
    ["GetBucketLogging", "PutBucketLogging", "PutBucketLogging"], Ids::Upper,
    get_bucket_logging(GetBucketLoggingInput)
        |found: GetBucketLoggingOutput| found.logging_enabled.map(plain::Logging::from),
    put_bucket_logging(PutBucketLoggingInput) set_bucket_logging_status BucketLoggingStatus::from,
    put_bucket_logging(PutBucketLoggingInput, set_bucket_logging_status = BucketLoggingStatus::default())
}

document! {
    "public-access-block", PublicAccess = PublicAccessBlockConfiguration,
    ["GetPublicAccessBlock", "PutPublicAccessBlock", "DeletePublicAccessBlock"], Ids::Upper,
    get_public_access_block(GetPublicAccessBlockInput)
        |found: GetPublicAccessBlockOutput| found.public_access_block_configuration,
    put_public_access_block(PutPublicAccessBlockInput) set_public_access_block_configuration |config| config,
    delete_public_access_block(DeletePublicAccessBlockInput)
}

document! {
    "ownership", Owners = plain::Ownership,
    ["GetBucketOwnershipControls", "PutBucketOwnershipControls", "DeleteBucketOwnershipControls"], Ids::Upper,
    get_bucket_ownership_controls(GetBucketOwnershipControlsInput)
        |found: GetBucketOwnershipControlsOutput| found.ownership_controls.map(plain::Ownership::from),
    put_bucket_ownership_controls(PutBucketOwnershipControlsInput) set_ownership_controls OwnershipControls::from,
    delete_bucket_ownership_controls(DeleteBucketOwnershipControlsInput)
}

document! {
    "object-lock", Lock = ObjectLockConfiguration,
    ["GetObjectLockConfiguration", "PutObjectLockConfiguration", "PutObjectLockConfiguration"], Ids::Upper,
    get_object_lock_configuration(GetObjectLockConfigurationInput)
        |found: GetObjectLockConfigurationOutput| found.object_lock_configuration,
    put_object_lock_configuration(PutObjectLockConfigurationInput) set_object_lock_configuration Some,
    put_object_lock_configuration(PutObjectLockConfigurationInput, set_object_lock_configuration = Some(
        ObjectLockConfiguration {
            object_lock_enabled: Some(ObjectLockEnabled::from_static(ObjectLockEnabled::ENABLED)),
            rule: None,
        }
    ))
}

/// The policy is JSON already, with names of its own.
struct BucketPolicy;

#[async_trait::async_trait]
impl Document for BucketPolicy {
    fn name(&self) -> &'static str {
        "policy"
    }

    fn operations(&self) -> [&'static str; 3] {
        ["GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"]
    }

    async fn get(&self, ops: &Ops, admitted: &Admitted, bucket: &str) -> S3Result<Option<Value>> {
        let output =
            ops.get_bucket_policy(request(input!(GetBucketPolicyInput, bucket), admitted)).await?.output;
        let read = |text: String| serde_json::from_str(&text).map_err(S3Error::internal_error);
        output.policy.map(read).transpose()
    }

    async fn put(&self, ops: &Ops, admitted: &Admitted, bucket: &str, document: &Value) -> S3Result<()> {
        let input = input!(PutBucketPolicyInput, bucket, set_policy = document.to_string());
        ops.put_bucket_policy(request(input, admitted)).await.map(drop)
    }

    async fn delete(&self, ops: &Ops, admitted: &Admitted, bucket: &str) -> S3Result<()> {
        ops.delete_bucket_policy(request(input!(DeleteBucketPolicyInput, bucket), admitted)).await.map(drop)
    }
}

/// Every kind of setting, in the order people are shown them.
pub(super) const ALL: [&dyn Document; 12] = [
    &Lifecycle,
    &Cors,
    &BucketPolicy,
    &acl::BucketAcl,
    &PublicAccess,
    &Owners,
    &Encryption,
    &Lock,
    &Notification,
    &Logging,
    &Website,
    &Tags,
];
