//! The table of S3 operations this server has. Each names the function that does it; what is not
//! here is answered with NotImplemented by s3s.

use super::{
    super::{access::admit::Gatekeeper, names, service::Service},
    acl, attributes, bucket, copy, cors, fetch, lifecycle, list, lock, logging, notification, object, policy,
    refuse, setting, upload, website,
};
use s3s::{S3, S3ErrorCode, S3Request, S3Response, S3Result, dto::*};
use std::future::{Ready, ready};

pub struct Ops(pub Service, pub Gatekeeper);

/// A row: what s3s calls the operation, what it takes and gives, and the call that does it.
macro_rules! operations {
    (
        $service:ident, $gates:ident, $request:ident;
        $($name:ident($input:ty) -> $output:ty = $call:expr;)*
    ) => {
        #[allow(unused_variables, reason = "a row needs one of the two")]
        #[async_trait::async_trait]
        impl S3 for Ops {
            $(async fn $name(&self, mut $request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                $request.input.unqualify();
                let Ops($service, $gates) = self;
                $call.await.map(Answer::whole)
            })*
        }
    };
}

/// What an operation takes. The guard has seen to the account that may stand before the bucket: it goes.
trait Input {
    fn unqualify(&mut self);
}

macro_rules! of_a_bucket {
    ($($input:ty)*) => {
        $(impl Input for $input {
            fn unqualify(&mut self) {
                let bucket = names::qualified(&self.bucket).1;
                if bucket.len() < self.bucket.len() {
                    self.bucket = bucket.to_owned();
                }
            }
        })*
    };
}

of_a_bucket! {
    CreateBucketInput DeleteBucketInput HeadBucketInput GetBucketLocationInput GetBucketVersioningInput
    PutBucketVersioningInput PutObjectInput GetObjectInput HeadObjectInput DeleteObjectInput
    DeleteObjectsInput GetObjectTaggingInput PutObjectTaggingInput DeleteObjectTaggingInput
    GetObjectAttributesInput PutObjectLockConfigurationInput GetObjectLockConfigurationInput
    PutObjectRetentionInput GetObjectRetentionInput PutObjectLegalHoldInput GetObjectLegalHoldInput
    GetObjectTorrentInput CopyObjectInput UploadPartCopyInput ListObjectsInput ListObjectsV2Input
    ListObjectVersionsInput CreateMultipartUploadInput UploadPartInput CompleteMultipartUploadInput
    AbortMultipartUploadInput ListPartsInput ListMultipartUploadsInput GetBucketAclInput PutBucketAclInput
    GetObjectAclInput PutObjectAclInput GetBucketPolicyInput PutBucketPolicyInput DeleteBucketPolicyInput
    GetBucketPolicyStatusInput GetPublicAccessBlockInput PutPublicAccessBlockInput
    DeletePublicAccessBlockInput GetBucketOwnershipControlsInput PutBucketOwnershipControlsInput
    DeleteBucketOwnershipControlsInput GetBucketCorsInput PutBucketCorsInput DeleteBucketCorsInput
    GetBucketTaggingInput PutBucketTaggingInput DeleteBucketTaggingInput GetBucketEncryptionInput
    PutBucketEncryptionInput DeleteBucketEncryptionInput GetBucketRequestPaymentInput
    PutBucketRequestPaymentInput GetBucketAccelerateConfigurationInput PutBucketAccelerateConfigurationInput
    GetBucketLifecycleConfigurationInput PutBucketLifecycleConfigurationInput DeleteBucketLifecycleInput
    GetBucketWebsiteInput PutBucketWebsiteInput DeleteBucketWebsiteInput
    GetBucketNotificationConfigurationInput PutBucketNotificationConfigurationInput
    GetBucketReplicationInput GetBucketLoggingInput PutBucketLoggingInput
}

impl Input for ListBucketsInput {
    fn unqualify(&mut self) {}
}

/// What an operation answers: its output, or that with headers and a status of its own.
trait Answer<T> {
    fn whole(self) -> S3Response<T>;
}

impl<T> Answer<T> for T {
    fn whole(self) -> S3Response<T> {
        S3Response::new(self)
    }
}

impl<T> Answer<T> for S3Response<T> {
    fn whole(self) -> Self {
        self
    }
}

/// S3 itself answers this way for what has no torrent.
fn no_torrent(_: S3Request<GetObjectTorrentInput>) -> Ready<S3Result<GetObjectTorrentOutput>> {
    ready(Err(refuse(S3ErrorCode::NoSuchKey, "Objects have no torrents here.")))
}

