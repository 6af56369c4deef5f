//! The rooms below this one that tasks use from within the server.

use crate::{auth, objects, registry, serving, tracking};

/// Wired once, while the house is furnished; a service without them runs commands alone.
#[derive(Clone)]
pub struct Rooms {
    pub auth: auth::Service,
    pub objects: objects::Service,
    pub tracking: tracking::Service,
    pub registry: registry::Service,
    pub serving: serving::Service,
}
