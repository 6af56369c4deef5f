//! Webhooks: registered, changed, listed, tried out.

use super::{Event, KIND, Webhook, check, deliver, store};
use crate::{
    auth,
    kernel::{
        clock::now_ms,
        error::{Error, Result},
        hook::{Answer, Sender},
    },
    store::{Db, outbox},
    tracking::search::page::{Ask, Asked},
};
use std::sync::Arc;

const PAGE: i64 = 100;
const PAGE_MAX: i64 = 1000;

/// The webhooks of the registry. Clones share them.
#[derive(Clone)]
pub struct Webhooks(Arc<Inner>);

struct Inner {
    db: Db,
    auth: auth::Service,
    sender: Sender,
}

/// What a caller says of a webhook; what is `None` stays, or is left out.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub name: Option<String>,
    pub description: Option<String>,
    pub url: Option<String>,
    /// Empty takes the secret away.
    pub secret: Option<String>,
    pub active: Option<bool>,
    /// Empty stays, too.
    pub events: Vec<Event>,
}

impl Webhooks {
    pub fn new(db: Db, auth: auth::Service) -> Result<Self> {
        Ok(Self(Arc::new(Inner { db, auth, sender: Sender::new()? })))
    }

    pub fn db(&self) -> &Db {
        &self.0.db
    }

    pub async fn create(&self, wanted: Wanted) -> Result<Webhook> {
        if wanted.events.is_empty() {
            return Err(Error::invalid(
                "Webhook events must be a non-empty list of WebhookEvent objects: [].",
            ));
        }
        let now = now_ms();
        let webhook = Webhook {
            id: uuid::Uuid::new_v4().to_string(),
            name: String::new(),
            description: None,
            url: String::new(),
            secret: None,
            active: true,
            created_ms: now,
            updated_ms: now,
            events: Vec::new(),
        };
        // What is left out is wrong at its default, and said to be.
        check::name(wanted.name.as_deref().unwrap_or_default())?;
        check::url(wanted.url.as_deref().unwrap_or_default())?;
        let webhook = self.changed(webhook, wanted)?;
        self.db().write(move |c| store::webhook_put(c, &webhook).map(|()| webhook)).await
    }

    pub async fn update(&self, id: &str, wanted: Wanted) -> Result<Webhook> {
        let (this, id) = (self.clone(), id.to_owned());
        self.db()
            .write(move |c| {
                let there = store::webhook_get(c, &id)?;
                // Two changes in one millisecond are still told apart.
                let updated_ms = now_ms().max(there.updated_ms + 1);
                let webhook = this.changed(Webhook { updated_ms, ..there }, wanted)?;
                store::webhook_put(c, &webhook)?;
                store::webhook_get(c, &id)
            })
            .await
    }

    fn changed(&self, mut webhook: Webhook, wanted: Wanted) -> Result<Webhook> {
        if let Some(name) = wanted.name {
            check::name(&name)?;
            webhook.name = name;
        }
        if let Some(url) = wanted.url {
            check::url(&url)?;
            webhook.url = url;
        }
        if let Some(text) = wanted.description {
            check::description(&text)?;
            webhook.description = Some(text).filter(|text| !text.is_empty());
        }
        if let Some(secret) = wanted.secret {
            check::secret(&secret)?;
            let seal = |secret: String| self.0.auth.secret_seal(&purpose(&webhook.id), &secret);
            webhook.secret = Some(secret).filter(|secret| !secret.is_empty()).map(seal).transpose()?;
        }
        if let Some(active) = wanted.active {
            webhook.active = active;
        }
        if !wanted.events.is_empty() {
            webhook.events = wanted.events;
            webhook.events.sort_unstable();
            webhook.events.dedup();
        }
        Ok(webhook)
    }

    pub async fn get(&self, id: &str) -> Result<Webhook> {
        let id = id.to_owned();
        self.db().read(move |c| store::webhook_get(c, &id)).await
    }

    /// One page, newest first, with the token of the next.
    pub async fn list(&self, limit: Option<i64>, token: &str) -> Result<(Vec<Webhook>, Option<String>)> {
        let limit = limit.filter(|limit| *limit != 0).unwrap_or(PAGE);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(Error::invalid(format!("max_results must be between 1 and {PAGE_MAX}.")));
        }
        let ask = Ask::new(Asked::of("webhooks"), limit.unsigned_abs() as usize, token)?;
        let found = self.db().read(move |c| store::webhook_list(c, &ask)).await?;
        Ok((found.items, found.next))
    }

    /// Removes a webhook, and what it was still to be told.
    pub async fn delete(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.db()
            .write(move |c| {
                if !store::webhook_delete(c, &id)? {
                    return Err(Error::not_found(format!("Webhook with ID {id} not found.")));
                }
                outbox::forget(c, KIND, &id)
            })
            .await
    }

    /// Sends an example of an event, once and at once. What is sent is marked as nothing else than the
    /// event: a receiver is tried with what it will get.
    pub async fn test(&self, id: &str, event: Option<Event>) -> Result<Result<Answer>> {
        let webhook = self.get(id).await?;
        let event = event.or_else(|| webhook.events.first().copied());
        let event = event.ok_or_else(|| Error::invalid("The webhook listens to no event."))?;
        let notice = super::payload::example(event)?;
        Ok(self.send(&webhook, &notice).await)
    }

    pub(super) async fn send(&self, webhook: &Webhook, notice: &str) -> Result<Answer> {
        let secret = webhook.secret.as_deref();
        let secret =
            secret.map(|sealed| self.0.auth.secret_open(&purpose(&webhook.id), sealed)).transpose()?;
        let (headers, body) = deliver::request(secret.as_deref(), notice)?;
        if webhook.url.starts_with("https:") {
            return Err(Error::busy(
                "This version of Crannog has no TLS of its own: give the webhook an http:// address, for \
                 instance of a proxy on this machine that speaks TLS to the receiver.",
            ));
        }
        self.0.sender.post(&webhook.url, headers, body).await
    }
}

/// What a secret is sealed for: that of one webhook does not open as another's.
fn purpose(id: &str) -> String {
    format!("registry webhook {id}")
}
