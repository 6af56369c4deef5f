//! Canaries begun, watched, promoted and taken back.

use super::{
    Became, Canary, Figures, News, Status, Wanted,
    gates::{Verdict, verdict},
    store::canary_put,
};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
        event::Event,
        id,
    },
    registry::{ModelUri, Pick},
    serving::{
        endpoint::Endpoint,
        model::State,
        rollout::{changes::number, definition::CANARY},
        service::Service,
        store::Happened,
    },
    store::Connection,
};
use std::{sync::Arc, time::Duration};

/// How often gates are looked at.
const TICK: Duration = Duration::from_millis(250);

impl Service {
    /// Begins a canary: its first step, as soon as its model is loaded.
    pub async fn canary_begin(&self, name: &str, wanted: Wanted, who: &str) -> Result<Canary> {
        wanted.check()?;
        let endpoint = self.endpoint(name)?;
        let _changing = endpoint.changing.lock().await;
        endpoint.check_no_canary()?;
        let champion = endpoint.current()?;
        let at = self.registry().resolve(&address(&endpoint, &wanted)?).await?;
        if at.name == champion.name && at.version == champion.version {
            return Err(Error::invalid(format!("Version {} is what the champion serves.", at.version)));
        }
        // Pinned: an alias may move while the canary runs.
        let model = if at.name == at.version {
            format!("models:/{}", at.name)
        } else {
            format!("models:/{}/{}", at.name, at.version)
        };
        let canary = Canary {
            id: id::ordered(),
            model,
            version: at.version,
            champion: champion.version.clone(),
            steps: wanted.steps,
            gates: wanted.gates,
            status: Status::Running,
            step: 0,
            step_began_ms: None,
            began_ms: now_ms(),
            ended_ms: None,
            note: "its model is being loaded".into(),
            user: who.to_owned(),
            cause: crate::auth::cause().as_deref().map(str::to_owned),
            figures: Figures::default(),
        };
        let note = format!("against version {}, in {} steps", canary.champion, canary.steps.len());
        self.canary_enter(
            &endpoint,
            canary.clone(),
            Some(happened(Became::Started.happened(), &canary, note, Some(who))),
        )
        .await?;
        Ok(canary)
    }

    /// Ends a running canary by hand.
    pub async fn canary_stop(&self, name: &str, who: &str) -> Result<Canary> {
        let endpoint = self.endpoint(name)?;
        let _changing = endpoint.changing.lock().await;
        let canary = endpoint.canary_running().ok_or_else(no_canary)?;
        self.canary_back(&endpoint, canary, format!("stopped by {who}"), Some(who)).await
    }

    /// Promotes a running canary by hand, whatever its gates say.
    pub async fn canary_promote(&self, name: &str, who: &str) -> Result<Canary> {
        let endpoint = self.endpoint(name)?;
        let _changing = endpoint.changing.lock().await;
        let canary = endpoint.canary_running().ok_or_else(no_canary)?;
        let canary = Canary { note: format!("promoted by {who}"), user: who.to_owned(), ..canary };
        self.canary_replace(&endpoint, canary).await
    }

    pub fn canary(&self, name: &str) -> Result<Canary> {
        self.endpoint(name)?.canary().ok_or_else(|| Error::not_found("This endpoint has had no canary."))
    }

