//! Versions: what a bucket keeps of an object that was replaced or deleted, and what locks protect.

use super::*;

impl Bench {
    async fn versioned() -> Self {
        let bench = Self::new().await;
        bench.service.bucket_set_versioning("data", Versioning::Enabled).await.expect("versions");
        bench
    }

    async fn delete(&self, key: &str, version: Option<Version>) -> Result<Deleted> {
        let wanted = Deletion { key: key.to_owned(), version, ..Deletion::default() };
        self.service.delete_one("data", wanted, Owner::default()).await
    }

    /// Key, version and whether it is the latest and a marker, of every version, page by page.
    async fn versions(&self, limit: usize) -> Vec<(String, Version, bool, bool)> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let query = VersionQuery { after, limit, ..VersionQuery::default() };
            let page = self.service.list_versions("data", query).await.expect("lists");
            assert!(page.versions.len() <= limit);
            all.extend(page.versions.into_iter().map(|v| (v.key, v.version, v.latest, v.marker)));
            after = page.next;
            if after.is_none() {
                return all;
            }
        }
    }

    async fn body_of(&self, key: &str, version: Version) -> Vec<u8> {
        let opened = self.service.open("data", key, Some(version)).await.expect("is there");
        let size = opened.info.size;
        opened.into_stream(0..size).try_collect::<Vec<Bytes>>().await.expect("reads").concat()
    }

    async fn totals(&self) -> (u64, u64) {
        let bucket = self.service.bucket_get("data").await.expect("a bucket");
        (bucket.objects, bucket.bytes)
    }
}

#[tokio::test]
async fn what_was_replaced_or_deleted_is_kept_and_comes_back() {
    let bench = Bench::versioned().await;
    let first = bench.put("k", b"one").await.version;
    let second = bench.put("k", &large(2, 200_000)).await.version;
    let marker = bench.delete("k", None).await.unwrap();
    assert!(marker.marker);
    assert!(matches!(fault(bench.service.head("data", "k").await), Fault::DeleteMarker { asked: false, .. }));
    assert!(bench.keys(ListQuery { limit: 10, ..ListQuery::default() }).await.0.is_empty());
    assert_eq!(bench.totals().await, (2, 200_003));
    let newest_first = [marker.version.unwrap(), second, first];
    for limit in [1, 2, 3, 10] {
        let versions = bench.versions(limit).await;
        let ids: Vec<Version> = versions.iter().map(|version| version.1).collect();
        assert_eq!(ids, newest_first, "in pages of {limit}");
        assert_eq!(versions.iter().filter(|version| version.2).count(), 1);
    }
    assert_eq!(bench.body_of("k", first).await, b"one");
    assert_eq!(fault(bench.service.bucket_delete("data").await), Fault::BucketNotEmpty("data".into()));

    bench.delete("k", marker.version).await.unwrap();
    assert_eq!(bench.body("k").await, large(2, 200_000));
    bench.delete("k", Some(second)).await.unwrap();
    assert_eq!(bench.body("k").await, b"one");
    bench.delete("k", Some(first)).await.unwrap();
    assert_eq!(fault(bench.service.head("data", "k").await), Fault::NoSuchKey("k".into()));
    assert_eq!(bench.totals().await, (0, 0));
    bench.service.collect(-1000).await.unwrap();
    assert_eq!(bench.files(), 0);
    bench.service.bucket_delete("data").await.unwrap();
}

#[tokio::test]
async fn a_suspended_bucket_replaces_its_null_version_and_no_other() {
    let bench = Bench::new().await;
    bench.put("k", b"before").await;
    bench.service.bucket_set_versioning("data", Versioning::Enabled).await.unwrap();
    let kept = bench.put("k", b"kept").await.version;
    assert_eq!(bench.body_of("k", Version::Null).await, b"before");
    bench.service.bucket_set_versioning("data", Versioning::Suspended).await.unwrap();
    assert_eq!(bench.put("k", b"after").await.version, Version::Null);
    assert_eq!(bench.body("k").await, b"after");
    let ids: Vec<Version> = bench.versions(1).await.into_iter().map(|version| version.1).collect();
    assert_eq!(ids, [Version::Null, kept]);

    let gone = bench.delete("k", None).await.unwrap();
    assert_eq!((gone.version, gone.marker), (Some(Version::Null), true));
    assert_eq!(bench.body_of("k", kept).await, b"kept");
    assert_eq!(bench.totals().await, (1, 4));
    let never = bench.delete("missing", None).await.unwrap();
    assert!(never.marker);
}

#[tokio::test]
async fn a_locked_version_stays_until_its_time_has_come() {
    let bench = Bench::new().await;
    let new = NewBucket { object_lock: true, ..NewBucket::named("vault") };
    bench.service.bucket_create(new).await.unwrap();
    assert!(matches!(
        fault(bench.service.bucket_set_versioning("vault", Versioning::Suspended).await),
        Fault::InvalidBucketState(_)
    ));
    let info = bench.service.put_bytes("vault", "k", Bytes::from_static(b"x"), None).await.unwrap();
    let set = |retention: Option<Retention>, hold: bool| {
        bench.service.object_update("vault", "k", None, move |traits| {
            (traits.retention, traits.legal_hold) = (retention, Some(hold));
            Ok(())
        })
    };
    let delete = |bypass_governance: bool| {
        let version = Some(info.version);
        let wanted = Deletion { key: "k".into(), version, bypass_governance, ..Deletion::default() };
        bench.service.delete_one("vault", wanted, Owner::default())
    };
    let until = |mode, until_ms| Some(Retention { mode, until_ms });
    set(until(RetentionMode::Compliance, i64::MAX), false).await.unwrap();
    assert_eq!(fault(delete(true).await), Fault::ObjectLocked);
    set(until(RetentionMode::Compliance, 1), true).await.unwrap();
    assert_eq!(fault(delete(true).await), Fault::ObjectLocked);
    set(until(RetentionMode::Governance, i64::MAX), false).await.unwrap();
    assert_eq!(fault(delete(false).await), Fault::ObjectLocked);
    delete(true).await.unwrap();
}

#[tokio::test]
async fn an_older_version_can_be_copied_onto_its_own_key() {
    let bench = Bench::versioned().await;
    let first = bench.put("k", b"one").await.version;
    bench.put("k", b"two").await;
    let options = CopyOptions { version: Some(first), ..CopyOptions::default() };
    let copied = bench.service.copy(("data", "k"), ("data", "k"), options).await.unwrap();
    assert_eq!((copied.source, bench.body("k").await), (first, b"one".to_vec()));
    assert_eq!(bench.versions(10).await.len(), 3);
}
