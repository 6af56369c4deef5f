//! Events on their way to runs: from the object store, the registry, and webhooks.

use super::{Service, Times, existing};
use crate::{
    kernel::{
        clock::{now_ms, rfc3339},
        error::{Error, Kind, Result},
        hook::{self, Sender},
        id,
        tasks::Tasks,
    },
    objects::Hearing,
    pipelines::{
        callbacks::{self, Callbacks},
        definition::{
            Definition,
            trigger::{On, Trigger},
        },
        events::{self, Started},
        hidden,
        model::Run,
        rooms::Rooms,
        source::GIT,
        store::{self, HookToken},
    },
    registry::News,
    serving::CanaryNews,
    store::{Connection, outbox::Courier},
};
use http::HeaderMap;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError},
};

/// Who asks for objects, by bucket: looked at with every object that is written, so not in a database.
pub(super) type Hearings = HashMap<String, Vec<Hearing>>;

impl Service {
    /// Reads who asks for objects; before anybody may write one, and after every change of a definition.
    pub async fn learn_hearings(&self) -> Result<()> {
        let rows = self.0.db.read(|db| store::listeners_of(db, "object_created")).await?;
        let mut found = Hearings::new();
        for (bucket, pipeline, detail) in rows {
            let (prefix, suffix) = serde_json::from_str(&detail).map_err(Error::internal)?;
            found.entry(bucket).or_default().push(Hearing { pipeline, prefix, suffix });
        }
        *self.0.hearings.write().unwrap_or_else(PoisonError::into_inner) = found;
        Ok(())
    }

    /// Starts the delivery of callbacks; a service without other rooms has nothing to sign them with.
    pub(super) fn start_callbacks(&self, tasks: &Tasks) {
        let Ok(rooms) = self.0.executor.rooms() else { return };
        let sender = Sender::new(self.0.executor.web().clone());
        let (db, auth) = (self.0.db.clone(), rooms.auth.clone());
        let carrier = Callbacks { db: db.clone(), auth, sender };
        let only = Some(callbacks::KIND);
        Courier { db, bell: Arc::clone(&self.0.bell), carrier, only }.start(tasks, "pipelines: callbacks");
    }

    /// Which pipelines ask for objects created in a bucket.
    pub fn hearing(&self, bucket: &str) -> Vec<Hearing> {
        let hearings = self.0.hearings.read().unwrap_or_else(PoisonError::into_inner);
        hearings.get(bucket).cloned().unwrap_or_default()
    }

    /// An event from outside this database: the same key starts no second run.
    pub async fn happened(&self, pipeline: &str, key: &str, event: Value) -> Result<Started> {
        let (name, key) = (pipeline.to_owned(), key.to_owned());
        let outcome = self.0.db.write(move |db| events::happened(db, &name, &key, &event, now_ms())).await;
        if let Err(error) = &outcome
            && error.kind == Kind::Invalid
        {
            let (name, error) = (pipeline.to_owned(), Error::invalid(error.message.clone()));
            self.0.db.write(move |db| events::note(db, &name, &error, now_ms())).await?;
        }
        if let Ok(Started::Run(run)) = &outcome {
            self.0.wake.notify_one();
            self.changed(run);
        }
        outcome
    }

    /// Starts a run with these parameters, unless the same key did before.
    pub async fn trigger_once(
        &self,
        pipeline: &str,
        key: &str,
        params: BTreeMap<String, String>,
    ) -> Result<()> {
        let (name, wanted) = (pipeline.to_owned(), key.to_owned());
        let known = self.0.db.read(move |db| store::run_of_event(db, &name, &wanted)).await?;
        if known.is_some() {
            return Ok(());
        }
        let key = key.to_owned();
        let keep = move |db: &Connection, run: &Run| store::event_put(db, &run.pipeline, &key, &run.id);
        self.trigger_with(pipeline, params, Times::default(), keep).await.map(drop)
    }

    /// News of the registry, within its transaction.
    pub fn hear_registry(&self, db: &Connection, news: &News, cause: Option<&str>) -> Result<()> {
        let model = match news {
            News::VersionCreated { model, .. } | News::AliasMoved { model, .. } => model,
        };
        let now = now_ms();
        let event = events::of_registry(news, cause, now);
        // The transaction makes it one: the key need only be new.
        events::tell(db, &[model, "*"], &format!("registry {}", id::ordered()), &event, now).map(drop)
    }

    /// A canary that started or ended, within its transaction.
    pub fn hear_canary(&self, db: &Connection, news: &CanaryNews) -> Result<()> {
        let key = format!("canary {} {}", news.canary.id, news.became.as_str());
        events::tell(db, &[&news.endpoint, "*"], &key, &news.facts(), now_ms()).map(drop)
    }

    /// What was told in a transaction is committed: there may be runs to begin.
    pub fn heard(&self) {
        self.0.wake.notify_one();
    }

    /// Starts a pipeline for a webhook, once for each id of a delivery. The run, and whether it is new.
    pub(in crate::pipelines) async fn hook(
        &self,
        name: &str,
        delivery: Option<String>,
        mut event: Value,
    ) -> Result<(String, bool)> {
        event["time"] = rfc3339(now_ms()).into();
        event["cause"] = crate::auth::cause().as_deref().into();
        let key = format!("webhook {}", delivery.unwrap_or_else(id::ordered));
        match self.happened(name, &key, event).await? {
            Started::Run(run) => Ok((run.id, true)),
            Started::Before(run) => Ok((run, false)),
            Started::Not => Err(Error::conflict(format!("Pipeline {name:?} is paused: it starts no runs."))),
        }
    }