operations! { service, gates, request;
    create_bucket(CreateBucketInput) -> CreateBucketOutput = bucket::create(gates, request);
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput = bucket::delete(service, request.input);
    head_bucket(HeadBucketInput) -> HeadBucketOutput = bucket::head(service, request);
    list_buckets(ListBucketsInput) -> ListBucketsOutput = bucket::list(service, request);
    get_bucket_location(GetBucketLocationInput)
        -> GetBucketLocationOutput = bucket::location(service, request.input);
    get_bucket_versioning(GetBucketVersioningInput)
        -> GetBucketVersioningOutput = bucket::versioning(service, request.input);
    put_bucket_versioning(PutBucketVersioningInput)
        -> PutBucketVersioningOutput = bucket::set_versioning(service, request.input);
    put_object(PutObjectInput) -> PutObjectOutput = object::put(service, request);
    get_object(GetObjectInput) -> GetObjectOutput = fetch::get(service, request);
    head_object(HeadObjectInput) -> HeadObjectOutput = fetch::head(service, request);
    delete_object(DeleteObjectInput) -> DeleteObjectOutput = object::delete(service, request);
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput = object::delete_many(service, request);
    get_object_tagging(GetObjectTaggingInput)
        -> GetObjectTaggingOutput = object::tags_get(service, request.input);
    put_object_tagging(PutObjectTaggingInput)
        -> PutObjectTaggingOutput = object::tags_put(service, request.input);
    delete_object_tagging(DeleteObjectTaggingInput)
        -> DeleteObjectTaggingOutput = object::tags_delete(service, request.input);
    get_object_attributes(GetObjectAttributesInput)
        -> GetObjectAttributesOutput = attributes::get(service, request.input);
    put_object_lock_configuration(PutObjectLockConfigurationInput)
        -> PutObjectLockConfigurationOutput = lock::configuration_put(service, request.input);
    get_object_lock_configuration(GetObjectLockConfigurationInput)
        -> GetObjectLockConfigurationOutput = lock::configuration_get(service, request.input);
    put_object_retention(PutObjectRetentionInput)
        -> PutObjectRetentionOutput = lock::retention_put(service, request.input);
    get_object_retention(GetObjectRetentionInput)
        -> GetObjectRetentionOutput = lock::retention_get(service, request.input);
    put_object_legal_hold(PutObjectLegalHoldInput)
        -> PutObjectLegalHoldOutput = lock::hold_put(service, request.input);
    get_object_legal_hold(GetObjectLegalHoldInput)
        -> GetObjectLegalHoldOutput = lock::hold_get(service, request.input);
    get_object_torrent(GetObjectTorrentInput) -> GetObjectTorrentOutput = no_torrent(request);
    copy_object(CopyObjectInput) -> CopyObjectOutput = copy::object(service, request);
    upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput = copy::part(service, request.input);
    list_objects(ListObjectsInput) -> ListObjectsOutput = list::v1(service, request.input);
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output = list::v2(service, request.input);
    list_object_versions(ListObjectVersionsInput)
        -> ListObjectVersionsOutput = list::versions(service, request.input);
    create_multipart_upload(CreateMultipartUploadInput)
        -> CreateMultipartUploadOutput = upload::create(service, request);
    upload_part(UploadPartInput) -> UploadPartOutput = upload::part(service, request);
    complete_multipart_upload(CompleteMultipartUploadInput)
        -> CompleteMultipartUploadOutput = upload::complete(service, request.input);
    abort_multipart_upload(AbortMultipartUploadInput)
        -> AbortMultipartUploadOutput = upload::abort(service, request.input);
    list_parts(ListPartsInput) -> ListPartsOutput = upload::parts(service, request.input);
    list_multipart_uploads(ListMultipartUploadsInput)
        -> ListMultipartUploadsOutput = upload::list(service, request.input);
    get_bucket_acl(GetBucketAclInput) -> GetBucketAclOutput = acl::bucket_get(gates, request);
    put_bucket_acl(PutBucketAclInput) -> PutBucketAclOutput = acl::bucket_put(gates, request);
    get_object_acl(GetObjectAclInput) -> GetObjectAclOutput = acl::object_get(gates, request);
    put_object_acl(PutObjectAclInput) -> PutObjectAclOutput = acl::object_put(gates, request);
    get_bucket_policy(GetBucketPolicyInput) -> GetBucketPolicyOutput = policy::get(gates, request.input);
    put_bucket_policy(PutBucketPolicyInput) -> PutBucketPolicyOutput = policy::put(gates, request);
    delete_bucket_policy(DeleteBucketPolicyInput)
        -> DeleteBucketPolicyOutput = policy::delete(gates, request.input);
    get_bucket_policy_status(GetBucketPolicyStatusInput)
        -> GetBucketPolicyStatusOutput = policy::status(gates, request.input);
    get_public_access_block(GetPublicAccessBlockInput)
        -> GetPublicAccessBlockOutput = policy::block_get(gates, request.input);
    put_public_access_block(PutPublicAccessBlockInput)
        -> PutPublicAccessBlockOutput = policy::block_put(gates, request.input);
    delete_public_access_block(DeletePublicAccessBlockInput)
        -> DeletePublicAccessBlockOutput = policy::block_delete(gates, request.input);
    get_bucket_ownership_controls(GetBucketOwnershipControlsInput)
        -> GetBucketOwnershipControlsOutput = policy::ownership_get(gates, request.input);
    put_bucket_ownership_controls(PutBucketOwnershipControlsInput)
        -> PutBucketOwnershipControlsOutput = policy::ownership_put(gates, request.input);
    delete_bucket_ownership_controls(DeleteBucketOwnershipControlsInput)
        -> DeleteBucketOwnershipControlsOutput = policy::ownership_delete(gates, request.input);
    get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput = cors::get(service, request.input);
    put_bucket_cors(PutBucketCorsInput) -> PutBucketCorsOutput = cors::put(service, request.input);
    delete_bucket_cors(DeleteBucketCorsInput)
        -> DeleteBucketCorsOutput = cors::delete(service, request.input);
    get_bucket_tagging(GetBucketTaggingInput)
        -> GetBucketTaggingOutput = setting::tagging_get(service, request.input);
    put_bucket_tagging(PutBucketTaggingInput)
        -> PutBucketTaggingOutput = setting::tagging_put(service, request.input);
    delete_bucket_tagging(DeleteBucketTaggingInput)
        -> DeleteBucketTaggingOutput = setting::tagging_delete(service, request.input);
    get_bucket_encryption(GetBucketEncryptionInput)
        -> GetBucketEncryptionOutput = setting::encryption_get(service, request.input);
    put_bucket_encryption(PutBucketEncryptionInput)
        -> PutBucketEncryptionOutput = setting::encryption_put(service, request.input);
    delete_bucket_encryption(DeleteBucketEncryptionInput)
        -> DeleteBucketEncryptionOutput = setting::encryption_delete(service, request.input);
    get_bucket_request_payment(GetBucketRequestPaymentInput)
        -> GetBucketRequestPaymentOutput = setting::payment_get(service, request.input);
    put_bucket_request_payment(PutBucketRequestPaymentInput)
        -> PutBucketRequestPaymentOutput = setting::payment_put(service, request.input);
    get_bucket_accelerate_configuration(GetBucketAccelerateConfigurationInput)
        -> GetBucketAccelerateConfigurationOutput = setting::accelerate_get(service, request.input);
    put_bucket_accelerate_configuration(PutBucketAccelerateConfigurationInput)
        -> PutBucketAccelerateConfigurationOutput = setting::accelerate_put(service, request.input);
    get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput)
        -> GetBucketLifecycleConfigurationOutput = lifecycle::get(service, request.input);
    put_bucket_lifecycle_configuration(PutBucketLifecycleConfigurationInput)
        -> PutBucketLifecycleConfigurationOutput = lifecycle::put(service, request.input);
    delete_bucket_lifecycle(DeleteBucketLifecycleInput)
        -> DeleteBucketLifecycleOutput = lifecycle::delete(service, request.input);
    get_bucket_website(GetBucketWebsiteInput)
        -> GetBucketWebsiteOutput = website::get(service, request.input);
    put_bucket_website(PutBucketWebsiteInput)
        -> PutBucketWebsiteOutput = website::put(service, request.input);
    delete_bucket_website(DeleteBucketWebsiteInput)
        -> DeleteBucketWebsiteOutput = website::delete(service, request.input);
    get_bucket_notification_configuration(GetBucketNotificationConfigurationInput)
        -> GetBucketNotificationConfigurationOutput = notification::get(service, request.input);
    put_bucket_notification_configuration(PutBucketNotificationConfigurationInput)
        -> PutBucketNotificationConfigurationOutput = notification::put(service, request.input);
    get_bucket_replication(GetBucketReplicationInput)
        -> GetBucketReplicationOutput = bucket::replication(service, request.input);
    get_bucket_logging(GetBucketLoggingInput)
        -> GetBucketLoggingOutput = logging::get(service, request.input);
    put_bucket_logging(PutBucketLoggingInput) -> PutBucketLoggingOutput = logging::put(service, request);
}
