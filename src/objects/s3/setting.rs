//! Settings that are only kept and given back: tags of a bucket, default encryption, who pays, acceleration.

use super::{
    super::{service::Service, settings::Setting},
    convert, refuse, refuse_as,
};
use http::StatusCode;
use s3s::{S3Error, S3ErrorCode, S3Result, dto::*};
use std::{collections::BTreeSet, sync::Arc};

impl Setting for Tagging {
    const NAME: &'static str = "tagging";
}

impl Setting for ServerSideEncryptionConfiguration {
    const NAME: &'static str = "encryption";
}

impl Setting for RequestPaymentConfiguration {
    const NAME: &'static str = "request_payment";
}

impl Setting for AccelerateConfiguration {
    const NAME: &'static str = "accelerate";
}

const BUCKET_TAGS_MAX: usize = 50;

/// A setting of a bucket, if it has it.
pub async fn get<T: Setting>(service: &Service, bucket: &str) -> S3Result<Option<Arc<T>>> {
    service.bucket(bucket).await.and_then(|bucket| bucket.settings.get()).map_err(convert::error)
}

pub async fn put<T: Setting>(service: &Service, bucket: &str, setting: &T) -> S3Result<()> {
    service.setting_put(bucket, setting).await.map_err(convert::error)
}

pub async fn delete<T: Setting>(service: &Service, bucket: &str) -> S3Result<()> {
    service.setting_delete::<T>(bucket).await.map_err(convert::error)
}

pub fn argument(message: impl Into<std::borrow::Cow<'static, str>>) -> S3Error {
    refuse(S3ErrorCode::InvalidArgument, message)
}

pub fn malformed(message: impl Into<std::borrow::Cow<'static, str>>) -> S3Error {
    refuse(S3ErrorCode::MalformedXML, message)
}

pub async fn tagging_get(
    service: &Service,
    input: GetBucketTaggingInput,
) -> S3Result<GetBucketTaggingOutput> {
    let tagging = get::<Tagging>(service, &input.bucket).await?;
    let tagging = tagging.ok_or_else(|| refuse(S3ErrorCode::NoSuchTagSet, "The TagSet does not exist"))?;
    Ok(GetBucketTaggingOutput { tag_set: tagging.tag_set.clone() })
}

pub async fn tagging_put(
    service: &Service,
    input: PutBucketTaggingInput,
) -> S3Result<PutBucketTaggingOutput> {
    check_tags(&input.tagging.tag_set)?;
    put(service, &input.bucket, &input.tagging).await?;
    Ok(PutBucketTaggingOutput::default())
}

pub async fn tagging_delete(
    service: &Service,
    input: DeleteBucketTaggingInput,
) -> S3Result<DeleteBucketTaggingOutput> {
    delete::<Tagging>(service, &input.bucket).await?;
    Ok(DeleteBucketTaggingOutput::default())
}

fn check_tags(tags: &[Tag]) -> S3Result<()> {
    let invalid = |message: &'static str| Err(refuse(S3ErrorCode::InvalidTag, message));
    if tags.len() > BUCKET_TAGS_MAX {
        let message = "Bucket tag count cannot be greater than 50";
        return Err(refuse_as("BadRequest", StatusCode::BAD_REQUEST, message));
    }
    let mut keys = BTreeSet::new();
    for tag in tags {
        let (key, value) = (tag.key.as_deref().unwrap_or_default(), tag.value.as_deref().unwrap_or_default());
        if key.is_empty() || key.chars().count() > 128 {
            return invalid("The TagKey you have provided is invalid");
        }
        if value.chars().count() > 256 {
            return invalid("The TagValue you have provided is invalid");
        }
        if key.starts_with("aws:") {
            return invalid("System tags cannot be added/updated by requester");
        }
        if !keys.insert(key) {
            return invalid("Cannot provide multiple Tags with the same key");
        }
    }
    Ok(())
}

pub async fn encryption_get(
    service: &Service,
    input: GetBucketEncryptionInput,
) -> S3Result<GetBucketEncryptionOutput> {
    let found = get::<ServerSideEncryptionConfiguration>(service, &input.bucket).await?;
    let found = found.ok_or_else(|| {
        let code = "ServerSideEncryptionConfigurationNotFoundError";
        refuse_as(code, StatusCode::NOT_FOUND, "The server side encryption configuration was not found")
    })?;
    Ok(GetBucketEncryptionOutput { server_side_encryption_configuration: Some((*found).clone()) })
}

pub async fn encryption_put(
    service: &Service,
    input: PutBucketEncryptionInput,
) -> S3Result<PutBucketEncryptionOutput> {
    let config = input.server_side_encryption_configuration;
    check_encryption(&config)?;
    put(service, &input.bucket, &config).await?;
    Ok(PutBucketEncryptionOutput::default())
}

