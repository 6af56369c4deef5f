//! Object lock: a bucket's configuration, and the retention and legal hold of versions.

use super::{
    super::{
        error::Fault,
        intake::Promise,
        lock::{self, DefaultRetention, Period},
        model::{Bucket, Retention, RetentionMode, Traits, Version},
        service::Service,
    },
    convert, refuse,
};
use crate::kernel::clock::now_ms;
use http::StatusCode;
use s3s::dto::{
    GetObjectLegalHoldInput, GetObjectLegalHoldOutput, GetObjectLockConfigurationInput,
    GetObjectLockConfigurationOutput, GetObjectRetentionInput, GetObjectRetentionOutput,
    ObjectLockConfiguration, ObjectLockEnabled, ObjectLockLegalHold, ObjectLockLegalHoldStatus,
    ObjectLockMode, ObjectLockRetention, ObjectLockRetentionMode, ObjectLockRule, PutObjectLegalHoldInput,
    PutObjectLegalHoldOutput, PutObjectLockConfigurationInput, PutObjectLockConfigurationOutput,
    PutObjectRetentionInput, PutObjectRetentionOutput, Timestamp,
};
use s3s::{S3Error, S3ErrorCode, S3Result, dto};

pub async fn configuration_put(
    service: &Service,
    input: PutObjectLockConfigurationInput,
) -> S3Result<PutObjectLockConfigurationOutput> {
    let configuration = input.object_lock_configuration.ok_or_else(malformed)?;
    let enabled = configuration.object_lock_enabled.as_ref().map(ObjectLockEnabled::as_str);
    if enabled != Some(ObjectLockEnabled::ENABLED) {
        return Err(malformed());
    }
    let default = configuration.rule.map(default_retention).transpose()?;
    service.bucket_enable_lock(&input.bucket).await.map_err(convert::error)?;
    match default {
        Some(default) => service.setting_put(&input.bucket, &default).await,
        None => service.setting_delete::<DefaultRetention>(&input.bucket).await,
    }
    .map_err(convert::error)?;
    Ok(PutObjectLockConfigurationOutput::default())
}

fn default_retention(rule: ObjectLockRule) -> S3Result<DefaultRetention> {
    let default = rule.default_retention.ok_or_else(malformed)?;
    let mode = default.mode.as_ref().and_then(|mode| parse_mode(mode.as_str())).ok_or_else(malformed)?;
    let period = match (default.days, default.years) {
        (Some(days), None) => Period::days(days),
        (None, Some(years)) => Period::years(years),
        _ => return Err(malformed()),
    };
    let period = period.ok_or_else(|| {
        let message =
            "Default retention period must be a positive integer value, of a hundred years at most.";
        let code = S3ErrorCode::Custom("InvalidRetentionPeriod".into());
        convert::with_status(refuse(code, message), StatusCode::BAD_REQUEST)
    })?;
    Ok(DefaultRetention { mode, period })
}

pub async fn configuration_get(
    service: &Service,
    input: GetObjectLockConfigurationInput,
) -> S3Result<GetObjectLockConfigurationOutput> {
    let bucket = service.bucket(&input.bucket).await.map_err(convert::error)?;
    if !bucket.object_lock {
        return Err(refuse(
            S3ErrorCode::ObjectLockConfigurationNotFoundError,
            "Object Lock configuration does not exist for this bucket",
        ));
    }
    let default = bucket.settings.get::<DefaultRetention>().map_err(convert::error)?;
    let rule = default.map(|default| {
        let (days, years) = match default.period {
            Period::Days(days) => (i32::try_from(days).ok(), None),
            Period::Years(years) => (None, i32::try_from(years).ok()),
        };
        let mode = Some(ObjectLockRetentionMode::from_static(mode_name(default.mode)));
        ObjectLockRule { default_retention: Some(dto::DefaultRetention { days, mode, years }) }
    });
    let enabled = Some(ObjectLockEnabled::from_static(ObjectLockEnabled::ENABLED));
    let configuration = ObjectLockConfiguration { object_lock_enabled: enabled, rule };
    Ok(GetObjectLockConfigurationOutput { object_lock_configuration: Some(configuration) })
}

