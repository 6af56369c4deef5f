//! What a configuration says about one version of one object. Pure: the worker acts on it, and the
//! `x-amz-expiration` and `x-amz-abort-date` headers are told from it.

use super::super::s3::seconds;
use s3s::dto::{
    BucketLifecycleConfiguration, Date, ExpirationStatus, LifecycleRule, LifecycleRuleFilter, Tag,
};

const DAY_MS: i64 = 86_400_000;

/// How long a "day" is. Calendar days end at midnight UTC, as Amazon counts them; any other length is
/// for tests, and is not rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    pub ms: i64,
}

impl Day {
    pub const CALENDAR: Self = Self { ms: DAY_MS };

    /// When something of `since_ms` has become `days` old.
    fn after(self, since_ms: i64, days: i32) -> i64 {
        let due = since_ms.saturating_add(i64::from(days).saturating_mul(self.ms));
        match (self.ms, due.rem_euclid(DAY_MS)) {
            (DAY_MS, past @ 1..) => due.saturating_add(DAY_MS - past),
            _ => due,
        }
    }
}

/// One version as the rules see it.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    pub key: &'a str,
    pub size: u64,
    pub tags: &'a [(String, String)],
    pub storage_class: &'a str,
    pub modified_ms: i64,
    pub marker: bool,
    pub standing: Standing,
}

/// Where a version stands among those of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The latest; `alone` when it is the only one.
    Current { alone: bool },
    /// Behind a newer one since then, with that many noncurrent versions that are newer than it.
    Noncurrent { since_ms: i64, newer: usize },
}

/// What is to be done with a version now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Delete the current version as a client would: it goes, or a delete marker hides it.
    Expire,
    /// Take this very version (or delete marker) away.
    Remove,
    /// Change its storage class.
    Relabel(String),
}

/// The action that is due for a version at `now_ms`, if one is. What is gone need not change its class.
pub fn due(
    config: &BucketLifecycleConfiguration,
    seen: &Candidate<'_>,
    day: Day,
    now_ms: i64,
) -> Option<Action> {
    let rules = || enabled(config).filter(|rule| applies(rule, seen.key, Some(seen)));
    let goes = rules().any(|rule| goes_at(rule, seen, day).is_some_and(|at| at <= now_ms));
    if goes {
        let hides = matches!(seen.standing, Standing::Current { .. }) && !seen.marker;
        return Some(if hides { Action::Expire } else { Action::Remove });
    }
    if seen.marker {
        return None;
    }
    let reached = rules().flat_map(|rule| classes(rule, seen, day)).filter(|(at, _)| *at <= now_ms);
    let (_, class) = reached.max_by_key(|(at, _)| *at)?;
    (class != seen.storage_class).then_some(Action::Relabel(class))
}

/// When the current version will expire, and by which rule.
pub fn expiry(
    config: &BucketLifecycleConfiguration,
    key: &str,
    size: u64,
    tags: &[(String, String)],
    modified_ms: i64,
) -> Option<(i64, String)> {
    let standing = Standing::Current { alone: false };
    let seen = Candidate { key, size, tags, storage_class: "", modified_ms, marker: false, standing };
    enabled(config)
        .filter(|rule| applies(rule, key, Some(&seen)))
        .filter_map(|rule| Some((goes_at(rule, &seen, Day::CALENDAR)?, rule.id.clone().unwrap_or_default())))
        .min()
}

/// When an upload that was begun at `begun_ms` will be aborted, and by which rule.
pub fn abort(
    config: &BucketLifecycleConfiguration,
    key: &str,
    begun_ms: i64,
    day: Day,
) -> Option<(i64, String)> {
    enabled(config)
        .filter(|rule| applies(rule, key, None))
        .filter_map(|rule| {
            let days = rule.abort_incomplete_multipart_upload.as_ref()?.days_after_initiation?;
            Some((day.after(begun_ms, days), rule.id.clone().unwrap_or_default()))
        })
        .min()
}

fn enabled(config: &BucketLifecycleConfiguration) -> impl Iterator<Item = &LifecycleRule> {
    config.rules.iter().filter(|rule| rule.status.as_str() == ExpirationStatus::ENABLED)
}

