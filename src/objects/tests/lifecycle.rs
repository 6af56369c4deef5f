//! The lifecycle worker and quotas, on the service itself and with a clock of the test's own.

use super::*;
use crate::{
    kernel::clock::now_ms,
    objects::{
        lifecycle::{
            check,
            rules::Day,
            worker::{Done, Pace},
        },
        quota::Quota,
    },
};
use s3s::dto::*;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const DAY_MS: i64 = 10_000;

fn rule() -> LifecycleRule {
    LifecycleRule {
        abort_incomplete_multipart_upload: None,
        expiration: None,
        filter: None,
        id: None,
        noncurrent_version_expiration: None,
        noncurrent_version_transitions: None,
        prefix: Some(String::new()),
        status: ExpirationStatus::from_static("Enabled"),
        transitions: None,
    }
}

impl Bench {
    async fn rules(&self, rules: Vec<LifecycleRule>) {
        let mut config = BucketLifecycleConfiguration { rules };
        check::accept(&mut config).expect("good rules");
        self.service.setting_put("data", &config).await.expect("kept");
    }

    /// A round so many days from now.
    async fn days_later(&self, days: i64) -> Done {
        let pace = Pace { day: Day { ms: DAY_MS }, upload_expiry: Duration::from_secs(1000) };
        let (now, stop) = (now_ms() + days * DAY_MS, CancellationToken::new());
        self.service.lifecycle_round(pace, now, &stop).await.expect("a round")
    }

    async fn standing(&self) -> Vec<(String, bool, bool)> {
        let query = VersionQuery { limit: 100, ..VersionQuery::default() };
        let page = self.service.list_versions("data", query).await.expect("lists");
        page.versions.into_iter().map(|v| (v.key, v.latest, v.marker)).collect()
    }
}

#[tokio::test]
async fn objects_expire_by_prefix_and_age() {
    let bench = Bench::new().await;
    for key in ["old/a", "old/b", "keep"] {
        bench.put(key, b"x").await;
    }
    let expiration = Some(LifecycleExpiration { days: Some(2), ..Default::default() });
    bench.rules(vec![LifecycleRule { prefix: Some("old/".into()), expiration, ..rule() }]).await;
    assert_eq!(bench.days_later(1).await, Done::default());
    assert_eq!(bench.days_later(3).await.expired, 2);
    assert_eq!(bench.keys(ListQuery { limit: 10, ..ListQuery::default() }).await.0, ["keep"]);
}

#[tokio::test]
async fn noncurrent_versions_go_and_then_the_marker_that_hid_them() {
    let bench = Bench::new().await;
    bench.service.bucket_set_versioning("data", Versioning::Enabled).await.unwrap();
    bench.put("a", b"1").await;
    bench.put("a", b"2").await;
    bench.service.delete("data", "a").await.unwrap();
    bench.put("b", b"1").await;
    let rule = LifecycleRule {
        noncurrent_version_expiration: Some(NoncurrentVersionExpiration {
            noncurrent_days: Some(1),
            newer_noncurrent_versions: None,
        }),
        expiration: Some(LifecycleExpiration {
            expired_object_delete_marker: Some(true),
            ..Default::default()
        }),
        ..rule()
    };
    bench.rules(vec![rule]).await;
    assert_eq!(bench.days_later(0).await, Done::default());
    assert_eq!(bench.days_later(2).await.expired, 2);
    assert_eq!(bench.standing().await, [("a".to_owned(), true, true), ("b".to_owned(), true, false)]);
    assert_eq!(bench.days_later(2).await.expired, 1);
    assert_eq!(bench.standing().await, [("b".to_owned(), true, false)]);
}

