//! Bucket operations.

use super::{
    super::{model::BucketInfo, service::Service},
    REGION, convert,
};
use s3s::{S3Result, dto::*};

pub async fn create(service: &Service, input: CreateBucketInput) -> S3Result<CreateBucketOutput> {
    service.bucket_create(&input.bucket).await.map_err(convert::error)?;
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

/// Neither enabled nor suspended: no bucket keeps versions yet.
pub async fn versioning(
    service: &Service,
    input: GetBucketVersioningInput,
) -> S3Result<GetBucketVersioningOutput> {
    service.bucket_get(&input.bucket).await.map_err(convert::error)?;
    Ok(GetBucketVersioningOutput::default())
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
        owner: Some(owner()),
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

/// All that is stored here is the server's.
pub fn owner() -> Owner {
    Owner { display_name: Some("crannog".into()), id: Some("crannog".into()) }
}