/// When this rule takes the version away.
fn goes_at(rule: &LifecycleRule, seen: &Candidate<'_>, day: Day) -> Option<i64> {
    match seen.standing {
        Standing::Current { alone } => {
            let expiration = rule.expiration.as_ref()?;
            if seen.marker && !alone {
                return None;
            }
            if seen.marker && expiration.expired_object_delete_marker == Some(true) {
                return Some(seen.modified_ms);
            }
            let days = expiration.days.map(|days| day.after(seen.modified_ms, days));
            days.or_else(|| expiration.date.as_ref().map(date_ms))
        }
        Standing::Noncurrent { since_ms, newer } => {
            let expiration = rule.noncurrent_version_expiration.as_ref()?;
            let kept = expiration.newer_noncurrent_versions.and_then(|n| usize::try_from(n).ok());
            if newer < kept.unwrap_or(0) {
                return None;
            }
            Some(day.after(since_ms, expiration.noncurrent_days?))
        }
    }
}

/// The storage classes a rule gives the version, each with its time.
fn classes(rule: &LifecycleRule, seen: &Candidate<'_>, day: Day) -> Vec<(i64, String)> {
    match seen.standing {
        Standing::Current { .. } => {
            let transitions = rule.transitions.iter().flatten();
            let timed = transitions.filter_map(|transition| {
                let days = transition.days.map(|days| day.after(seen.modified_ms, days));
                let at = days.or_else(|| transition.date.as_ref().map(date_ms))?;
                Some((at, transition.storage_class.as_ref()?.as_str().to_owned()))
            });
            timed.collect()
        }
        Standing::Noncurrent { since_ms, newer } => {
            let transitions = rule.noncurrent_version_transitions.iter().flatten();
            let timed = transitions.filter_map(|transition| {
                let kept = transition.newer_noncurrent_versions.and_then(|n| usize::try_from(n).ok());
                let at = day.after(since_ms, transition.noncurrent_days?);
                let class = transition.storage_class.as_ref()?.as_str().to_owned();
                (newer >= kept.unwrap_or(0)).then_some((at, class))
            });
            timed.collect()
        }
    }
}

/// Whether a rule is meant for this key, and this version; an upload has neither size nor tags yet.
fn applies(rule: &LifecycleRule, key: &str, seen: Option<&Candidate<'_>>) -> bool {
    let prefix = rule.prefix.as_deref().unwrap_or_default();
    key.starts_with(prefix) && rule.filter.as_ref().is_none_or(|filter| passes(filter, key, seen))
}

fn passes(filter: &LifecycleRuleFilter, key: &str, seen: Option<&Candidate<'_>>) -> bool {
    let and = filter.and.as_ref();
    let prefixes = filter.prefix.iter().chain(and.and_then(|and| and.prefix.as_ref()));
    let mut tags = filter.tag.iter().chain(and.and_then(|and| and.tags.as_ref()).into_iter().flatten());
    let above = filter.object_size_greater_than.or_else(|| and?.object_size_greater_than);
    let below = filter.object_size_less_than.or_else(|| and?.object_size_less_than);
    if !prefixes.into_iter().all(|prefix| key.starts_with(prefix.as_str())) {
        return false;
    }
    let Some(seen) = seen.filter(|seen| !seen.marker) else {
        return tags.next().is_none() && above.is_none() && below.is_none();
    };
    let size = i64::try_from(seen.size).unwrap_or(i64::MAX);
    tags.all(|tag| has_tag(seen.tags, tag))
        && above.is_none_or(|bound| size > bound)
        && below.is_none_or(|bound| size < bound)
}

fn has_tag(tags: &[(String, String)], wanted: &Tag) -> bool {
    tags.iter().any(|(key, value)| {
        Some(key.as_str()) == wanted.key.as_deref() && Some(value.as_str()) == wanted.value.as_deref()
    })
}

fn date_ms(date: &Date) -> i64 {
    seconds(date).unwrap_or(i64::MAX / 1000).saturating_mul(1000)
}

#[cfg(test)]
mod tests;
