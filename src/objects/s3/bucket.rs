//! Bucket operations.

use super::{
    super::{
        access::{acl::Acl, admit::Gatekeeper, settings::Ownership},
        error::Fault,
        model::{BucketInfo, HOUSE, NewBucket, Versioning},
        service::Service,
        settings::Setting,
    },
    REGION, acl, convert,
    guard::admitted,
    policy, refuse,
};
use crate::{auth::Role, kernel::error::Error};
use s3s::{S3ErrorCode, S3Request, S3Response, S3Result, dto::*};

/// Makes a bucket. To make again what is there already, just so, is fine; to make it otherwise is not.
pub async fn create(
    gatekeeper: &Gatekeeper,
    request: S3Request<CreateBucketInput>,
) -> S3Result<CreateBucketOutput> {
    let admitted = admitted(&request.extensions);
    let input = request.input;
    let service = &gatekeeper.service;
    let ownership = input.object_ownership.as_ref().map(policy::ownership).transpose()?;
    let acl = acl::of_new_bucket(gatekeeper, &request.headers, &admitted.owner.0, ownership).await?;
    let acl = acl.filter(|acl| *acl != Acl::private(&admitted.owner.0));
    if let Some(acl) = &acl
        && acl.reaches_beyond(&[&admitted.owner.0])
        && let Some(caller) = admitted.caller.as_deref().filter(|caller| caller.account() == HOUSE)
    {
        caller.principal.require(Role::Admin).map_err(convert::error)?;
    }
    check_location(input.create_bucket_configuration.as_ref())?;
    let mut settings = Vec::new();
    if let Some(ownership) = &ownership {
        settings.push(document(ownership)?);
    }
    if let Some(acl) = &acl {
        settings.push(document(acl)?);
    }
    let new = NewBucket {
        name: input.bucket.clone(),
        owner: admitted.owner.0.clone(),
        object_lock: input.object_lock_enabled_for_bucket == Some(true),
        settings,
    };
    let (object_lock, location) = (new.object_lock, Some(format!("/{}", input.bucket)));
    match service.bucket_create(new).await {
        Ok(()) => Ok(CreateBucketOutput { location }),
        Err(error) if matches!(Fault::of(&error), Some(Fault::BucketExists(_))) => {
            let bucket = service.bucket(&input.bucket).await.map_err(convert::error)?;
            let there = bucket.settings.get::<Acl>().map_err(convert::error)?;
            let there = there.map(|acl| (*acl).clone()).filter(|acl| *acl != Acl::private(&bucket.owner));
            let ownership = ownership.is_none_or(|wanted| {
                bucket.settings.get::<Ownership>().ok().flatten().is_some_and(|there| *there == wanted)
            });
            match there == acl && ownership && bucket.object_lock == object_lock {
                true => Ok(CreateBucketOutput { location }),
                false => Err(convert::error(Fault::BucketTaken(input.bucket).into())),
            }
        }
        Err(error) => Err(convert::error(error)),
    }
}

fn document<T: Setting>(setting: &T) -> S3Result<(&'static str, String)> {
    let text = serde_json::to_string(setting).map_err(|failure| convert::error(Error::internal(failure)))?;
    Ok((T::NAME, text))
}

/// Every region is this one; a constraint only has to be one a client may send.
fn check_location(configuration: Option<&CreateBucketConfiguration>) -> S3Result<()> {
    let constraint = configuration.and_then(|configuration| configuration.location_constraint.as_ref());
    let fine = |text: &str| text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if constraint.is_none_or(|constraint| fine(constraint.as_str())) {
        return Ok(());
    }
    let message = "The specified location-constraint is not valid";
    Err(refuse(S3ErrorCode::InvalidLocationConstraint, message))
}

pub async fn delete(service: &Service, input: DeleteBucketInput) -> S3Result<DeleteBucketOutput> {
    service.bucket_delete(&input.bucket).await.map_err(convert::error)?;
    Ok(DeleteBucketOutput::default())
}

/// With `read-stats=true` the totals come along, in the headers radosgw's clients look for.
pub async fn head(
    service: &Service,
    request: S3Request<HeadBucketInput>,
) -> S3Result<S3Response<HeadBucketOutput>> {
    let info = service.bucket_get(&request.input.bucket).await.map_err(convert::error)?;
    let output = HeadBucketOutput { bucket_region: Some(REGION.to_owned()), ..Default::default() };
    let mut response = S3Response::new(output);
    if request.uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "read-stats=true")) {
        response.headers.insert("x-rgw-object-count", info.objects.into());
        response.headers.insert("x-rgw-bytes-used", info.bytes.into());
    }
    Ok(response)
}

pub async fn location(service: &Service, input: GetBucketLocationInput) -> S3Result<GetBucketLocationOutput> {
    service.bucket_get(&input.bucket).await.map_err(convert::error)?;
    Ok(GetBucketLocationOutput { location_constraint: Some(REGION.to_owned().into()) })
}

/// No bucket is copied to another one; who asks is told so as by a bucket at Amazon that is not.
pub async fn replication(
    service: &Service,
    input: GetBucketReplicationInput,
) -> S3Result<GetBucketReplicationOutput> {
    service.bucket(&input.bucket).await.map_err(convert::error)?;
    let message = "The replication configuration was not found";
    Err(refuse(S3ErrorCode::ReplicationConfigurationNotFoundError, message))
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

/// The buckets of the caller's account.
pub async fn list(service: &Service, request: S3Request<ListBucketsInput>) -> S3Result<ListBucketsOutput> {
    let owner = admitted(&request.extensions).owner;
    let input = request.input;
    let prefix = input.prefix.clone().unwrap_or_default();
    let after = input.continuation_token.unwrap_or_default();
    let all = service.bucket_list().await.map_err(convert::error)?;
    let mut wanted: Vec<BucketInfo> = all
        .into_iter()
        .filter(|b| b.owner == owner.0 && b.name.starts_with(&prefix) && b.name > after)
        .collect();
    let limit = input.max_buckets.and_then(|max| usize::try_from(max).ok()).unwrap_or(10_000).max(1);
    let more = wanted.len() > limit;
    wanted.truncate(limit);
    Ok(ListBucketsOutput {
        continuation_token: more.then(|| wanted.last().map(|b| b.name.clone())).flatten(),
        buckets: Some(wanted.into_iter().map(wire).collect()),
        owner: Some(convert::owner(&owner)),
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