    /// Whether a delivery comes from somebody who knows the token of a pipeline that asks for webhooks, or the secret
    /// its definition names. What is wrong is not told apart.
    pub(in crate::pipelines) async fn hook_check(&self, name: &str, delivery: &Delivery<'_>) -> Result<()> {
        let wanted = name.to_owned();
        let pipeline = self.0.db.read(move |db| store::pipeline_get(db, &wanted)).await?;
        let asks = pipeline.and_then(|pipeline| Definition::parse(&pipeline.definition).ok());
        let hooks = asks.map(|asks| hooks(&asks)).unwrap_or_default();
        for secret in hooks.iter().flatten() {
            if self.is_signed_with(secret, delivery).await? {
                return Ok(());
            }
        }
        match !hooks.is_empty() && self.token_fits(name, delivery).await? {
            true => Ok(()),
            false => Err(no_hook("pipeline token NAME")),
        }
    }

    /// Whether a delivery is signed with a variable's value.
    async fn is_signed_with(&self, variable: &str, delivery: &Delivery<'_>) -> Result<bool> {
        let opened = hidden::open(&self.0.db, &self.rooms()?.auth, [variable].into_iter()).await;
        match opened {
            Ok(values) => Ok(values.get(variable).is_some_and(|secret| delivery.is_signed(secret))),
            // A variable that is not there signs nothing.
            Err(error) if error.kind == Kind::Invalid => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether a delivery brings the token kept under a name, or is signed with it.
    async fn token_fits(&self, name: &str, delivery: &Delivery<'_>) -> Result<bool> {
        let wanted = name.to_owned();
        let known = self.0.db.read(move |db| store::hook_token_get(db, &wanted)).await?;
        let Some(known) = known else { return Ok(false) };
        let given = Sha256::digest(delivery.token.as_bytes());
        if same(&known.digest, &given) {
            return Ok(true);
        }
        let Some((sealed, rooms)) = known.sealed.zip(self.rooms().ok()) else { return Ok(false) };
        let token = rooms.auth.secret_open(&token_purpose(name), &sealed)?;
        Ok(delivery.is_signed(&token))
    }

    /// A push to the Git repository is told with the repository's token: it is looked at now.
    pub(in crate::pipelines) async fn push_hook(&self, delivery: &Delivery<'_>) -> Result<()> {
        match self.token_fits(GIT, delivery).await? {
            true => self.source_pushed(),
            false => Err(no_hook("pipeline source token")),
        }
    }

    /// A new token for telling of pushes; no pipeline can have the name it is kept under.
    pub(in crate::pipelines) async fn push_token(&self) -> Result<String> {
        if self.0.config.git.is_none() {
            return Err(Error::not_found("No Git repository is followed: pipelines.git names one."));
        }
        let (token, kept) = self.new_token(GIT)?;
        self.0.db.write(move |db| store::hook_token_put(db, GIT, &kept, now_ms())).await?;
        Ok(token)
    }

    /// A token, and what is kept of it under a name.
    fn new_token(&self, name: &str) -> Result<(String, HookToken)> {
        let token = format!("crnhook_{}", id::secret(40));
        let digest = Sha256::digest(token.as_bytes()).to_vec();
        let seal = |rooms: Rooms| rooms.auth.secret_seal(&token_purpose(name), &token);
        let sealed = self.rooms().ok().map(seal).transpose()?;
        Ok((token, HookToken { digest, sealed }))
    }

    /// A new token for a pipeline's webhook. It is shown once.
    pub(in crate::pipelines) async fn hook_token(&self, name: &str) -> Result<String> {
        let (token, kept) = self.new_token(name)?;
        let name = name.to_owned();
        let put = move |db: &Connection| {
            let pipeline = existing(db, &name)?;
            let asks = Definition::parse(&pipeline.definition).is_ok_and(|asks| {
                asks.triggers.iter().any(|trigger| matches!(trigger.on, On::Webhook { .. }))
            });
            if !asks {
                return Err(Error::conflict(format!(
                    "Pipeline {name:?} has no webhook among its triggers: add `triggers: [{{webhook: {{}}}}]`."
                )));
            }
            store::hook_token_put(db, &name, &kept, now_ms())
        };
        self.0.db.write(put).await?;
        Ok(token)
    }
}

/// The variable that each webhook of a definition is signed with, where it names one.
fn hooks(definition: &Definition) -> Vec<Option<String>> {
    let hook = |trigger: &Trigger| match &trigger.on {
        On::Webhook { secret } => Some(secret.clone()),
        _ => None,
    };
    definition.triggers.iter().filter_map(hook).collect()
}

/// What a token is sealed for.
fn token_purpose(name: &str) -> String {
    format!("pipeline hook {name}")
}

/// What came to a webhook, as far as it tells who sent it.
pub(in crate::pipelines) struct Delivery<'a> {
    /// Empty where none was brought.
    pub token: &'a str,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

impl Delivery<'_> {
    fn is_signed(&self, secret: &str) -> bool {
        hook::is_signed(secret, self.headers, self.body, now_ms() / 1000)
    }
}

fn no_hook(command: &str) -> Error {
    let message = format!(
        "There is no such hook, or it was told with neither its token nor a signature by it. `crannog {command}` makes one."
    );
    Error::new(Kind::Unauthenticated, message)
}

/// Compares in a time that tells nothing of where they differ.
fn same(known: &[u8], given: &[u8]) -> bool {
    known.len() == given.len() && known.iter().zip(given).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}
