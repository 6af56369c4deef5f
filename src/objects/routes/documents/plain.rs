//! The two settings whose types in s3s cannot be read from JSON, in types that can.

use s3s::dto::{
    BucketLoggingStatus, LoggingEnabled, ObjectOwnership, OwnershipControls, OwnershipControlsRule,
};
use serde::{Deserialize, Serialize};

/// Where the access log of a bucket is written.
#[derive(Deserialize, Serialize)]
pub struct Logging {
    logging_enabled: Target,
}

#[derive(Deserialize, Serialize)]
struct Target {
    target_bucket: String,
    #[serde(default)]
    target_prefix: String,
}

impl From<LoggingEnabled> for Logging {
    fn from(enabled: LoggingEnabled) -> Self {
        let LoggingEnabled { target_bucket, target_prefix, .. } = enabled;
        Self { logging_enabled: Target { target_bucket, target_prefix } }
    }
}

impl From<Logging> for BucketLoggingStatus {
    fn from(logging: Logging) -> Self {
        let Target { target_bucket, target_prefix } = logging.logging_enabled;
        Self { logging_enabled: Some(LoggingEnabled { target_bucket, target_prefix, ..Default::default() }) }
    }
}

/// Who owns what is put into a bucket.
#[derive(Deserialize, Serialize)]
pub struct Ownership {
    rules: Vec<Rule>,
}

#[derive(Deserialize, Serialize)]
struct Rule {
    object_ownership: String,
}

impl From<OwnershipControls> for Ownership {
    fn from(controls: OwnershipControls) -> Self {
        let name = |rule: OwnershipControlsRule| rule.object_ownership.as_str().to_owned();
        Self { rules: controls.rules.into_iter().map(|rule| Rule { object_ownership: name(rule) }).collect() }
    }
}

impl From<Ownership> for OwnershipControls {
    fn from(ownership: Ownership) -> Self {
        let named = |rule: Rule| OwnershipControlsRule {
            object_ownership: ObjectOwnership::from(rule.object_ownership),
        };
        Self { rules: ownership.rules.into_iter().map(named).collect() }
    }
}
