//! Notices: written with the change they tell of, delivered to whoever is to hear.

use super::*;
use crate::{
    kernel::{hook::Sender, tasks::Tasks, tls::Trust, web::Web},
    objects::notify::Starter,
};
use s3s::dto::{Event as S3Event, NotificationConfiguration, QueueConfiguration};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::sync::mpsc;

/// Takes what pipelines are told; refuses so many times first.
struct Runs {
    refusals: AtomicU32,
    started: mpsc::UnboundedSender<(String, BTreeMap<String, String>)>,
}

#[async_trait::async_trait]
impl Starter for Runs {
    async fn knows(&self, pipeline: &str) -> bool {
        pipeline == "train"
    }

    async fn start(&self, pipeline: &str, _key: &str, params: BTreeMap<String, String>) -> Result<()> {
        let left = self.refusals.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        if left.is_ok() {
            return Err(crate::kernel::error::Error::busy("not now"));
        }
        let _ = self.started.send((pipeline.to_owned(), params));
        Ok(())
    }
}

fn config(arn: &str, events: &[&str]) -> NotificationConfiguration {
    let queue = QueueConfiguration {
        events: events.iter().map(|event| S3Event::from((*event).to_owned())).collect(),
        filter: None,
        id: Some("q".into()),
        queue_arn: arn.to_owned(),
    };
    NotificationConfiguration { queue_configurations: Some(vec![queue]), ..Default::default() }
}

impl Bench {
    async fn notifies(&self, events: &[&str]) {
        let config = config("arn:crannog:sqs:::pipeline/train", events);
        self.service.setting_put("data", &config).await.expect("kept");
    }

    async fn waiting(&self) -> u64 {
        self.service.notices_waiting().await.expect("counts").iter().map(|waits| waits.count).sum()
    }
}

#[tokio::test]
async fn a_notice_is_written_with_its_change_and_only_then() {
    let bench = Bench::new().await;
    bench.notifies(&["s3:ObjectCreated:*", "s3:ObjectRemoved:Delete"]).await;
    bench.put("a", b"1").await;
    assert_eq!(bench.waiting().await, 1);
    let condition = Condition { if_none_match: Some(Match::Any), ..Condition::default() };
    let options = PutOptions { condition, ..PutOptions::default() };
    let refused = bench.service.put("data", "a", stream::iter([Ok(Bytes::new())]), options).await;
    assert_eq!(fault(refused), Fault::PreconditionFailed("If-None-Match"));
    assert_eq!(bench.waiting().await, 1);
    bench.service.copy(("data", "a"), ("data", "b"), CopyOptions::default()).await.unwrap();
    bench.service.delete("data", "a").await.unwrap();
    bench.service.delete("data", "a").await.unwrap();
    bench.service.set_tags("data", "b", None, vec![("k".into(), "v".into())]).await.unwrap();
    assert_eq!(bench.waiting().await, 3);
}

#[tokio::test]
async fn a_delete_marker_is_told_as_one() {
    let bench = Bench::new().await;
    bench.service.bucket_set_versioning("data", Versioning::Enabled).await.unwrap();
    bench.notifies(&["s3:ObjectRemoved:DeleteMarkerCreated"]).await;
    let version = bench.put("a", b"1").await.version;
    bench.service.delete("data", "a").await.unwrap();
    assert_eq!(bench.waiting().await, 1);
    let named = Deletion { key: "a".into(), version: Some(version), ..Deletion::default() };
    bench.service.delete_one("data", named, Owner::default()).await.unwrap();
    assert_eq!(bench.waiting().await, 1);
}

#[tokio::test]
async fn a_pipeline_is_started_with_the_event_also_after_it_refused() {
    let bench = Bench::new().await;
    let (started, mut runs) = mpsc::unbounded_channel();
    bench.service.set_starter(Arc::new(Runs { refusals: AtomicU32::new(1), started }));
    bench.notifies(&["s3:ObjectCreated:*"]).await;
    let tasks = Tasks::default();
    bench.service.start_delivery(&tasks, Sender::new(Web::new(Trust::default()).unwrap()));
    let info = bench.put("in/a b.csv", b"123").await;
    let (pipeline, params) = runs.recv().await.expect("a run");
    assert_eq!(pipeline, "train");
    assert_eq!(params["event"], "ObjectCreated:Put");
    assert_eq!((params["bucket"].as_str(), params["key"].as_str()), ("data", "in/a b.csv"));
    assert_eq!((params["size"].as_str(), params["etag"].as_str()), ("3", info.etag.as_str()));
    assert!(tasks.shutdown(Duration::from_secs(5)).await.is_empty());
    assert_eq!(bench.waiting().await, 0);
}

#[tokio::test]
async fn a_destination_must_exist_when_it_is_named() {
    let bench = Bench::new().await;
    let (started, _runs) = mpsc::unbounded_channel();
    bench.service.set_starter(Arc::new(Runs { refusals: AtomicU32::new(0), started }));
    let hook = |name: &str| crate::objects::notify::Destination::Webhook(name.to_owned());
    let events = ["s3:ObjectCreated:*"];
    let put =
        |arn: &str, to, check| bench.service.notification_put("data", config(arn, &events), vec![to], check);
    assert!(put("arn:crannog:sqs:::webhook/h", hook("h"), true).await.is_err());
    put("arn:crannog:sqs:::webhook/h", hook("h"), false).await.unwrap();
    assert_eq!(bench.waiting().await, 0);
    let (webhook, secret) = bench.service.webhook_put("h", "http://127.0.0.1:1/hook", None).await.unwrap();
    put("arn:crannog:sqs:::webhook/h", hook("h"), true).await.unwrap();
    // The test event.
    assert_eq!(bench.waiting().await, 1);
    let (moved, same) = bench.service.webhook_put("h", "http://127.0.0.1:2/", None).await.unwrap();
    assert_eq!((moved.sealed, same), (webhook.sealed, secret));
    bench.service.webhook_delete("h").await.unwrap();
    assert_eq!(bench.waiting().await, 0);
    assert_eq!(fault(bench.service.webhook_delete("h").await), Fault::NoSuchWebhook("h".into()));
}

#[tokio::test]
async fn a_secret_is_kept_sealed_also_one_that_was_kept_in_clear() {
    let bench = Bench::new().await;
    let given = format!("whsec_{}", "A".repeat(32));
    let (webhook, secret) = bench.service.webhook_put("h", "http://127.0.0.1:1/", Some(given)).await.unwrap();
    assert_eq!(secret, "A".repeat(32));
    assert!(!webhook.sealed.contains(&secret));
    let clear = crate::objects::notify::Webhook { sealed: secret.clone(), ..webhook };
    bench.service.db().write(move |c| crate::objects::store::notice::webhook_put(c, &clear)).await.unwrap();
    bench.service.webhooks_seal().await.unwrap();
    let kept = bench.service.webhook_get("h").await.unwrap();
    assert!(!kept.sealed.contains(&secret));
    let (_, told) = bench.service.webhook_put("h", "http://127.0.0.1:1/", None).await.unwrap();
    assert_eq!(told, secret);
}
