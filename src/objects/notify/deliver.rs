//! Delivery of what waits: a POST to a webhook, or a run of a pipeline. One destination is told its
//! notices one after the other; different ones at the same time.

use super::{
    super::{service::Service, store},
    Destination, Notice, sign,
};
use crate::kernel::{
    clock::now_ms,
    error::{Error, Kind, Result},
    tasks::Tasks,
};
use futures::{StreamExt, stream};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Destinations told at the same time.
const AT_ONCE: usize = 8;
/// Notices one destination is told in a round.
const BATCH: usize = 100;
const TIMEOUT: Duration = Duration::from_secs(15);
/// Pauses double from the first to the longest.
const PAUSE_FIRST_MS: i64 = 1_000;
const PAUSE_LONGEST_MS: i64 = 600_000;
/// What could not be told for so long is let go.
const GIVE_UP_MS: i64 = 24 * 3_600_000;
/// The queue is looked at this often even when nobody rings.
const LOOK_MS: i64 = 60_000;

/// Starts pipelines for events: they live on a higher floor, so `app` wires this in.
#[async_trait::async_trait]
pub trait Starter: Send + Sync {
    async fn knows(&self, pipeline: &str) -> bool;
    async fn start(&self, pipeline: &str, params: BTreeMap<String, String>) -> Result<()>;
}

impl Service {
    /// Starts the delivery of notices as a background task.
    pub fn start_delivery(&self, tasks: &Tasks) -> Result<()> {
        let client = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none());
        let client = client.user_agent(concat!("Crannog/", env!("CARGO_PKG_VERSION")));
        let courier = Courier { service: self.clone(), client: client.build().map_err(Error::internal)? };
        let stop = tasks.stopping();
        tasks.spawn("object notices", async move {
            loop {
                let pause = courier.round().await.unwrap_or_else(|error| {
                    tracing::warn!(?error, "could not deliver notices; the next round tries again");
                    PAUSE_FIRST_MS
                });
                let pause = Duration::from_millis(pause.clamp(0, LOOK_MS).unsigned_abs());
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = courier.service.bell().heard() => {}
                    () = stop.cancelled() => return,
                }
            }
        });
        Ok(())
    }
}

struct Courier {
    service: Service,
    client: reqwest::Client,
}

impl Courier {
    /// Tells all that is due; answers how long nothing more will be, in milliseconds.
    async fn round(&self) -> Result<i64> {
        let now = now_ms();
        let destinations =
            self.service.db().read(move |c| store::notice::notice_destinations(c, now)).await?;
        let outcomes: Vec<Result<()>> =
            stream::iter(destinations).map(|to| self.tell_all(to)).buffer_unordered(AT_ONCE).collect().await;
        outcomes.into_iter().collect::<Result<()>>()?;
        let next = self.service.db().read(store::notice::notice_next).await?;
        Ok(next.map_or(LOOK_MS, |next| next - now_ms()))
    }

    /// Tells one destination what is due, until it fails to take one.
    async fn tell_all(&self, to: Destination) -> Result<()> {
        let (now, wanted) = (now_ms(), to.clone());
        let due = self.service.db().read(move |c| store::notice::notice_due(c, &wanted, now, BATCH)).await?;
        for notice in due {
            if !self.tell(&to, notice).await? {
                break;
            }
        }
        Ok(())
    }

    /// Whether the destination took the notice, or it was let go.
    async fn tell(&self, to: &Destination, notice: Notice) -> Result<bool> {
        let id = notice.id;
        let outcome = match to {
            Destination::Webhook(name) => self.post(name, &notice).await,
            Destination::Pipeline(name) => self.run(name, &notice).await,
        };
        let Err(error) = outcome else {
            self.service.db().write(move |c| store::notice::notice_done(c, id)).await?;
            return Ok(true);
        };
        let (kind, name) = (to.kind(), to.name());
        if error.kind == Kind::NotFound || now_ms() - notice.created_ms > GIVE_UP_MS {
            tracing::warn!(
                kind,
                name,
                notice = id,
                error = error.message,
                "let a notice go that nobody took"
            );
            self.service.db().write(move |c| store::notice::notice_done(c, id)).await?;
            return Ok(true);
        }
        tracing::info!(kind, name, notice = id, error = error.message, "a notice was not taken; it waits");
        let due = now_ms() + pause_ms(notice.attempts);
        let to = to.clone();
        let failed =
            move |c: &crate::store::Connection| store::notice::notice_failed(c, &to, id, &error.message, due);
        self.service.db().write(failed).await?;
        Ok(false)
    }