pub async fn retention_put(
    service: &Service,
    input: PutObjectRetentionInput,
) -> S3Result<PutObjectRetentionOutput> {
    let version = locking(service, &input.bucket, input.version_id.as_deref()).await?;
    let ObjectLockRetention { mode, retain_until_date } = input.retention.unwrap_or_default();
    let wanted = match (mode.as_ref().map(ObjectLockRetentionMode::as_str), retain_until_date.as_ref()) {
        (None, None) => None,
        (Some(mode), Some(until)) => {
            Some(Retention { mode: parse_mode(mode).ok_or_else(malformed)?, until_ms: future(until)? })
        }
        _ => return Err(malformed()),
    };
    let bypass = input.bypass_governance_retention == Some(true);
    let change = move |traits: &mut Traits| {
        lock::check_change(traits.retention.as_ref(), wanted.as_ref(), bypass, now_ms())?;
        traits.retention = wanted;
        Ok(())
    };
    service.object_update(&input.bucket, &input.key, version, change).await.map_err(convert::error)?;
    Ok(PutObjectRetentionOutput::default())
}

pub async fn retention_get(
    service: &Service,
    input: GetObjectRetentionInput,
) -> S3Result<GetObjectRetentionOutput> {
    let version = locking(service, &input.bucket, input.version_id.as_deref()).await?;
    let info = service.head_version(&input.bucket, &input.key, version).await.map_err(convert::error)?;
    let retention = info.traits.retention.ok_or_else(none)?;
    let mode = Some(ObjectLockRetentionMode::from_static(mode_name(retention.mode)));
    let retain_until_date = Some(convert::timestamp(retention.until_ms));
    Ok(GetObjectRetentionOutput { retention: Some(ObjectLockRetention { mode, retain_until_date }) })
}

pub async fn hold_put(
    service: &Service,
    input: PutObjectLegalHoldInput,
) -> S3Result<PutObjectLegalHoldOutput> {
    let version = locking(service, &input.bucket, input.version_id.as_deref()).await?;
    let status = input.legal_hold.and_then(|hold| hold.status).ok_or_else(malformed)?;
    let hold = parse_hold(status.as_str()).ok_or_else(malformed)?;
    let change = move |traits: &mut Traits| {
        traits.legal_hold = Some(hold);
        Ok(())
    };
    service.object_update(&input.bucket, &input.key, version, change).await.map_err(convert::error)?;
    Ok(PutObjectLegalHoldOutput::default())
}

pub async fn hold_get(
    service: &Service,
    input: GetObjectLegalHoldInput,
) -> S3Result<GetObjectLegalHoldOutput> {
    let version = locking(service, &input.bucket, input.version_id.as_deref()).await?;
    let info = service.head_version(&input.bucket, &input.key, version).await.map_err(convert::error)?;
    let status = hold(&info.traits).ok_or_else(none)?;
    Ok(GetObjectLegalHoldOutput { legal_hold: Some(ObjectLockLegalHold { status: Some(status) }) })
}

/// The version asked for, in a bucket that has object lock.
async fn locking(service: &Service, bucket: &str, version: Option<&str>) -> S3Result<Option<Version>> {
    let bucket = service.bucket(bucket).await.map_err(convert::error)?;
    require_lock(&bucket)?;
    convert::version(version)
}

fn require_lock(bucket: &Bucket) -> S3Result<()> {
    if bucket.object_lock {
        return Ok(());
    }
    Err(convert::error(Fault::InvalidRequest("Bucket is missing Object Lock Configuration".into()).into()))
}

