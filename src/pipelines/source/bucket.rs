//! A bucket of definitions, or what is below a prefix of it: looked at as soon as an object there is
//! written or removed, and now and then besides. Every `*.yaml` and `*.yml` is a definition.

use super::{BUCKET, MAX_FILES, Text};
use crate::{
    kernel::{
        error::{Error, Kind, Result},
        event::Event,
    },
    objects,
    pipelines::{definition::MAX_BYTES, service::Service},
};
use std::{collections::HashMap, time::Duration};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio_util::sync::CancellationToken;

/// The net under the events.
const EVERY: Duration = Duration::from_secs(15);

/// Where the definitions are: `definitions` or `definitions/nightly/`.
#[derive(Clone)]
pub(in crate::pipelines) struct Place {
    bucket: String,
    prefix: String,
}

impl Place {
    pub(in crate::pipelines) fn parse(text: &str) -> Self {
        let text = text.strip_prefix("s3://").unwrap_or(text);
        let (bucket, prefix) = text.split_once('/').unwrap_or((text, ""));
        Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() }
    }

    fn holds(&self, event: &Event) -> bool {
        match event {
            Event::ObjectCreated { bucket, key, .. } | Event::ObjectRemoved { bucket, key, .. } => {
                *bucket == self.bucket && key.starts_with(&self.prefix)
            }
            _ => false,
        }
    }

    fn source(&self, key: &str) -> String {
        format!("{BUCKET}{}/{key}", self.bucket)
    }
}

/// What tells one version of an object from another: its ETag, and when it was written.
type Mark = (String, i64);

/// Follows the bucket until the server stops.
pub(in crate::pipelines) async fn watch(
    service: Service,
    place: Place,
    mut events: Receiver<Event>,
    stop: CancellationToken,
) {
    let mut known: HashMap<String, Mark> = HashMap::new();
    loop {
        let outcome = look(&service, &place, &mut known).await.map_err(|error| format!("{error:?}"));
        service.source_looked(BUCKET, outcome.map(|()| None));
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
            () = heard(&mut events, &place) => {}
        }
    }
}

/// Returns when something happened there, or may have.
async fn heard(events: &mut Receiver<Event>, place: &Place) {
    loop {
        match events.recv().await {
            Ok(event) if place.holds(&event) => return,
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => return,
            // Only when the server ends.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

async fn look(service: &Service, place: &Place, known: &mut HashMap<String, Mark>) -> Result<()> {
    let objects = service.rooms()?.objects;
    let found = list(&objects, place).await?;
    let sources: Vec<String> = found.iter().map(|(key, _)| place.source(key)).collect();
    if found.len() != known.len() || found.iter().any(|(key, _)| !known.contains_key(key)) {
        service.sources_present(BUCKET, sources).await?;
        if known.keys().any(|key| !found.iter().any(|(one, _)| one == key)) {
            // One that is gone may have held the name another one wants: look at all again.
            known.clear();
        }
    }
    for (key, mark) in found {
        if known.get(&key) == Some(&mark) {
            continue;
        }
        let text = match objects.get_bytes(&place.bucket, &key, MAX_BYTES).await {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            // The definition's own check says it in its words.
            Err(error) if error.kind == Kind::TooLarge => " ".repeat(MAX_BYTES + 1),
            // Removed since the list was made.
            Err(error) if error.kind == Kind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let text = Text { source: place.source(&key), folder: None, commit: None, text };
        service.source_changed(text).await?;
        known.insert(key, mark);
    }
    Ok(())
}

async fn list(objects: &objects::Service, place: &Place) -> Result<Vec<(String, Mark)>> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let query =
            objects::ListQuery { prefix: place.prefix.clone(), after, limit: 1_000, ..Default::default() };
        let page = objects.list(&place.bucket, query).await.map_err(|error| match error.kind {
            Kind::NotFound => Error::not_found(format!("There is no bucket {:?}.", place.bucket)),
            _ => error,
        })?;
        let definitions = page.objects.into_iter().filter(|one| is_definition(&one.key));
        found.extend(definitions.map(|one| (one.key, (one.etag, one.last_modified_ms))));
        after = page.next;
        if found.len() > MAX_FILES {
            tracing::warn!(limit = MAX_FILES, "too many pipeline objects; the last ones are left alone");
            found.truncate(MAX_FILES);
            after = None;
        }
        if after.is_none() {
            return Ok(found);
        }
    }
}

fn is_definition(key: &str) -> bool {
    key.ends_with(".yaml") || key.ends_with(".yml")
}
