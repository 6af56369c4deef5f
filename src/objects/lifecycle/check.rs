//! What makes a lifecycle configuration acceptable, and the ids of rules that came without one.

use super::super::s3::seconds;
use crate::kernel::id;
use s3s::dto::{
    BucketLifecycleConfiguration, Date, ExpirationStatus, LifecycleRule, LifecycleRuleFilter,
    NoncurrentVersionExpiration, Tag, Transition,
};
use std::collections::BTreeSet;

/// Why a configuration is refused: which of S3's codes, and a sentence.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    Malformed(String),
    Argument(String),
    Request(String),
}

use Refusal::{Argument, Malformed, Request};

type Checked = Result<(), Refusal>;

const RULES_MAX: usize = 1000;
const ID_MAX: usize = 255;
const DAY_S: i64 = 86_400;

/// Checks a configuration and names the rules that have no id.
pub fn accept(config: &mut BucketLifecycleConfiguration) -> Checked {
    if config.rules.is_empty() || config.rules.len() > RULES_MAX {
        return Err(Malformed(format!("A lifecycle configuration has between 1 and {RULES_MAX} rules.")));
    }
    let mut ids = BTreeSet::new();
    for rule in &mut config.rules {
        let id = rule.id.get_or_insert_default();
        if id.is_empty() {
            *id = id::hex32();
        }
        if id.chars().count() > ID_MAX {
            return Err(Argument("ID length should not exceed allowed limit of 255".into()));
        }
        if !ids.insert(id.clone()) {
            return Err(Argument("Rule ID must be unique. Found same ID for more than one rule".into()));
        }
        check_rule(rule)?;
    }
    Ok(())
}

fn check_rule(rule: &LifecycleRule) -> Checked {
    if ![ExpirationStatus::ENABLED, ExpirationStatus::DISABLED].contains(&rule.status.as_str()) {
        return Err(Malformed("The Status of a rule is Enabled or Disabled.".into()));
    }
    if rule.prefix.is_some() == rule.filter.is_some() {
        return Err(Malformed("A rule has either a Filter or, as it used to be, a Prefix.".into()));
    }
    let acts = rule.expiration.is_some()
        || rule.noncurrent_version_expiration.is_some()
        || rule.abort_incomplete_multipart_upload.is_some()
        || rule.transitions.as_ref().is_some_and(|list| !list.is_empty())
        || rule.noncurrent_version_transitions.as_ref().is_some_and(|list| !list.is_empty());
    if !acts {
        return Err(Request("At least one action needs to be specified in a rule".into()));
    }
    let narrowed = rule.filter.as_ref().map_or(Ok(Narrowed::default()), check_filter)?;
    check_expiration(rule, &narrowed)?;
    rule.noncurrent_version_expiration.as_ref().map_or(Ok(()), check_noncurrent)?;
    check_abort(rule, &narrowed)?;
    check_transitions(rule)
}

/// What a filter looks at beyond the key.
#[derive(Default)]
struct Narrowed {
    tags: bool,
    size: bool,
}

fn check_filter(filter: &LifecycleRuleFilter) -> Result<Narrowed, Refusal> {
    let and = filter.and.as_ref();
    let tags: Vec<&Tag> =
        filter.tag.iter().chain(and.and_then(|and| and.tags.as_ref()).into_iter().flatten()).collect();
    let mut keys = BTreeSet::new();
    for tag in &tags {
        let key = tag.key.as_deref().unwrap_or_default();
        let value = tag.value.as_deref().unwrap_or_default();
        if key.is_empty() || key.chars().count() > 128 {
            return Err(Request("The TagKey you have provided is invalid".into()));
        }
        if value.chars().count() > 256 {
            return Err(Request("The TagValue you have provided is invalid".into()));
        }
        if !keys.insert(key) {
            return Err(Request("Duplicate Tag Keys are not allowed.".into()));
        }
    }
    let above = filter.object_size_greater_than.or_else(|| and?.object_size_greater_than);
    let below = filter.object_size_less_than.or_else(|| and?.object_size_less_than);
    if above.is_some_and(|size| size < 0) || below.is_some_and(|size| size < 1) {
        return Err(Request("The sizes of a filter are not negative".into()));
    }
    if above.zip(below).is_some_and(|(above, below)| above >= below) {
        return Err(Request(
            "The ObjectSizeLessThan value must be greater than the ObjectSizeGreaterThan value".into(),
        ));
    }
    Ok(Narrowed { tags: !tags.is_empty(), size: above.is_some() || below.is_some() })
}

