//! What is told of a canary, in the transaction that makes it so: to pipelines that ask for it, by way of a
//! listener, and to the webhooks that the endpoint's definition names.

use super::{Canary, Status};
use crate::{
    kernel::{
        clock::{now_ms, rfc3339},
        error::{Error, Kind, Result},
        hook::Sender,
        id,
        tasks::Tasks,
    },
    objects,
    store::{
        Connection, Db,
        outbox::{self, Bell, Carrier, Courier, Notice, Outcome, To},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};

/// The word for a canary's notices in the outbox.
const KIND: &str = "canary";

/// What became of a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    Started,
    Promoted,
    RolledBack,
}

impl Became {
    pub const ALL: [Self; 3] = [Self::Started, Self::Promoted, Self::RolledBack];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Promoted => "promoted",
            Self::RolledBack => "rolled_back",
        }
    }

    /// How the endpoint's history calls it.
    pub const fn happened(self) -> &'static str {
        match self {
            Self::Started => "canary_began",
            Self::Promoted => "canary_promoted",
            Self::RolledBack => "canary_rolled_back",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// A canary that started or ended.
pub struct News {
    pub endpoint: String,
    pub became: Became,
    pub canary: Canary,
}

impl News {
    pub fn of(endpoint: &str, canary: &Canary, kind: &str) -> Option<Self> {
        let became = Became::ALL.into_iter().find(|one| one.happened() == kind)?;
        debug_assert_eq!(became == Became::Promoted, canary.status == Status::Promoted);
        Some(Self { endpoint: endpoint.to_owned(), became, canary: canary.clone() })
    }

    /// The facts, as pipelines and webhooks read them.
    pub fn facts(&self) -> Value {
        let Canary { id, model, version, champion, note, user, .. } = &self.canary;
        json!({
            "kind": KIND, "state": self.became.as_str(), "endpoint": self.endpoint, "canary": id, "uri": model,
            "version": version, "champion": champion, "note": note, "user": user, "time": rfc3339(now_ms()),
            "figures": self.canary.figures, "cause": self.canary.cause,
        })
    }
}

/// A higher floor that hears of canaries. Wired by `app`.
pub trait Listener: Send + Sync {
    /// Inside the transaction.
    fn hear(&self, db: &Connection, news: &News) -> Result<()>;
    fn committed(&self);
}

/// Whom canaries are told to.
#[derive(Default)]
pub struct Tell {
    pub listener: OnceLock<Arc<dyn Listener>>,
    bell: Arc<Bell>,
}

/// A notice as it waits: sent again, it is the same, by its id too.
#[derive(Serialize, Deserialize)]
struct Letter {
    id: String,
    body: String,
}

impl Tell {
    /// What writes the news down, once it is inside the transaction.
    pub fn writer(
        &self,
        news: Option<News>,
        webhooks: Vec<String>,
    ) -> impl Fn(&Connection) -> Result<()> + use<> {
        let listener = self.listener.get().cloned();
        move |db| {
            let Some(news) = &news else { return Ok(()) };
            if let Some(listener) = &listener {
                listener.hear(db, news)?;
            }
            let letter = Letter { id: format!("canary_{}", id::ordered()), body: news.facts().to_string() };
            let letter = serde_json::to_string(&letter).map_err(Error::internal)?;
            webhooks.iter().try_for_each(|webhook| outbox::put(db, KIND, webhook, &letter, now_ms()))
        }
    }

    pub fn committed(&self) {
        if let Some(listener) = self.listener.get() {
            listener.committed();
        }
        self.bell.ring();
    }

    /// Delivers what webhooks are to hear, until they took it or it is a day old.
    pub fn start(&self, db: Db, objects: objects::Service, sender: Sender, tasks: &Tasks) {
        let (bell, carrier) = (Arc::clone(&self.bell), Webhooks { objects, sender });
        Courier { db, bell, carrier, only: Some(KIND) }.start(tasks, "canary notices");
    }
}

struct Webhooks {
    objects: objects::Service,
    sender: Sender,
}

#[async_trait::async_trait]
impl Carrier for Webhooks {
    async fn carry(&self, to: &To, notice: &Notice) -> Outcome {
        let told = async {
            let Letter { id, body } = serde_json::from_str(&notice.body).map_err(Error::internal)?;
            self.objects.webhook_tell(&self.sender, &to.name, &id, body).await
        };
        match told.await {
            Ok(()) => Outcome::Taken,
            Err(error) if error.kind == Kind::NotFound => Outcome::Never { why: error.message },
            Err(error) => Outcome::Again { why: error.message, after: error.after },
        }
    }
}
