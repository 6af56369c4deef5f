//! The service's behaviour without a network: what is visible when, and which blobs stay.

use super::{
    copy::CopyOptions,
    digest::Algorithm,
    error::Fault,
    intake::Promise,
    model::*,
    multipart::{Completion, ListedPart},
    part_copy::PartSource,
    service::Service,
};
use crate::{
    kernel::{
        error::{Kind, Result},
        event::{Bus, Event},
    },
    store::Stores,
};
use bytes::Bytes;
use futures::{TryStreamExt, stream};
use std::{fmt::Debug, io};

mod care;
mod lifecycle;
mod notify;
mod sealed;
mod versions;

struct Bench {
    service: Service,
    bus: Bus,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (stores, bus) = (Stores::open(folder.path()).expect("opens"), Bus::new());
        let service = Service::new(&stores, bus.clone());
        service.bucket_create(NewBucket::named("data")).await.expect("a bucket");
        Self { service, bus, folder }
    }

    async fn put(&self, key: &str, body: &[u8]) -> ObjectInfo {
        self.service.put_bytes("data", key, Bytes::copy_from_slice(body), None).await.expect("puts")
    }

    async fn body(&self, key: &str) -> Vec<u8> {
        let (info, stream) = self.service.get("data", key).await.expect("is there");
        let body = stream.try_collect::<Vec<Bytes>>().await.expect("reads").concat();
        assert_eq!(body.len() as u64, info.size);
        body
    }

    fn files(&self) -> usize {
        fs_err::read_dir(self.folder.path().join("blobs")).expect("a folder").count()
    }

    async fn keys(&self, query: ListQuery) -> (Vec<String>, Vec<String>, Option<String>) {
        let page = self.service.list("data", query).await.expect("lists");
        (page.objects.into_iter().map(|o| o.key).collect(), page.prefixes, page.next)
    }

    async fn part(&self, upload: &Upload, number: u32, body: &[u8]) -> ListedPart {
        let at = ("data", upload.key.as_str(), upload.id.as_str());
        let chunks = stream::iter([Ok(Bytes::copy_from_slice(body))]);
        let taken = self.service.part_put(at, number, chunks, Promise::default(), None).await;
        let part = taken.expect("takes the part").part;
        ListedPart { number, etag: part.etag, checksums: Vec::new() }
    }
}

fn fault<T: Debug>(outcome: Result<T>) -> Fault {
    Fault::of(&outcome.expect_err("refused")).expect("a fault of the object store").clone()
}

fn large(seed: u8, length: usize) -> Vec<u8> {
    (0..length).map(|n| (n / 7) as u8 ^ seed).collect()
}

#[tokio::test]
async fn small_and_large_objects_come_back_and_replaced_files_are_collected() {
    let bench = Bench::new().await;
    let mut events = bench.bus.subscribe();
    for body in
        [vec![], b"hello".to_vec(), large(1, INLINE_MAX), large(2, INLINE_MAX + 1), large(3, 3_000_000)]
    {
        let info = bench.put("../a//b\u{1F600}", &body).await;
        assert_eq!(info.size, body.len() as u64);
        assert!(bench.body("../a//b\u{1F600}").await == body);
    }
    assert!(matches!(events.try_recv(), Ok(Event::ObjectCreated { .. })));
    let (_, middle) =
        bench.service.get_range("data", "../a//b\u{1F600}", 1_048_570..1_048_580).await.unwrap();
    let middle = middle.try_collect::<Vec<Bytes>>().await.unwrap().concat();
    assert_eq!(middle, &large(3, 3_000_000)[1_048_570..1_048_580]);

    assert_eq!(bench.files(), 2);
    assert_eq!(bench.service.collect(3_600_000).await.unwrap(), 0);
    assert_eq!(bench.service.collect(-1000).await.unwrap(), 1);
    bench.service.delete("data", "../a//b\u{1F600}").await.unwrap();
    bench.service.delete("data", "../a//b\u{1F600}").await.unwrap();
    assert_eq!(bench.service.collect(-1000).await.unwrap(), 1);
    assert_eq!(bench.files(), 0);
    let bucket = bench.service.bucket_get("data").await.unwrap();
    assert_eq!((bucket.objects, bucket.bytes), (0, 0));
}