    async fn post(&self, name: &str, notice: &Notice) -> Result<()> {
        let webhook = self.service.webhook_get(name).await?;
        let body = envelope(&notice.body);
        let secret = self.service.webhook_secret(&webhook).await?;
        let request = headers(self.client.post(&webhook.url), &secret, notice.id, &body)?;
        let response =
            request.body(body).send().await.map_err(|error| {
                Error::busy(format!("The webhook did not answer: {}.", innermost(&error)))
            })?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(Error::busy(format!("The webhook answered {status}."))),
        }
    }

    async fn run(&self, name: &str, notice: &Notice) -> Result<()> {
        let starter = self.service.starter().ok_or_else(|| Error::busy("Pipelines are not running."))?;
        starter.start(name, params(&notice.body)).await
    }
}

fn headers(
    request: reqwest::RequestBuilder,
    secret: &str,
    id: i64,
    body: &str,
) -> Result<reqwest::RequestBuilder> {
    let (id, at_s) = (format!("notice_{id}"), now_ms().div_euclid(1000));
    let signature = sign::signature(secret, &id, at_s, body)
        .ok_or_else(|| Error::internal("a webhook's secret is not base64"))?;
    Ok(request
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", at_s)
        .header("webhook-signature", signature))
}

/// Records travel in a list, as Amazon sends them; the test event travels bare.
fn envelope(body: &str) -> String {
    if is_record(body) { format!("{{\"Records\":[{body}]}}") } else { body.to_owned() }
}

fn is_record(body: &str) -> bool {
    body.starts_with("{\"eventVersion\"")
}

/// An event as the parameters of a run.
fn params(body: &str) -> BTreeMap<String, String> {
    let record: Value = serde_json::from_str(body).unwrap_or_default();
    let object = &record["s3"]["object"];
    let key = object["key"].as_str().unwrap_or_default().replace('+', " ");
    let key = percent_encoding::percent_decode_str(&key).decode_utf8_lossy().into_owned();
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let fields = [
        ("event", text(&record["eventName"])),
        ("bucket", text(&record["s3"]["bucket"]["name"])),
        ("key", key),
        ("version", text(&object["versionId"])),
        ("size", text(&object["size"])),
        ("etag", text(&object["eTag"])),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn pause_ms(attempts: u32) -> i64 {
    PAUSE_FIRST_MS.saturating_mul(1 << attempts.min(20)).min(PAUSE_LONGEST_MS)
}

/// What really happened, below "error sending request".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// What a service holds for its notices.
#[derive(Default)]
pub struct Pipelines(std::sync::OnceLock<Arc<dyn Starter>>);

impl Pipelines {
    pub fn get(&self) -> Option<Arc<dyn Starter>> {
        self.0.get().cloned()
    }

    /// Set once, while the house is furnished.
    pub fn set(&self, starter: Arc<dyn Starter>) {
        let _ = self.0.set(starter);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::record, *};

    #[test]
    fn pauses_double_up_to_ten_minutes() {
        assert_eq!([0, 1, 5, 9, 10, 99].map(pause_ms), [1_000, 2_000, 32_000, 512_000, 600_000, 600_000]);
    }

    #[test]
    fn a_record_is_sent_in_a_list_and_read_into_parameters() {
        let happening = record::Happening {
            event: "s3:ObjectCreated:Put",
            bucket: "b",
            key: "a b+ü",
            size: Some(3),
            ..Default::default()
        };
        let body = record::record(&happening, "c", "r").to_string();
        let sent: Value = serde_json::from_str(&envelope(&body)).unwrap();
        assert_eq!(sent["Records"][0]["s3"]["bucket"]["name"], "b");
        let params = params(&body);
        assert_eq!((params["key"].as_str(), params["size"].as_str()), ("a b+ü", "3"));
        assert_eq!((params["event"].as_str(), params["version"].as_str()), ("ObjectCreated:Put", ""));
        let test = record::test("b", 0, "1").to_string();
        assert_eq!(envelope(&test), test);
    }
}