fn check_expiration(rule: &LifecycleRule, narrowed: &Narrowed) -> Checked {
    let Some(expiration) = &rule.expiration else { return Ok(()) };
    let marker = expiration.expired_object_delete_marker;
    let named = [expiration.days.is_some(), expiration.date.is_some(), marker.is_some()];
    if named.iter().filter(|named| **named).count() != 1 {
        return Err(Malformed("An Expiration has one of Days, Date and ExpiredObjectDeleteMarker.".into()));
    }
    if marker.is_some() && (narrowed.tags || narrowed.size) {
        return Err(Request(
            "ExpiredObjectDeleteMarker cannot be specified with Tags or object sizes.".into(),
        ));
    }
    if expiration.days.is_some_and(|days| days < 1) {
        return Err(Argument("'Days' for Expiration action must be a positive integer".into()));
    }
    expiration.date.as_ref().map_or(Ok(()), check_date)
}

fn check_noncurrent(expiration: &NoncurrentVersionExpiration) -> Checked {
    match expiration.noncurrent_days {
        None => return Err(Malformed("A NoncurrentVersionExpiration names its NoncurrentDays.".into())),
        Some(days) if days < 1 => {
            return Err(Argument(
                "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer".into(),
            ));
        }
        Some(_) => {}
    }
    check_newer(expiration.newer_noncurrent_versions)
}

fn check_newer(kept: Option<i32>) -> Checked {
    match kept {
        Some(kept) if !(1..=100).contains(&kept) => {
            Err(Argument("'NewerNoncurrentVersions' must be between 1 and 100".into()))
        }
        _ => Ok(()),
    }
}

fn check_abort(rule: &LifecycleRule, narrowed: &Narrowed) -> Checked {
    let Some(abort) = &rule.abort_incomplete_multipart_upload else { return Ok(()) };
    if narrowed.tags || narrowed.size {
        return Err(Request(
            "AbortIncompleteMultipartUpload cannot be specified with Tags or object sizes.".into(),
        ));
    }
    match abort.days_after_initiation {
        Some(1..) => Ok(()),
        Some(_) => Err(Argument(
            "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer"
                .into(),
        )),
        None => Err(Malformed("An AbortIncompleteMultipartUpload names its DaysAfterInitiation.".into())),
    }
}

fn check_transitions(rule: &LifecycleRule) -> Checked {
    let expiration = rule.expiration.as_ref();
    for transition in rule.transitions.iter().flatten() {
        check_class(transition.storage_class.as_ref().map(|class| class.as_str()))?;
        check_transition(transition)?;
        let dated = transition.date.is_some();
        if expiration.is_some_and(|e| (e.days.is_some() && dated) || (e.date.is_some() && !dated)) {
            return Err(Request(
                "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule"
                    .into(),
            ));
        }
        let expires = expiration.and_then(|expiration| expiration.days);
        if expires.zip(transition.days).is_some_and(|(expires, moves)| expires <= moves) {
            return Err(Argument(
                "'Days' in the Expiration action must be greater than 'Days' in the Transition action".into(),
            ));
        }
    }
    for transition in rule.noncurrent_version_transitions.iter().flatten() {
        check_class(transition.storage_class.as_ref().map(|class| class.as_str()))?;
        check_newer(transition.newer_noncurrent_versions)?;
        match transition.noncurrent_days {
            Some(0..) => {}
            Some(_) => return Err(Argument("'NoncurrentDays' must not be negative".into())),
            None => return Err(Malformed("A transition names its NoncurrentDays.".into())),
        }
    }
    Ok(())
}

fn check_transition(transition: &Transition) -> Checked {
    match (transition.days, &transition.date) {
        (Some(0..), None) => Ok(()),
        (Some(_), None) => Err(Argument("'Days' in Transition action must not be negative".into())),
        (None, Some(date)) => check_date(date),
        _ => Err(Malformed("A Transition has either Days or a Date.".into())),
    }
}

fn check_date(date: &Date) -> Checked {
    match seconds(date) {
        Some(seconds) if seconds % DAY_S == 0 => Ok(()),
        _ => Err(Argument("'Date' must be at midnight GMT".into())),
    }
}

