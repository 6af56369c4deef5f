//! Bucket operations.

use super::{
    super::{
        model::{self, BucketInfo, NewBucket, Versioning},
        service::Service,
    },
    REGION, convert, refuse,
};
use s3s::{S3ErrorCode, S3Result, dto::*};

pub async fn create(service: &Service, input: CreateBucketInput) -> S3Result<CreateBucketOutput> {
    let new = NewBucket {
        object_lock: input.object_lock_enabled_for_bucket == Some(true),
        ..NewBucket::named(&input.bucket)
    };
    service.bucket_create(new).await.map_err(convert::error)?;
    Ok(CreateBucketOutput { location: Some(format!("/{}", input.bucket)) })
}

pub async fn delete(service: &Service, input: DeleteBucketInput) -> S3Result<DeleteBucketOutput> {
    service.bucket_delete(&input.bucket).await.map_err(convert::error)?;
    Ok(DeleteBucketOutput::default())
}

pub async fn head(service: &Service, input: HeadBucketInput) -> S3Result<HeadBucketOutput> {
    service.bucket_get(&input.bucket).await.map_err(convert::error)?;
    Ok(HeadBucketOutput { bucket_region: Some(REGION.to_owned()), ..Default::default() })
}

pub async fn location(service: &Service, input: GetBucketLocationInput) -> S3Result<GetBucketLocationOutput> {
    service.bucket_get(&input.bucket).await.map_err(convert::error)?;
    Ok(GetBucketLocationOutput { location_constraint: Some(REGION.to_owned().into()) })
}

pub async fn versioning(
    service: &Service,
    input: GetBucketVersioningInput,
) -> S3Result<GetBucketVersioningOutput> {
    let bucket = service.bucket(&input.bucket).await.map_err(convert::error)?;
    let status = match bucket.versioning {
        Versioning::Off => None,
        Versioning::Enabled => Some(BucketVersioningStatus::ENABLED),
        Versioning::Suspended => Some(BucketVersioningStatus::SUSPENDED),
    };
    let status = status.map(BucketVersioningStatus::from_static);
    Ok(GetBucketVersioningOutput { status, ..Default::default() })
}

pub async fn set_versioning(
    service: &Service,
    input: PutBucketVersioningInput,
) -> S3Result<PutBucketVersioningOutput> {
    let configuration = input.versioning_configuration;
    if configuration.mfa_delete.as_ref().is_some_and(|mfa| mfa.as_str() == MFADelete::ENABLED) {
        return Err(refuse(S3ErrorCode::NotImplemented, "Deletion with a second factor is not supported."));
    }
    let status = configuration.status.as_ref().map(|status| status.as_str());
    let versioning = match status {
        Some(BucketVersioningStatus::ENABLED) => Versioning::Enabled,
        Some(BucketVersioningStatus::SUSPENDED) => Versioning::Suspended,
        _ => {
            let message = "The versioning status is Enabled or Suspended.";
            return Err(refuse(S3ErrorCode::IllegalVersioningConfigurationException, message));
        }
    };
    service.bucket_set_versioning(&input.bucket, versioning).await.map_err(convert::error)?;
    Ok(PutBucketVersioningOutput::default())
}

pub async fn list(service: &Service, input: ListBucketsInput) -> S3Result<ListBucketsOutput> {
    let prefix = input.prefix.clone().unwrap_or_default();
    let after = input.continuation_token.unwrap_or_default();
    let all = service.bucket_list().await.map_err(convert::error)?;
    let mut wanted: Vec<BucketInfo> =
        all.into_iter().filter(|b| b.name.starts_with(&prefix) && b.name > after).collect();
    let limit = input.max_buckets.and_then(|max| usize::try_from(max).ok()).unwrap_or(10_000).max(1);
    let more = wanted.len() > limit;
    wanted.truncate(limit);
    Ok(ListBucketsOutput {
        continuation_token: more.then(|| wanted.last().map(|b| b.name.clone())).flatten(),
        buckets: Some(wanted.into_iter().map(wire).collect()),
        owner: Some(convert::owner(&model::Owner::default())),
        prefix: input.prefix,
    })
}

fn wire(bucket: BucketInfo) -> Bucket {
    Bucket {
        bucket_region: Some(REGION.to_owned()),
        creation_date: Some(convert::timestamp(bucket.created_ms)),
        name: Some(bucket.name),
    }
}
