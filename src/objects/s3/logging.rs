//! The setting that says where a bucket's access log goes.

use super::{
    super::{
        logging::name::{DateSource, Logging},
        model::Bucket,
        service::Service,
        settings::Setting,
    },
    convert,
    guard::admitted,
    refuse, setting,
};
use crate::kernel::clock::now_ms;
use s3s::{S3ErrorCode, S3Request, S3Response, S3Result, dto::*};
use std::sync::Arc;

impl Setting for Logging {
    const NAME: &'static str = "logging";
}

/// `Last-Modified` tells when the setting was last changed.
pub async fn get(
    service: &Service,
    input: GetBucketLoggingInput,
) -> S3Result<S3Response<GetBucketLoggingOutput>> {
    let logging = setting::get::<Logging>(service, &input.bucket).await?;
    let changed =
        logging.as_ref().and_then(|logging| convert::http_date(&convert::timestamp(logging.changed_ms)));
    let output = GetBucketLoggingOutput { logging_enabled: logging.map(|logging| wire(&logging)) };
    let mut response = S3Response::new(output);
    if let Some(changed) = changed.and_then(|date| http::HeaderValue::try_from(date).ok()) {
        response.headers.insert(http::header::LAST_MODIFIED, changed);
    }
    Ok(response)
}

fn wire(logging: &Logging) -> LoggingEnabled {
    let format = match logging.partition {
        None => TargetObjectKeyFormat { simple_prefix: Some(SimplePrefix::default()), ..Default::default() },
        Some(source) => {
            let partition_date_source = Some(PartitionDateSource::from_static(source.name()));
            let partitioned = PartitionedPrefix { partition_date_source };
            TargetObjectKeyFormat { partitioned_prefix: Some(partitioned), ..Default::default() }
        }
    };
    LoggingEnabled {
        target_bucket: logging.bucket.clone(),
        target_grants: None,
        target_object_key_format: Some(format),
        target_prefix: logging.prefix.clone(),
    }
}

/// Without `LoggingEnabled` logging ends. Target grants are accepted and have no effect: a log belongs
/// to the owner of the bucket it is in.
pub async fn put(
    service: &Service,
    request: S3Request<PutBucketLoggingInput>,
) -> S3Result<PutBucketLoggingOutput> {
    let admitted = admitted(&request.extensions);
    let input = request.input;
    let bucket = service.bucket(&input.bucket).await.map_err(convert::error)?;
    // A policy can let others read the setting, not change where the owner's log goes.
    if admitted.caller.is_none_or(|caller| caller.account() != bucket.owner) {
        return Err(refuse(S3ErrorCode::AccessDenied, "Only the bucket's owner sets where its log goes."));
    }
    let Some(wanted) = input.bucket_logging_status.logging_enabled else {
        setting::delete::<Logging>(service, &input.bucket).await?;
        return Ok(PutBucketLoggingOutput::default());
    };
    let logging = read(wanted)?;
    let target = target(service, &bucket, &logging.bucket).await?;
    service.log_check(&bucket.owner, &bucket.name, &target, &logging.prefix).map_err(convert::error)?;
    let there = bucket.settings.get::<Logging>().map_err(convert::error)?;
    let same =
        there.is_some_and(|there| Logging { changed_ms: there.changed_ms, ..logging.clone() } == *there);
    if !same {
        setting::put(service, &input.bucket, &logging).await?;
    }
    Ok(PutBucketLoggingOutput::default())
}

fn read(wanted: LoggingEnabled) -> S3Result<Logging> {
    let format = wanted.target_object_key_format.unwrap_or_default();
    let partition = match (format.simple_prefix, format.partitioned_prefix) {
        (_, None) => None,
        (Some(_), Some(_)) => {
            return Err(setting::malformed("A key is either simple or partitioned."));
        }
        (None, Some(partitioned)) => {
            let source = partitioned.partition_date_source;
            let source = source.as_ref().map_or("EventTime", |source| source.as_str());
            let unknown = || setting::malformed("The PartitionDateSource is EventTime or DeliveryTime.");
            Some(DateSource::parse(source).ok_or_else(unknown)?)
        }
    };
    Ok(Logging {
        bucket: wanted.target_bucket,
        prefix: wanted.target_prefix,
        partition,
        changed_ms: now_ms(),
    })
}

/// The bucket a log may go to: another one, which has no log of its own, is not encrypted and costs
/// nobody anything.
async fn target(service: &Service, source: &Bucket, name: &str) -> S3Result<Arc<Bucket>> {
    if name == source.name {
        return Err(setting::argument("A bucket cannot keep its own access log: name another bucket."));
    }
    let target = service.bucket(name).await.map_err(|_| {
        refuse(S3ErrorCode::NoSuchKey, format!("The target bucket for logging does not exist: {name}"))
    })?;
    let settings = &target.settings;
    let logs = settings.get::<Logging>().map_err(convert::error)?.is_some();
    let encrypts = settings.get::<ServerSideEncryptionConfiguration>().map_err(convert::error)?.is_some();
    let payment = settings.get::<RequestPaymentConfiguration>().map_err(convert::error)?;
    let charges = payment.is_some_and(|payment| payment.payer.as_str() == Payer::REQUESTER);
    for (bad, why) in [
        (logs, "keeps an access log of its own"),
        (encrypts, "encrypts by default"),
        (charges, "charges requesters"),
    ] {
        if bad {
            return Err(setting::argument(format!("The target bucket for logging {name} {why}.")));
        }
    }
    Ok(target)
}