/// A storage class is a label of ours to keep: capitals, digits and underscores.
fn check_class(class: Option<&str>) -> Checked {
    let sane = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    match class {
        Some(class) if (1..=64).contains(&class.len()) && class.bytes().all(sane) => Ok(()),
        _ => Err(Malformed("A transition names a StorageClass.".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use s3s::dto::*;

    fn rule() -> LifecycleRule {
        LifecycleRule {
            abort_incomplete_multipart_upload: None,
            expiration: Some(LifecycleExpiration { days: Some(1), ..Default::default() }),
            filter: None,
            id: None,
            noncurrent_version_expiration: None,
            noncurrent_version_transitions: None,
            prefix: Some(String::new()),
            status: ExpirationStatus::from_static("Enabled"),
            transitions: None,
        }
    }

    fn accepted(rule: LifecycleRule) -> Checked {
        accept(&mut BucketLifecycleConfiguration { rules: vec![rule] })
    }

    fn midnight(offset_s: u64) -> Date {
        (std::time::UNIX_EPOCH + std::time::Duration::from_secs(86_400 * 20_000 + offset_s)).into()
    }

    #[test]
    fn a_rule_without_an_id_is_given_one() {
        let mut config = BucketLifecycleConfiguration { rules: vec![rule(), rule()] };
        accept(&mut config).unwrap();
        assert!(config.rules.iter().all(|rule| rule.id.as_ref().is_some_and(|id| !id.is_empty())));
    }

    #[test]
    fn ids_are_short_and_unlike() {
        let named = |id: &str| LifecycleRule { id: Some(id.into()), ..rule() };
        assert!(matches!(accepted(named(&"a".repeat(256))), Err(Argument(_))));
        let mut twice = BucketLifecycleConfiguration { rules: vec![named("x"), named("x")] };
        assert!(matches!(accept(&mut twice), Err(Argument(_))));
        assert!(matches!(accept(&mut BucketLifecycleConfiguration { rules: vec![] }), Err(Malformed(_))));
    }

    #[test]
    fn status_and_scope_are_as_amazon_has_them() {
        let status = ExpirationStatus::from_static("enabled");
        assert!(matches!(accepted(LifecycleRule { status, ..rule() }), Err(Malformed(_))));
        assert!(matches!(accepted(LifecycleRule { prefix: None, ..rule() }), Err(Malformed(_))));
        let both = LifecycleRule { filter: Some(LifecycleRuleFilter::default()), ..rule() };
        assert!(matches!(accepted(both), Err(Malformed(_))));
        assert!(matches!(accepted(LifecycleRule { expiration: None, ..rule() }), Err(Request(_))));
    }

    #[test]
    fn days_and_dates_are_checked() {
        let expiring = |expiration| LifecycleRule { expiration: Some(expiration), ..rule() };
        let days = LifecycleExpiration { days: Some(0), ..Default::default() };
        assert!(matches!(accepted(expiring(days)), Err(Argument(_))));
        let date = |offset| LifecycleExpiration { date: Some(midnight(offset)), ..Default::default() };
        assert!(accepted(expiring(date(0))).is_ok());
        assert!(matches!(accepted(expiring(date(1))), Err(Argument(_))));
        let two = LifecycleExpiration { days: Some(1), ..date(0) };
        assert!(matches!(accepted(expiring(two)), Err(Malformed(_))));
    }

    #[test]
    fn transitions_come_before_the_end() {
        let class = Some(TransitionStorageClass::from_static("GLACIER"));
        let moving = |transition| LifecycleRule { transitions: Some(vec![transition]), ..rule() };
        let days = |days| Transition { days: Some(days), date: None, storage_class: class.clone() };
        assert!(accepted(moving(days(0))).is_ok());
        assert!(matches!(accepted(moving(days(1))), Err(Argument(_))));
        assert!(matches!(accepted(moving(days(-1))), Err(Argument(_))));
        let dated = Transition { date: Some(midnight(0)), days: None, storage_class: class.clone() };
        assert!(matches!(accepted(moving(dated)), Err(Request(_))));
        let odd = TransitionStorageClass::from_static("some where");
        let nameless = Transition { storage_class: Some(odd), ..days(0) };
        assert!(matches!(accepted(moving(nameless)), Err(Malformed(_))));
    }

    #[test]
    fn an_upload_has_neither_tags_nor_size_to_filter_by() {
        let filter = LifecycleRuleFilter { object_size_less_than: Some(5), ..Default::default() };
        let abort = AbortIncompleteMultipartUpload { days_after_initiation: Some(1) };
        let both = LifecycleRule {
            prefix: None,
            filter: Some(filter),
            abort_incomplete_multipart_upload: Some(abort),
            ..rule()
        };
        assert!(matches!(accepted(both), Err(Request(_))));
    }
}