    /// Watches all canaries until the server stops.
    pub(in crate::serving) async fn watch_canaries(self) {
        let stop = self.stopping();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(TICK) => {}
            }
            for endpoint in self.endpoints() {
                if endpoint.canary_running().is_none() {
                    continue;
                }
                if let Err(error) = self.canary_look(&endpoint).await {
                    tracing::warn!(
                        endpoint = endpoint.name,
                        ?error,
                        "a canary could not go on; trying again"
                    );
                }
            }
        }
    }

    /// One look at one canary.
    async fn canary_look(&self, endpoint: &Arc<Endpoint>) -> Result<()> {
        let _changing = endpoint.changing.lock().await;
        let Some(canary) = endpoint.canary_running() else { return Ok(()) };
        if canary.status == Status::Promoting {
            return self.canary_replace(endpoint, canary).await.map(drop);
        }
        if let Some(why) = hindered(endpoint, &canary) {
            return self.canary_back(endpoint, canary, why, None).await.map(drop);
        }
        let Some(canary) = self.canary_loaded(endpoint, canary).await? else { return Ok(()) };
        let Some(model) = endpoint.plan().route(CANARY).and_then(|route| route.follower.current()) else {
            return Ok(());
        };
        let figures = self.windows().figures(endpoint, &canary, &model.name);
        let canary = Canary { figures, ..canary };
        match verdict(&canary, &figures, now_ms()) {
            Verdict::Wait(note) => {
                endpoint.set_canary(Canary { note, ..canary });
                Ok(())
            }
            Verdict::Next => self.canary_next(endpoint, canary).await,
            Verdict::Promote => {
                let note = passed(&figures);
                self.canary_replace(endpoint, Canary { note, ..canary }).await.map(drop)
            }
            Verdict::RollBack(why) => self.canary_back(endpoint, canary, why, None).await.map(drop),
        }
    }

    /// A canary's time runs from when its model is there.
    async fn canary_loaded(&self, endpoint: &Arc<Endpoint>, canary: Canary) -> Result<Option<Canary>> {
        if canary.step_began_ms.is_some() {
            return Ok(Some(canary));
        }
        if endpoint.plan().route(CANARY).is_none_or(|route| !route.follower.is_ready()) {
            return Ok(None);
        }
        let canary = Canary { step_began_ms: Some(now_ms()), ..canary };
        self.canary_enter(endpoint, canary.clone(), None).await?;
        Ok(Some(canary))
    }

    async fn canary_next(&self, endpoint: &Arc<Endpoint>, canary: Canary) -> Result<()> {
        let note = passed(&canary.figures);
        let canary = Canary { step: canary.step + 1, step_began_ms: Some(now_ms()), ..canary };
        let note = format!("{} %, as {note}", canary.weight());
        self.canary_enter(endpoint, canary.clone(), Some(happened("canary_step", &canary, note, None))).await
    }

    /// Makes the canary the champion. Every part may be done twice.
    async fn canary_replace(&self, endpoint: &Arc<Endpoint>, canary: Canary) -> Result<Canary> {
        let canary = Canary { status: Status::Promoting, ..canary };
        self.canary_enter(endpoint, canary.clone(), None).await?;
        let mut definition = endpoint.definition();
        let (from, to) = (ModelUri::parse(&definition.champion().model)?, ModelUri::parse(&canary.model)?);
        match (from, to) {
            (
                ModelUri::Registered { name, pick: Pick::Alias(alias) },
                ModelUri::Registered { name: to, .. },
            ) if name == to => {
                self.registry().alias_set(&name, &alias, number(&canary.version)?).await?;
            }
            _ => {
                definition.routes[0].model.clone_from(&canary.model);
                self.redefine(&endpoint.name, Some(endpoint), definition, None).await?;
            }
        }
        // The canary's route still holds the model, so this is a swap.
        self.refresh(endpoint).await;
        if endpoint.current()?.version != canary.version {
            return Err(Error::conflict(format!(
                "The champion does not serve version {} yet.",
                canary.version
            )));
        }
        let canary = Canary { status: Status::Promoted, ended_ms: Some(now_ms()), ..canary };
        let what = happened(Became::Promoted.happened(), &canary, canary.note.clone(), None);
        self.canary_enter(endpoint, canary.clone(), Some(what)).await?;
        tracing::info!(
            endpoint = endpoint.name,
            version = canary.version,
            why = canary.note,
            "promoted a canary"
        );
        Ok(canary)
    }

    pub(in crate::serving) async fn canary_back(
        &self,
        endpoint: &Arc<Endpoint>,
        canary: Canary,
        why: String,
        who: Option<&str>,
    ) -> Result<Canary> {
        let canary = Canary { status: Status::RolledBack, ended_ms: Some(now_ms()), note: why, ..canary };
        let what = happened(Became::RolledBack.happened(), &canary, canary.note.clone(), who);
        self.canary_enter(endpoint, canary.clone(), Some(what)).await?;
        tracing::warn!(
            endpoint = endpoint.name,
            version = canary.version,
            why = canary.note,
            "rolled a canary back"
        );
        Ok(canary)
    }

    /// Writes down how far the canary is, and then lets the endpoint answer so.
    async fn canary_enter(
        &self,
        endpoint: &Arc<Endpoint>,
        canary: Canary,
        what: Option<Happened>,
    ) -> Result<()> {
        let (name, row) = (endpoint.name.clone(), canary.clone());
        let news = what.as_ref().and_then(|what| News::of(&name, &canary, &what.kind));
        let event = news.as_ref().map(|news| Event::CanaryChanged {
            endpoint: name.clone(),
            version: canary.version.clone(),
            state: news.became.as_str(),
        });
        let tell = self.canary_tell().writer(news, endpoint.definition().notify);
        let put = move |db: &Connection| {
            canary_put(db, &name, &row, what.as_ref())?;
            tell(db)
        };
        self.db().write(put).await?;
        if let Some(event) = event {
            self.canary_tell().committed();
            self.bus().publish(event);
        }
        if endpoint.plan().canary != canary.trial() {
            endpoint.replan(endpoint.definition(), canary.trial());
        }
        if !canary.is_running() {
            self.windows().forget(&endpoint.name);
        }
        endpoint.set_canary(canary);
        Ok(())
    }
}

