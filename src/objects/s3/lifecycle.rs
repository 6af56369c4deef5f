//! Lifecycle configuration, and the headers that tell when something will go.

use super::{
    super::{
        lifecycle::{
            check::{self, Refusal},
            rules::{self, Day},
        },
        model::{Bucket, ObjectInfo, Upload},
        service::Service,
        settings::Setting,
    },
    convert, refuse, setting,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::{S3ErrorCode, S3Result, dto::*};

impl Setting for BucketLifecycleConfiguration {
    const NAME: &'static str = "lifecycle";
}

pub async fn get(
    service: &Service,
    input: GetBucketLifecycleConfigurationInput,
) -> S3Result<GetBucketLifecycleConfigurationOutput> {
    let config = setting::get::<BucketLifecycleConfiguration>(service, &input.bucket).await?;
    let config = config.ok_or_else(|| {
        refuse(S3ErrorCode::NoSuchLifecycleConfiguration, "The lifecycle configuration does not exist")
    })?;
    Ok(GetBucketLifecycleConfigurationOutput { rules: Some(config.rules.clone()), ..Default::default() })
}

pub async fn put(
    service: &Service,
    input: PutBucketLifecycleConfigurationInput,
) -> S3Result<PutBucketLifecycleConfigurationOutput> {
    let missing = || setting::malformed("The request has no lifecycle configuration.");
    let mut config = input.lifecycle_configuration.ok_or_else(missing)?;
    check::accept(&mut config).map_err(|refusal| match refusal {
        Refusal::Malformed(message) => setting::malformed(message),
        Refusal::Argument(message) => setting::argument(message),
        Refusal::Request(message) => refuse(S3ErrorCode::InvalidRequest, message),
    })?;
    setting::put(service, &input.bucket, &config).await?;
    Ok(PutBucketLifecycleConfigurationOutput::default())
}

pub async fn delete(
    service: &Service,
    input: DeleteBucketLifecycleInput,
) -> S3Result<DeleteBucketLifecycleOutput> {
    setting::delete::<BucketLifecycleConfiguration>(service, &input.bucket).await?;
    Ok(DeleteBucketLifecycleOutput::default())
}

/// `x-amz-expiration` of a current version, if a rule will let it go.
pub fn expiration(bucket: &Bucket, info: &ObjectInfo) -> Option<String> {
    if !info.latest {
        return None;
    }
    let config = bucket.settings.get::<BucketLifecycleConfiguration>().ok()??;
    let (at_ms, rule) =
        rules::expiry(&config, &info.key, info.size, &info.traits.tags, info.last_modified_ms)?;
    let date = convert::http_date(&convert::timestamp(at_ms))?;
    Some(format!("expiry-date=\"{date}\", rule-id=\"{}\"", utf8_percent_encode(&rule, RULE_ID)))
}

/// When an unfinished upload will be aborted by a rule, and which.
pub fn abort(bucket: &Bucket, upload: &Upload) -> Option<(Timestamp, String)> {
    let config = bucket.settings.get::<BucketLifecycleConfiguration>().ok()??;
    let (at_ms, rule) = rules::abort(&config, &upload.key, upload.created_ms, Day::CALENDAR)?;
    Some((convert::timestamp(at_ms), rule))
}

/// A rule's id stands between quotes in a header.
const RULE_ID: &percent_encoding::AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');