#[tokio::test]
async fn a_body_that_breaks_a_promise_leaves_nothing() {
    let bench = Bench::new().await;
    for body in [b"short".to_vec(), large(1, 200_000)] {
        let length = body.len() as u64;
        let promises = [
            Promise { length: Some(length + 1), ..Promise::default() },
            Promise { length: Some(length - 1), ..Promise::default() },
            Promise { md5: Some([0; 16]), ..Promise::default() },
            Promise { checksums: vec![(Algorithm::Crc32, "AAAAAA==".into())], ..Promise::default() },
            Promise {
                trailing: vec![Algorithm::Sha256],
                trailer: Some(Box::new(Vec::new)),
                ..Promise::default()
            },
        ];
        for promise in promises {
            let chunks = stream::iter([Ok(Bytes::from(body.clone()))]);
            let outcome =
                bench.service.put_promised("data", "k", chunks, PutOptions::default(), promise).await;
            assert_eq!(outcome.expect_err("refused").kind, Kind::Invalid);
        }
        let cut = stream::iter([Ok(Bytes::from(body)), Err(io::Error::other("the sender went away"))]);
        assert_eq!(
            fault(bench.service.put("data", "k", cut, PutOptions::default()).await),
            Fault::IncompleteBody
        );
    }
    assert_eq!(fault(bench.service.head("data", "k").await), Fault::NoSuchKey("k".into()));
    assert_eq!(bench.files(), 0);
}

#[tokio::test]
async fn conditions_are_decided_by_what_is_there() {
    let bench = Bench::new().await;
    let body = || stream::iter([Ok(Bytes::from(large(9, 100_000)))]);
    let only_new = || PutOptions {
        condition: Condition { if_none_match: Some(Match::Any), ..Condition::default() },
        ..PutOptions::default()
    };
    bench.service.put("data", "k", body(), only_new()).await.unwrap();
    let refused = bench.service.put("data", "k", body(), only_new()).await;
    assert_eq!(fault(refused), Fault::PreconditionFailed("If-None-Match"));
    assert_eq!(bench.files(), 1);
    let if_match = |etag: &str| PutOptions {
        condition: Condition { if_match: Some(Match::Etag(etag.into())), ..Condition::default() },
        ..PutOptions::default()
    };
    let refused = bench.service.put("data", "k", body(), if_match("0")).await;
    assert_eq!(fault(refused), Fault::PreconditionFailed("If-Match"));
    let refused = bench.service.put("data", "missing", body(), if_match("0")).await;
    assert_eq!(fault(refused), Fault::NoSuchKey("missing".into()));
    let etag = bench.service.head("data", "k").await.unwrap().etag;
    bench.service.put("data", "k", body(), if_match(&etag)).await.unwrap();
}

#[tokio::test]
async fn listings_page_in_byte_order_and_jump_over_common_prefixes() {
    let bench = Bench::new().await;
    for key in ["a", "a/", "a/1", "a/2", "a/b/3", "a0", "b", "é", "\u{FFFF}z", "\u{1F600}"] {
        bench.put(key, b"x").await;
    }
    let (keys, _, next) = bench.keys(ListQuery { limit: 100, ..ListQuery::default() }).await;
    assert_eq!(keys, ["a", "a/", "a/1", "a/2", "a/b/3", "a0", "b", "é", "\u{FFFF}z", "\u{1F600}"]);
    assert_eq!(next, None);
    let slash = Some("/".to_owned());
    let query = |after: Option<&str>, limit| ListQuery {
        delimiter: slash.clone(),
        after: after.map(str::to_owned),
        limit,
        ..ListQuery::default()
    };
    let (keys, prefixes, next) = bench.keys(query(None, 2)).await;
    assert_eq!((keys, prefixes, next.as_deref()), (vec!["a".to_owned()], vec!["a/".to_owned()], Some("a/")));
    let (keys, prefixes, next) = bench.keys(query(Some("a/"), 2)).await;
    assert_eq!((keys, prefixes, next.as_deref()), (vec!["a0".to_owned(), "b".to_owned()], vec![], Some("b")));
    let query =
        ListQuery { prefix: "a/".into(), delimiter: slash.clone(), limit: 100, ..ListQuery::default() };
    let (keys, prefixes, next) = bench.keys(query).await;
    assert_eq!((keys.join(" "), prefixes, next), ("a/ a/1 a/2".into(), vec!["a/b/".to_owned()], None));
    let (keys, _, next) =
        bench.keys(ListQuery { prefix: "a/".into(), limit: 4, ..ListQuery::default() }).await;
    assert_eq!((keys.len(), next), (4, None));
    assert_eq!(bench.service.delete_prefix("data", "a/").await.unwrap(), 4);
}