/// What stands against a canary, whatever was counted.
fn hindered(endpoint: &Endpoint, canary: &Canary) -> Option<String> {
    if endpoint.is_parked() {
        return Some("the endpoint was unloaded".to_owned());
    }
    if let Ok(champion) = endpoint.current()
        && champion.version != canary.champion
    {
        let (is, was) = (&champion.version, &canary.champion);
        return Some(format!("the champion became version {is} meanwhile; it was held against {was}"));
    }
    let seen = endpoint.plan().route(CANARY)?.follower.seen();
    let failed = seen.current.is_none() && matches!(seen.state, State::Failed | State::NoModel);
    failed.then(|| seen.error.unwrap_or_else(|| "its model cannot be loaded".into()))
}

/// Where the canary's model is.
fn address(endpoint: &Endpoint, wanted: &Wanted) -> Result<String> {
    match (&wanted.model, &wanted.version) {
        (Some(model), None) => Ok(model.clone()),
        (None, Some(version)) => match ModelUri::parse(&endpoint.definition().champion().model)? {
            ModelUri::Registered { name, .. } => Ok(format!("models:/{name}/{version}")),
            ModelUri::Logged(_) => Err(Error::invalid(
                "The champion is no registered model, which alone has versions: give the canary's `model`.",
            )),
        },
        _ => Err(Error::invalid("Give either the `version` of the canary, or its `model`.")),
    }
}

fn passed(figures: &Figures) -> String {
    let mut words = format!("{} of {} requests failed", figures.errors, figures.requests);
    if let Some(p95) = figures.p95_ms {
        words += &format!(", p95 {p95} ms");
    }
    if figures.compared > 0 {
        words += &format!(", {} of {} rows agreed", figures.agreed, figures.compared);
    }
    words
}

fn happened(kind: &str, canary: &Canary, note: String, who: Option<&str>) -> Happened {
    Happened {
        route: Some(CANARY.to_owned()),
        model: Some(canary.model.clone()),
        version: Some(canary.version.clone()),
        note: Some(note),
        user: who.map(str::to_owned),
        ..Happened::now(kind)
    }
}

fn no_canary() -> Error {
    Error::conflict("No canary is running at this endpoint.")
}
