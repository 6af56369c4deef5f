//! What the rules say, in days of ten seconds.

use super::*;
use s3s::dto::*;

const DAY: Day = Day { ms: 10_000 };

fn rule() -> LifecycleRule {
    LifecycleRule {
        abort_incomplete_multipart_upload: None,
        expiration: None,
        filter: None,
        id: Some("r".into()),
        noncurrent_version_expiration: None,
        noncurrent_version_transitions: None,
        prefix: None,
        status: ExpirationStatus::from_static("Enabled"),
        transitions: None,
    }
}

fn expiring(days: i32) -> LifecycleRule {
    let expiration = Some(LifecycleExpiration { days: Some(days), ..Default::default() });
    LifecycleRule { expiration, ..rule() }
}

fn config(rule: LifecycleRule) -> BucketLifecycleConfiguration {
    BucketLifecycleConfiguration { rules: vec![rule] }
}

fn current(key: &str) -> Candidate<'_> {
    Candidate {
        key,
        size: 1000,
        tags: &[],
        storage_class: "STANDARD",
        modified_ms: 0,
        marker: false,
        standing: Standing::Current { alone: true },
    }
}

fn tag(key: &str, value: &str) -> Tag {
    Tag { key: Some(key.into()), value: Some(value.into()) }
}

#[test]
fn a_current_version_expires_when_its_days_are_over() {
    let config = config(LifecycleRule { prefix: Some("a/".into()), ..expiring(2) });
    assert_eq!(due(&config, &current("a/x"), DAY, 19_999), None);
    assert_eq!(due(&config, &current("a/x"), DAY, 20_000), Some(Action::Expire));
    assert_eq!(due(&config, &current("b/x"), DAY, 90_000), None);
}

#[test]
fn a_disabled_rule_does_nothing() {
    let off = LifecycleRule { status: ExpirationStatus::from_static("Disabled"), ..expiring(1) };
    assert_eq!(due(&config(off), &current("a"), DAY, i64::MAX), None);
}

#[test]
fn calendar_days_end_at_midnight() {
    let noon = DAY_MS / 2;
    assert_eq!(Day::CALENDAR.after(noon, 1), 2 * DAY_MS);
    assert_eq!(Day::CALENDAR.after(DAY_MS, 1), 2 * DAY_MS);
    assert_eq!(DAY.after(noon, 1), noon + 10_000);
}

#[test]
fn a_filter_demands_all_it_names() {
    let and = LifecycleRuleAndOperator {
        prefix: Some("days1".into()),
        tags: Some(vec![tag("huck", "finn")]),
        ..Default::default()
    };
    let filter = LifecycleRuleFilter {
        prefix: Some("days1/".into()),
        tag: Some(tag("tom", "sawyer")),
        and: Some(and),
        ..Default::default()
    };
    let config = config(LifecycleRule { filter: Some(filter), ..expiring(1) });
    let tom = [("tom".to_owned(), "sawyer".to_owned())];
    let both = [tom[0].clone(), ("huck".to_owned(), "finn".to_owned())];
    assert_eq!(due(&config, &Candidate { tags: &tom, ..current("days1/tom") }, DAY, 10_000), None);
    let huck = Candidate { tags: &both, ..current("days1/huck") };
    assert_eq!(due(&config, &huck, DAY, 10_000), Some(Action::Expire));
}

#[test]
fn sizes_are_bounds_that_do_not_belong() {
    let filter = LifecycleRuleFilter { object_size_greater_than: Some(1000), ..Default::default() };
    let above = config(LifecycleRule { filter: Some(filter), ..expiring(1) });
    assert_eq!(due(&above, &current("a"), DAY, 10_000), None);
    assert_eq!(due(&above, &Candidate { size: 1001, ..current("a") }, DAY, 10_000), Some(Action::Expire));
    let filter = LifecycleRuleFilter { object_size_less_than: Some(1000), ..Default::default() };
    let below = config(LifecycleRule { filter: Some(filter), ..expiring(1) });
    assert_eq!(due(&below, &current("a"), DAY, 10_000), None);
    assert_eq!(due(&below, &Candidate { size: 999, ..current("a") }, DAY, 10_000), Some(Action::Expire));
}

#[test]
fn noncurrent_versions_go_by_age_and_number() {
    let expiration =
        NoncurrentVersionExpiration { noncurrent_days: Some(1), newer_noncurrent_versions: Some(2) };
    let config = config(LifecycleRule { noncurrent_version_expiration: Some(expiration), ..rule() });
    let seen =
        |since_ms, newer| Candidate { standing: Standing::Noncurrent { since_ms, newer }, ..current("a") };
    assert_eq!(due(&config, &seen(0, 1), DAY, 99_000), None);
    assert_eq!(due(&config, &seen(0, 2), DAY, 99_000), Some(Action::Remove));
    assert_eq!(due(&config, &seen(95_000, 2), DAY, 99_000), None);
    assert_eq!(due(&config, &current("a"), DAY, 99_000), None);
}

#[test]
fn a_delete_marker_goes_when_nothing_is_behind_it() {
    let expired = LifecycleExpiration { expired_object_delete_marker: Some(true), ..Default::default() };
    let config = config(LifecycleRule { expiration: Some(expired), ..rule() });
    let marker = |alone| Candidate { marker: true, standing: Standing::Current { alone }, ..current("a") };
    assert_eq!(due(&config, &marker(true), DAY, 0), Some(Action::Remove));
    assert_eq!(due(&config, &marker(false), DAY, 99_000), None);
    // Only markers are meant.
    assert_eq!(due(&config, &current("a"), DAY, 99_000), None);
    let days = super::tests::config(expiring(5));
    assert_eq!(due(&days, &marker(true), DAY, 49_999), None);
    assert_eq!(due(&days, &marker(true), DAY, 50_000), Some(Action::Remove));
    assert_eq!(due(&days, &marker(false), DAY, 50_000), None);
}

#[test]
fn the_transition_reached_last_names_the_class() {
    let to = |days, class| Transition {
        date: None,
        days: Some(days),
        storage_class: Some(TransitionStorageClass::from_static(class)),
    };
    let transitions = Some(vec![to(1, "COLD"), to(7, "FROZEN")]);
    let config = config(LifecycleRule { transitions, ..rule() });
    let cold = Some(Action::Relabel("COLD".into()));
    assert_eq!(due(&config, &current("a"), DAY, 9_000), None);
    assert_eq!(due(&config, &current("a"), DAY, 10_000), cold);
    let labelled = |storage_class| Candidate { storage_class, ..current("a") };
    assert_eq!(due(&config, &labelled("COLD"), DAY, 60_000), None);
    assert_eq!(due(&config, &labelled("COLD"), DAY, 70_000), Some(Action::Relabel("FROZEN".into())));
}

#[test]
fn the_header_tells_the_first_expiry() {
    let config = BucketLifecycleConfiguration {
        rules: vec![LifecycleRule { id: Some("later".into()), ..expiring(9) }, expiring(3)],
    };
    assert_eq!(expiry(&config, "a", 1, &[], 5), Some((4 * DAY_MS, "r".into())));
    let abort = AbortIncompleteMultipartUpload { days_after_initiation: Some(2) };
    let aborting = super::tests::config(LifecycleRule {
        abort_incomplete_multipart_upload: Some(abort),
        prefix: Some("t/".into()),
        ..rule()
    });
    assert_eq!(super::abort(&aborting, "t/a", 0, DAY), Some((20_000, "r".into())));
    assert_eq!(super::abort(&aborting, "u/a", 0, DAY), None);
    assert_eq!(expiry(&aborting, "t/a", 1, &[], 5), None);
}
