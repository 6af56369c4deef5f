//! Delivery of what waits in the outbox: a POST to a webhook, or a run of a pipeline.

use super::{super::service::Service, Destination};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Kind, Result},
        hook::{self, Sender},
        tasks::Tasks,
    },
    store::outbox::{Carrier, Courier, Notice, Outcome, To},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// Starts pipelines for events: they live on a higher floor, so `app` wires this in.
#[async_trait::async_trait]
pub trait Starter: Send + Sync {
    async fn knows(&self, pipeline: &str) -> bool;
    /// `key` is the same when the same event is told again.
    async fn start(&self, pipeline: &str, key: &str, params: BTreeMap<String, String>) -> Result<()>;
    /// Whose definition asks for objects created in a bucket.
    fn hearing(&self, _bucket: &str) -> Vec<Hearing> {
        Vec::new()
    }
    /// Tells such a pipeline.
    async fn happened(&self, pipeline: &str, _key: &str, _facts: Value) -> Result<()> {
        Err(Error::not_found(format!("Pipeline {pipeline:?} asks for no events.")))
    }
}

/// A pipeline that asks for the objects of a bucket, whose keys begin and end in these ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hearing {
    pub pipeline: String,
    pub prefix: String,
    pub suffix: String,
}

impl Hearing {
    pub fn takes(&self, key: &str) -> bool {
        key.starts_with(&self.prefix) && key.ends_with(&self.suffix)
    }
}

/// The word for what a pipeline's definition asks for, in the outbox.
pub(super) const TRIGGER: &str = "trigger";

impl Service {
    /// Starts the delivery of notices as a background task.
    pub fn start_delivery(&self, tasks: &Tasks, sender: Sender) {
        let carrier = Notices { service: self.clone(), sender };
        Courier { db: self.db().clone(), bell: self.bell(), carrier, only: None }
            .start(tasks, "object notices");
    }
}

impl Service {
    /// Posts JSON to a registered webhook, signed; `id` is the same when the same is told again.
    pub async fn webhook_tell(&self, sender: &Sender, name: &str, id: &str, body: String) -> Result<()> {
        let webhook = self.webhook_get(name).await?;
        let secret = self.webhook_secret(&webhook).await?;
        let headers = headers(&secret, id, &body)?;
        let answer = sender.post(&webhook.url, headers, body).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        let why = format!("The webhook answered {}.", answer.status);
        Err(Error { after: answer.wait, ..Error::busy(why) })
    }
}

struct Notices {
    service: Service,
    sender: Sender,
}

#[async_trait::async_trait]
impl Carrier for Notices {
    async fn carry(&self, to: &To, notice: &Notice) -> Outcome {
        let outcome = match Destination::of(&to.kind, to.name.clone()) {
            None if to.kind == TRIGGER => self.happened(&to.name, notice).await,
            Some(Destination::Webhook(name)) => self.post(&name, notice).await,
            Some(Destination::Pipeline(name)) => self.run(&name, notice).await,
            None => Err(Error::not_found(format!("{} is no destination", to.kind))),
        };
        match outcome {
            Ok(()) => Outcome::Taken,
            Err(error) if error.kind == Kind::NotFound => Outcome::Never { why: error.message },
            // What the definition asks for and cannot use now, it never can.
            Err(error) if error.kind == Kind::Invalid && to.kind == TRIGGER => {
                Outcome::Never { why: error.message }
            }
            Err(error) => Outcome::Again { why: error.message, after: error.after },
        }
    }
}

impl Notices {
    async fn post(&self, name: &str, notice: &Notice) -> Result<()> {
        let (id, body) = (format!("notice_{}", notice.id), envelope(&notice.body));
        self.service.webhook_tell(&self.sender, name, &id, body).await
    }

    async fn run(&self, name: &str, notice: &Notice) -> Result<()> {
        let starter = self.service.starter().ok_or_else(|| Error::busy("Pipelines are not running."))?;
        starter.start(name, &key(notice), params(&notice.body)).await
    }

    async fn happened(&self, name: &str, notice: &Notice) -> Result<()> {
        let starter = self.service.starter().ok_or_else(|| Error::busy("Pipelines are not running."))?;
        let facts = serde_json::from_str(&notice.body).map_err(Error::internal)?;
        starter.happened(name, &key(notice), facts).await
    }
}

/// No two notices of a database have the same.
fn key(notice: &Notice) -> String {
    format!("object {} {}", notice.id, notice.created_ms)
}

/// The Standard Webhooks headers. The secret's base64 is checked when a webhook is registered.
fn headers(secret: &str, id: &str, body: &str) -> Result<HeaderMap> {
    let at_s = now_ms().div_euclid(1000);
    let key = BASE64_STANDARD.decode(secret).map_err(Error::internal)?;
    let signature = hook::signature(&key, id, at_s, body).ok_or_else(|| Error::internal("signing failed"))?;
    let mut headers = HeaderMap::new();
    let fields = [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", at_s.to_string()),
        ("webhook-signature", signature),
    ];
    for (name, value) in fields {
        headers.insert(name, HeaderValue::try_from(value).map_err(Error::internal)?);
    }
    Ok(headers)
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