#[tokio::test]
async fn a_copy_shares_blobs_until_its_last_owner_goes() {
    let bench = Bench::new().await;
    bench.put("small", b"hello").await;
    bench.put("large", &large(4, 300_000)).await;
    for key in ["small", "large"] {
        let body = bench.body(key).await;
        let copy = format!("{key}-copy");
        let copied =
            bench.service.copy(("data", key), ("data", &copy), CopyOptions::default()).await.unwrap();
        assert_eq!(copied.info.etag, bench.service.head("data", key).await.unwrap().etag);
        assert!(matches!(
            fault(bench.service.copy(("data", key), ("data", key), CopyOptions::default()).await),
            Fault::InvalidRequest(_)
        ));
        let changed = CopyOptions { replace: true, ..CopyOptions::default() };
        bench.service.copy(("data", key), ("data", key), changed).await.unwrap();
        bench.service.delete("data", key).await.unwrap();
        bench.service.collect(-1000).await.unwrap();
        assert!(bench.body(&copy).await == body);
        bench.service.delete("data", &copy).await.unwrap();
    }
    bench.service.collect(-1000).await.unwrap();
    assert_eq!(bench.files(), 0);
    bench.service.bucket_delete("data").await.unwrap();
}

#[tokio::test]
async fn parts_become_one_object_and_the_rest_is_let_go() {
    let bench = Bench::new().await;
    let upload = bench.service.upload_create("data", "whole", PutOptions::default(), None).await.unwrap();
    let first = large(1, PART_MIN as usize);
    let one = bench.part(&upload, 1, &first).await;
    let unused = bench.part(&upload, 3, &large(8, 100_000)).await;
    let two = bench.part(&upload, 2, b"the end").await;
    let complete = |parts: Vec<ListedPart>| {
        let completion = Completion { parts, ..Completion::default() };
        bench.service.upload_complete("data", "whole", &upload.id, completion)
    };
    assert_eq!(fault(complete(vec![two.clone(), one.clone()]).await), Fault::InvalidPartOrder);
    assert_eq!(fault(complete(vec![two.clone(), unused]).await), Fault::EntityTooSmall(2));
    let wrong = ListedPart { etag: "0".repeat(32), ..one.clone() };
    assert_eq!(fault(complete(vec![wrong]).await), Fault::InvalidPart(1));
    assert_eq!(fault(bench.service.head("data", "whole").await), Fault::NoSuchKey("whole".into()));

    let info = complete(vec![one, two]).await.unwrap();
    assert!(info.etag.ends_with("-2"));
    assert!(bench.body("whole").await == [first.as_slice(), b"the end"].concat());
    assert!(matches!(fault(complete(Vec::new()).await), Fault::InvalidRequest(_)));
    bench.service.collect(-1000).await.unwrap();
    assert_eq!(bench.files(), 1);

    let upload = bench.service.upload_create("data", "again", PutOptions::default(), None).await.unwrap();
    let at = ("data", "again", upload.id.as_str());
    let source = PartSource {
        bucket: "data".into(),
        key: "whole".into(),
        range: Some(5..first.len() as u64 + 3),
        ..PartSource::default()
    };
    let (taken, _) = bench.service.part_copy(at, 1, source, None).await.unwrap();
    bench.service.delete("data", "whole").await.unwrap();
    bench.service.collect(-1000).await.unwrap();
    let listed = ListedPart { number: 1, etag: taken.part.etag, checksums: Vec::new() };
    let completion = Completion { parts: vec![listed], ..Completion::default() };
    bench.service.upload_complete("data", "again", &upload.id, completion).await.unwrap();
    assert!(bench.body("again").await == [&first[5..], b"the"].concat());
    bench.service.delete("data", "again").await.unwrap();
    bench.service.collect(-1000).await.unwrap();
    assert_eq!(bench.files(), 0);
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let bench = Bench::new().await;
    let upload = bench.service.upload_create("data", "k", PutOptions::default(), None).await.unwrap();
    bench.part(&upload, 1, &large(1, 100_000)).await;
    bench.part(&upload, 1, &large(2, 100_000)).await;
    bench.service.upload_abort("data", "k", &upload.id).await.unwrap();
    assert_eq!(
        fault(bench.service.upload_abort("data", "k", &upload.id).await),
        Fault::NoSuchUpload(upload.id.clone())
    );
    bench.service.collect(-1000).await.unwrap();
    assert_eq!(bench.files(), 0);
}
