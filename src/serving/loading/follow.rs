//! Followers: a task per endpoint that keeps the right model loaded, and one task that hears of
//! changes in the registry and wakes them.

use crate::{
    kernel::event::Event,
    registry::ModelUri,
    serving::{endpoint::Endpoint, service::Service},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

/// How often an endpoint looks by itself, should a change have gone unheard.
const RECHECK: Duration = Duration::from_secs(5);

/// Keeps one endpoint on its addresses until it is deleted or the server stops.
pub async fn endpoint(service: Service, endpoint: Arc<Endpoint>, gone: CancellationToken) {
    let stop = service.stopping();
    let mut tick = tokio::time::interval(RECHECK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = gone.cancelled() => return,
            () = endpoint.bell.notified() => {}
            _ = tick.tick() => {}
        }
        service.refresh(&endpoint).await;
    }
}

/// Takes up the defined endpoints, then wakes those whose address a change in the registry concerns.
pub async fn registry(service: Service, mut events: Receiver<Event>) {
    let stop = service.stopping();
    while let Err(error) = service.take_up().await {
        tracing::error!(?error, "the endpoints could not be read; trying again");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RECHECK) => {}
        }
    }
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = events.recv() => event,
        };
        match event {
            Ok(
                Event::AliasMoved { name, .. }
                | Event::ModelVersionCreated { name, .. }
                | Event::RegisteredModelDeleted { name },
            ) => wake(&service, Some(&name)),
            Ok(_) => {}
            // Some events were missed, so anything may have changed.
            Err(RecvError::Lagged(_)) => wake(&service, None),
            Err(RecvError::Closed) => return,
        }
    }
}

fn wake(service: &Service, model: Option<&str>) {
    let is_meant = |uri: &String| match (ModelUri::parse(uri), model) {
        (Ok(ModelUri::Registered { name, .. }), Some(model)) => name == model,
        (_, model) => model.is_none(),
    };
    for endpoint in service.endpoints() {
        if endpoint.addresses().iter().any(is_meant) {
            endpoint.bell.notify_one();
        }
    }
}