pub async fn encryption_delete(
    service: &Service,
    input: DeleteBucketEncryptionInput,
) -> S3Result<DeleteBucketEncryptionOutput> {
    delete::<ServerSideEncryptionConfiguration>(service, &input.bucket).await?;
    Ok(DeleteBucketEncryptionOutput::default())
}

fn check_encryption(config: &ServerSideEncryptionConfiguration) -> S3Result<()> {
    let [rule] = config.rules.as_slice() else {
        return Err(malformed("An encryption configuration has exactly one rule."));
    };
    let Some(default) = &rule.apply_server_side_encryption_by_default else {
        return Err(malformed("The rule names no ApplyServerSideEncryptionByDefault."));
    };
    match default.sse_algorithm.as_str() {
        "AES256" if default.kms_master_key_id.is_some() => {
            Err(argument("a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms"))
        }
        "AES256" | "aws:kms" => Ok(()),
        "aws:kms:dsse" => Err(refuse(
            S3ErrorCode::NotImplemented,
            "Encryption in two layers (aws:kms:dsse) is not supported.",
        )),
        _ => Err(malformed("The SSEAlgorithm is AES256 or aws:kms.")),
    }
}

pub async fn payment_get(
    service: &Service,
    input: GetBucketRequestPaymentInput,
) -> S3Result<GetBucketRequestPaymentOutput> {
    let found = get::<RequestPaymentConfiguration>(service, &input.bucket).await?;
    let payer = found.map_or_else(|| Payer::from_static(Payer::BUCKET_OWNER), |found| found.payer.clone());
    Ok(GetBucketRequestPaymentOutput { payer: Some(payer) })
}

pub async fn payment_put(
    service: &Service,
    input: PutBucketRequestPaymentInput,
) -> S3Result<PutBucketRequestPaymentOutput> {
    let config = input.request_payment_configuration;
    if ![Payer::BUCKET_OWNER, Payer::REQUESTER].contains(&config.payer.as_str()) {
        return Err(malformed("The Payer is BucketOwner or Requester."));
    }
    put(service, &input.bucket, &config).await?;
    Ok(PutBucketRequestPaymentOutput::default())
}

pub async fn accelerate_get(
    service: &Service,
    input: GetBucketAccelerateConfigurationInput,
) -> S3Result<GetBucketAccelerateConfigurationOutput> {
    let found = get::<AccelerateConfiguration>(service, &input.bucket).await?;
    let status = found.and_then(|found| found.status.clone());
    Ok(GetBucketAccelerateConfigurationOutput { status, ..Default::default() })
}

pub async fn accelerate_put(
    service: &Service,
    input: PutBucketAccelerateConfigurationInput,
) -> S3Result<PutBucketAccelerateConfigurationOutput> {
    let config = input.accelerate_configuration;
    let status = config.status.as_ref().map(|status| status.as_str());
    if !matches!(status, Some(BucketAccelerateStatus::ENABLED | BucketAccelerateStatus::SUSPENDED)) {
        return Err(malformed("The Status of acceleration is Enabled or Suspended."));
    }
    if input.bucket.contains('.') {
        let message = "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names";
        return Err(refuse(S3ErrorCode::InvalidRequest, message));
    }
    put(service, &input.bucket, &config).await?;
    Ok(PutBucketAccelerateConfigurationOutput::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str) -> Tag {
        Tag { key: Some(key.into()), value: Some("v".into()) }
    }

    fn encryption(algorithm: &'static str, key: Option<&str>) -> ServerSideEncryptionConfiguration {
        let default = ServerSideEncryptionByDefault {
            kms_master_key_id: key.map(str::to_owned),
            sse_algorithm: ServerSideEncryption::from_static(algorithm),
        };
        let rule = ServerSideEncryptionRule {
            apply_server_side_encryption_by_default: Some(default),
            ..Default::default()
        };
        ServerSideEncryptionConfiguration { rules: vec![rule] }
    }

    #[test]
    fn tags_of_a_bucket_are_checked() {
        assert!(check_tags(&[tag("a"), tag("b")]).is_ok());
        for bad in [vec![tag("a"), tag("a")], vec![tag("")], vec![tag("aws:x")], vec![tag(&"k".repeat(129))]]
        {
            assert_eq!(*check_tags(&bad).unwrap_err().code(), S3ErrorCode::InvalidTag);
        }
        assert!(check_tags(&vec![tag("a"); 51]).is_err());
    }

    #[test]
    fn encryption_names_one_algorithm_and_a_key_only_with_kms() {
        assert!(check_encryption(&encryption("AES256", None)).is_ok());
        assert!(check_encryption(&encryption("aws:kms", Some("k"))).is_ok());
        assert!(check_encryption(&encryption("AES256", Some("k"))).is_err());
        assert!(check_encryption(&encryption("ROT13", None)).is_err());
        assert!(check_encryption(&ServerSideEncryptionConfiguration::default()).is_err());
    }
}
