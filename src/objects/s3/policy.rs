//! Bucket policies, public access blocks and ownership controls over the wire.

use super::{
    super::{
        access::{
            acl::Acl,
            admit::Gatekeeper,
            policy::{BucketPolicy, Kind, Policy},
            settings::{Ownership, PublicAccessBlock},
        },
        model::Bucket,
        settings::Setting,
    },
    convert::error,
    guard::admitted,
    refuse,
};
use s3s::{S3ErrorCode, S3Request, S3Result, dto::*};
use std::sync::Arc;

async fn setting<T: Setting>(
    gatekeeper: &Gatekeeper,
    bucket: &str,
) -> S3Result<(Arc<Bucket>, Option<Arc<T>>)> {
    let bucket = gatekeeper.service.bucket(bucket).await.map_err(error)?;
    let setting = bucket.settings.get::<T>().map_err(error)?;
    Ok((bucket, setting))
}

pub async fn get(gatekeeper: &Gatekeeper, input: GetBucketPolicyInput) -> S3Result<GetBucketPolicyOutput> {
    let (_, policy) = setting::<BucketPolicy>(gatekeeper, &input.bucket).await?;
    let policy =
        policy.ok_or_else(|| refuse(S3ErrorCode::NoSuchBucketPolicy, "The bucket policy does not exist"))?;
    Ok(GetBucketPolicyOutput { policy: Some(policy.text.clone()) })
}

pub async fn put(
    gatekeeper: &Gatekeeper,
    request: S3Request<PutBucketPolicyInput>,
) -> S3Result<PutBucketPolicyOutput> {
    let caller = admitted(&request.extensions).caller;
    let input = request.input;
    let policy = Policy::parse(&input.policy, Kind::Bucket(&input.bucket))
        .map_err(|bad| refuse(S3ErrorCode::MalformedPolicy, bad.0))?;
    let (bucket, block) = setting::<PublicAccessBlock>(gatekeeper, &input.bucket).await?;
    if block.is_some_and(|block| block.block_policy) && policy.is_public() {
        let message = "The bucket's public access block refuses a policy that is public.";
        return Err(refuse(S3ErrorCode::AccessDenied, message));
    }
    // Whoever was lent the right to write the policy must not lend it on to the public.
    let theirs = caller.as_ref().is_some_and(|caller| caller.account() != bucket.owner);
    if theirs {
        return Err(refuse(
            S3ErrorCode::MethodNotAllowed,
            "The specified method is not allowed against this resource: only the bucket owner's account \
             can put its policy.",
        ));
    }
    // Who has less than the whole account cannot take it from its head.
    let heads = caller.as_ref().is_some_and(|caller| caller.heads_account());
    let binds_owner = heads && input.confirm_remove_self_bucket_access == Some(true);
    let policy = BucketPolicy { text: input.policy, policy, binds_owner };
    gatekeeper.service.setting_put(&input.bucket, &policy).await.map_err(error)?;
    Ok(PutBucketPolicyOutput::default())
}

pub async fn delete(
    gatekeeper: &Gatekeeper,
    input: DeleteBucketPolicyInput,
) -> S3Result<DeleteBucketPolicyOutput> {
    gatekeeper.service.setting_delete::<BucketPolicy>(&input.bucket).await.map_err(error)?;
    Ok(DeleteBucketPolicyOutput::default())
}

pub async fn status(
    gatekeeper: &Gatekeeper,
    input: GetBucketPolicyStatusInput,
) -> S3Result<GetBucketPolicyStatusOutput> {
    let (bucket, policy) = setting::<BucketPolicy>(gatekeeper, &input.bucket).await?;
    let is_public = is_public(&bucket, policy.as_deref()).map_err(error)?;
    Ok(GetBucketPolicyStatusOutput { policy_status: Some(PolicyStatus { is_public: Some(is_public) }) })
}

/// By its policy or by its ACL, as far as the public access block lets either count.
fn is_public(bucket: &Bucket, policy: Option<&BucketPolicy>) -> crate::kernel::error::Result<bool> {
    let block = bucket.settings.get::<PublicAccessBlock>()?.map_or_else(Default::default, |block| *block);
    let acls = bucket.settings.get::<Ownership>()?.is_none_or(|o| *o != Ownership::BucketOwnerEnforced);
    let acl = bucket.settings.get::<Acl>()?.is_some_and(|acl| acl.is_public());
    let policy = policy.is_some_and(|policy| policy.policy.is_public());
    Ok((acl && acls && !block.ignore_acls) || (policy && !block.restrict))
}