/// The headers of a new object, taken into its traits.
pub fn lock_new(
    bucket: &Bucket,
    (mode, until): (Option<&ObjectLockMode>, Option<&Timestamp>),
    hold: Option<&ObjectLockLegalHoldStatus>,
    traits: &mut Traits,
) -> S3Result<()> {
    let invalid = |message: &'static str| Err(refuse(S3ErrorCode::InvalidArgument, message));
    traits.retention = match (mode, until) {
        (None, None) => None,
        (Some(mode), Some(until)) => match parse_mode(mode.as_str()) {
            Some(mode) => Some(Retention { mode, until_ms: future(until)? }),
            None => return invalid("Unknown wormMode directive."),
        },
        _ => {
            return invalid(
                "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
            );
        }
    };
    traits.legal_hold = match hold.map(|hold| parse_hold(hold.as_str())) {
        None => None,
        Some(Some(hold)) => Some(hold),
        Some(None) => return invalid("Legal Hold must be either of 'ON' or 'OFF'"),
    };
    if traits.retention.is_some() || traits.legal_hold.is_some() {
        require_lock(bucket)?;
    }
    Ok(())
}

/// What nobody can replace must be what was sent: a locked object comes with a digest of its bytes.
pub fn check_promised(traits: &Traits, promise: &Promise) -> S3Result<()> {
    let locked = traits.retention.is_some() || traits.legal_hold.is_some();
    let promised = promise.md5.is_some() || !promise.checksums.is_empty() || !promise.trailing.is_empty();
    match locked && !promised {
        true => Err(refuse(
            S3ErrorCode::InvalidRequest,
            "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters",
        )),
        false => Ok(()),
    }
}

/// What a reader is told of a version's lock.
pub struct Told {
    pub mode: Option<ObjectLockMode>,
    pub until: Option<Timestamp>,
    pub hold: Option<ObjectLockLegalHoldStatus>,
}

pub fn tell(traits: &Traits) -> Told {
    let retention = traits.retention.as_ref();
    Told {
        mode: retention.map(|retention| ObjectLockMode::from_static(mode_name(retention.mode))),
        until: retention.map(|retention| convert::timestamp(retention.until_ms)),
        hold: hold(traits),
    }
}

fn hold(traits: &Traits) -> Option<ObjectLockLegalHoldStatus> {
    let name = |on| if on { ObjectLockLegalHoldStatus::ON } else { ObjectLockLegalHoldStatus::OFF };
    traits.legal_hold.map(|on| ObjectLockLegalHoldStatus::from_static(name(on)))
}

fn future(until: &Timestamp) -> S3Result<i64> {
    let until_ms = convert::millis(until).ok_or_else(malformed)?;
    if until_ms <= now_ms() {
        return Err(refuse(S3ErrorCode::InvalidArgument, "The retain until date must be in the future!"));
    }
    Ok(until_ms)
}

fn parse_mode(name: &str) -> Option<RetentionMode> {
    [RetentionMode::Governance, RetentionMode::Compliance].into_iter().find(|mode| mode_name(*mode) == name)
}

fn mode_name(mode: RetentionMode) -> &'static str {
    match mode {
        RetentionMode::Governance => ObjectLockMode::GOVERNANCE,
        RetentionMode::Compliance => ObjectLockMode::COMPLIANCE,
    }
}

fn parse_hold(name: &str) -> Option<bool> {
    match name {
        ObjectLockLegalHoldStatus::ON => Some(true),
        ObjectLockLegalHoldStatus::OFF => Some(false),
        _ => None,
    }
}

fn none() -> S3Error {
    let message = "The specified object does not have a ObjectLock configuration";
    let error = refuse(S3ErrorCode::NoSuchObjectLockConfiguration, message);
    convert::with_status(error, StatusCode::NOT_FOUND)
}

fn malformed() -> S3Error {
    refuse(
        S3ErrorCode::MalformedXML,
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
}