#[tokio::test]
async fn a_locked_version_stays_and_a_current_one_is_hidden() {
    let bench = Bench::new().await;
    bench.service.bucket_set_versioning("data", Versioning::Enabled).await.unwrap();
    bench.put("a", b"1").await;
    let hold = |traits: &mut Traits| {
        traits.legal_hold = Some(true);
        Ok(())
    };
    bench.service.object_update("data", "a", None, hold).await.unwrap();
    let rule = LifecycleRule {
        expiration: Some(LifecycleExpiration { days: Some(1), ..Default::default() }),
        noncurrent_version_expiration: Some(NoncurrentVersionExpiration {
            noncurrent_days: Some(1),
            newer_noncurrent_versions: None,
        }),
        ..rule()
    };
    bench.rules(vec![rule]).await;
    assert_eq!(bench.days_later(2).await.expired, 1);
    assert_eq!(bench.standing().await, [("a".to_owned(), true, true), ("a".to_owned(), false, false)]);
    assert_eq!(bench.days_later(9).await.expired, 0);
}

#[tokio::test]
async fn a_transition_changes_the_class_and_nothing_else() {
    let bench = Bench::new().await;
    let before = bench.put("a", b"1").await;
    let transition = Transition {
        date: None,
        days: Some(1),
        storage_class: Some(TransitionStorageClass::from_static("COLD")),
    };
    bench.rules(vec![LifecycleRule { transitions: Some(vec![transition]), ..rule() }]).await;
    assert_eq!(bench.days_later(2).await.relabelled, 1);
    assert_eq!(bench.days_later(2).await.relabelled, 0);
    let after = bench.service.head("data", "a").await.unwrap();
    assert_eq!(after.traits.class.as_deref(), Some("COLD"));
    assert_eq!((after.etag, after.last_modified_ms), (before.etag, before.last_modified_ms));
    assert_eq!(bench.body("a").await, b"1");
}

#[tokio::test]
async fn uploads_nobody_completes_are_aborted() {
    let bench = Bench::new().await;
    for key in ["t/a", "u/a"] {
        bench.service.upload_create("data", key, PutOptions::default(), None).await.unwrap();
    }
    let abort = AbortIncompleteMultipartUpload { days_after_initiation: Some(2) };
    let rule =
        LifecycleRule { prefix: Some("t/".into()), abort_incomplete_multipart_upload: Some(abort), ..rule() };
    bench.rules(vec![rule]).await;
    assert_eq!(bench.days_later(1).await.aborted, 0);
    assert_eq!(bench.days_later(2).await.aborted, 1);
    // 1,000 seconds without a rule.
    assert_eq!(bench.days_later(99).await.aborted, 0);
    assert_eq!(bench.days_later(101).await.aborted, 1);
}

#[tokio::test]
async fn a_quota_is_kept_inside_the_commit() {
    let bench = Bench::new().await;
    bench.put("a", b"12345").await;
    bench.service.quota_put("data", Quota { objects: None, bytes: Some(8) }).await.unwrap();
    let put = |key: &'static str, body: &'static [u8]| {
        bench.service.put_bytes("data", key, Bytes::from_static(body), None)
    };
    assert_eq!(fault(put("b", b"1234").await), Fault::QuotaExceeded("data".into(), "bytes"));
    put("b", b"123").await.unwrap();
    // In the place of the old one there is room.
    put("a", b"54321").await.unwrap();
    assert_eq!(fault(put("a", b"123456").await), Fault::QuotaExceeded("data".into(), "bytes"));
    assert_eq!(bench.body("a").await, b"54321");
    bench.service.quota_put("data", Quota { objects: Some(2), bytes: None }).await.unwrap();
    assert_eq!(fault(put("c", b"").await), Fault::QuotaExceeded("data".into(), "objects"));
    let copied = bench.service.copy(("data", "a"), ("data", "c"), CopyOptions::default()).await;
    assert_eq!(fault(copied), Fault::QuotaExceeded("data".into(), "objects"));
    bench.service.quota_put("data", Quota::default()).await.unwrap();
    put("c", b"").await.unwrap();
    assert_eq!(bench.service.quota_get("data").await.unwrap(), Quota::default());
}