pub async fn block_get(
    gatekeeper: &Gatekeeper,
    input: GetPublicAccessBlockInput,
) -> S3Result<GetPublicAccessBlockOutput> {
    let (_, block) = setting::<PublicAccessBlock>(gatekeeper, &input.bucket).await?;
    let block = block.ok_or_else(|| {
        let code = S3ErrorCode::Custom("NoSuchPublicAccessBlockConfiguration".into());
        let mut missing = refuse(code, "The public access block configuration was not found");
        missing.set_status_code(http::StatusCode::NOT_FOUND);
        missing
    })?;
    let configuration = PublicAccessBlockConfiguration {
        block_public_acls: Some(block.block_acls),
        ignore_public_acls: Some(block.ignore_acls),
        block_public_policy: Some(block.block_policy),
        restrict_public_buckets: Some(block.restrict),
    };
    Ok(GetPublicAccessBlockOutput { public_access_block_configuration: Some(configuration) })
}

pub async fn block_put(
    gatekeeper: &Gatekeeper,
    input: PutPublicAccessBlockInput,
) -> S3Result<PutPublicAccessBlockOutput> {
    let wanted = input.public_access_block_configuration;
    let block = PublicAccessBlock {
        block_acls: wanted.block_public_acls == Some(true),
        ignore_acls: wanted.ignore_public_acls == Some(true),
        block_policy: wanted.block_public_policy == Some(true),
        restrict: wanted.restrict_public_buckets == Some(true),
    };
    gatekeeper.service.setting_put(&input.bucket, &block).await.map_err(error)?;
    Ok(PutPublicAccessBlockOutput::default())
}

pub async fn block_delete(
    gatekeeper: &Gatekeeper,
    input: DeletePublicAccessBlockInput,
) -> S3Result<DeletePublicAccessBlockOutput> {
    gatekeeper.service.setting_delete::<PublicAccessBlock>(&input.bucket).await.map_err(error)?;
    Ok(DeletePublicAccessBlockOutput::default())
}

/// A rule by its name in a document or a header.
pub fn ownership(name: &ObjectOwnership) -> S3Result<Ownership> {
    let message = "The ownership is BucketOwnerEnforced, BucketOwnerPreferred or ObjectWriter.";
    Ownership::parse(name.as_str()).ok_or_else(|| refuse(S3ErrorCode::InvalidArgument, message))
}

pub async fn ownership_get(
    gatekeeper: &Gatekeeper,
    input: GetBucketOwnershipControlsInput,
) -> S3Result<GetBucketOwnershipControlsOutput> {
    let (_, ownership) = setting::<Ownership>(gatekeeper, &input.bucket).await?;
    let ownership = ownership.ok_or_else(|| {
        let message = "The bucket ownership controls were not found";
        refuse(S3ErrorCode::OwnershipControlsNotFoundError, message)
    })?;
    let rule = OwnershipControlsRule { object_ownership: ObjectOwnership::from_static(ownership.as_str()) };
    Ok(GetBucketOwnershipControlsOutput { ownership_controls: Some(OwnershipControls { rules: vec![rule] }) })
}

pub async fn ownership_put(
    gatekeeper: &Gatekeeper,
    input: PutBucketOwnershipControlsInput,
) -> S3Result<PutBucketOwnershipControlsOutput> {
    let [rule] = input.ownership_controls.rules.as_slice() else {
        return Err(refuse(S3ErrorCode::MalformedXML, "Ownership controls have exactly one rule."));
    };
    let ownership = ownership(&rule.object_ownership)?;
    let (bucket, acl) = setting::<Acl>(gatekeeper, &input.bucket).await?;
    if ownership == Ownership::BucketOwnerEnforced
        && acl.is_some_and(|acl| acl.reaches_beyond(&[&bucket.owner]))
    {
        let message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
        return Err(refuse(S3ErrorCode::InvalidBucketAclWithObjectOwnership, message));
    }
    gatekeeper.service.setting_put(&input.bucket, &ownership).await.map_err(error)?;
    Ok(PutBucketOwnershipControlsOutput::default())
}

pub async fn ownership_delete(
    gatekeeper: &Gatekeeper,
    input: DeleteBucketOwnershipControlsInput,
) -> S3Result<DeleteBucketOwnershipControlsOutput> {
    gatekeeper.service.setting_delete::<Ownership>(&input.bucket).await.map_err(error)?;
    Ok(DeleteBucketOwnershipControlsOutput::default())
}
