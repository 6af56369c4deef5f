//! One look at what a task waits for.

use crate::{
    kernel::{
        clock::{now_ms, rfc3339},
        error::{Error, Kind, Result},
        web::Question,
    },
    objects,
    pipelines::{
        definition::kinds::wait::{Ended, What},
        executor::Executor,
        moment, store,
        waits::asked::Asked,
    },
    store::Db,
};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// How long an answer over HTTP is waited for.
const ANSWER: Duration = Duration::from_secs(15);

/// What was seen.
pub enum Seen {
    /// It is there: what the task gives to later ones.
    Yes(Value),
    NotYet {
        why: String,
        /// When it will be there, where that is known.
        look_at: Option<i64>,
    },
}

fn not_yet(why: impl Into<String>) -> Seen {
    Seen::NotYet { why: why.into(), look_at: None }
}

pub struct Look<'a> {
    pub db: &'a Db,
    pub executor: &'a Executor,
    pub asked: &'a Asked,
}

impl Look<'_> {
    pub async fn look(&self) -> Result<Seen> {
        match &self.asked.what {
            What::Object { bucket, key, prefix } => self.object(bucket, key, *prefix).await,
            What::Http { url, status, body } => self.http(url, status, body.as_deref()).await,
            What::Time(text) => self.time(text),
            What::Run { pipeline, state, offset } => self.run(pipeline, *state, *offset).await,
        }
    }

    async fn object(&self, bucket: &str, key: &str, prefix: bool) -> Result<Seen> {
        let objects = &self.executor.rooms()?.objects;
        let found = if prefix {
            let query = objects::ListQuery { prefix: key.to_owned(), limit: 1, ..Default::default() };
            objects.list(bucket, query).await.map(|page| page.objects.into_iter().next())
        } else {
            objects.head(bucket, key).await.map(Some)
        };
        match found {
            Ok(Some(info)) => Ok(Seen::Yes(
                json!({ "bucket": bucket, "key": info.key, "size": info.size, "etag": info.etag }),
            )),
            Ok(None) => Ok(not_yet("there is none")),
            Err(error) if error.kind == Kind::NotFound => {
                Ok(not_yet(match objects.bucket_get(bucket).await {
                    Ok(_) => "there is none",
                    Err(_) => "there is no such bucket",
                }))
            }
            Err(error) => Err(error),
        }
    }

    async fn http(&self, url: &str, status: &[u16], body: Option<&str>) -> Result<Seen> {
        let (headers, timeout) = (http::HeaderMap::new(), ANSWER);
        let question = Question { method: Method::GET, url: url.to_owned(), headers, body: None, timeout };
        let answer = match self.executor.web().ask(question).await {
            Ok(answer) => answer,
            Err(why) => return Ok(not_yet(why)),
        };
        let code = answer.status.as_u16();
        let fits = if status.is_empty() { answer.status.is_success() } else { status.contains(&code) };
        if !fits {
            return Ok(not_yet(format!("it answered {code}")));
        }
        let pattern = body.map(regex::Regex::new).transpose().map_err(Error::internal)?;
        match pattern {
            Some(pattern) if !pattern.is_match(&answer.text) => {
                Ok(not_yet(format!("it answered {code}, but not with {pattern}")))
            }
            _ => Ok(Seen::Yes(json!({ "status": code }))),
        }
    }

    fn time(&self, text: &str) -> Result<Seen> {
        let at = moment::instant(text, self.asked.zone, self.asked.logical_at).map_err(Error::invalid)?;
        if at <= now_ms() {
            return Ok(Seen::Yes(json!({ "time": rfc3339(at) })));
        }
        Ok(Seen::NotYet { why: moment::told(at, self.asked.zone), look_at: Some(at) })
    }

    async fn run(&self, pipeline: &str, state: Ended, offset: Duration) -> Result<Seen> {
        let offset = i64::try_from(offset.as_millis()).unwrap_or(i64::MAX);
        let (name, at) = (pipeline.to_owned(), self.asked.logical_at.saturating_sub(offset));
        let found = self.db.read(move |db| store::run_at(db, &name, at)).await?;
        match found.iter().find(|(_, found)| state.takes(*found)) {
            Some((id, found)) => Ok(Seen::Yes(json!({ "run_id": id, "state": found.as_str() }))),
            None => Ok(not_yet(match found.last() {
                Some((id, found)) => format!("its run {id} is {found}"),
                None => "there is no run of that logical date".to_owned(),
            })),
        }
    }
}
