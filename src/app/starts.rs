//! How events of the object store and the registry start pipelines, whose floor is above theirs.

use crate::{
    kernel::error::Result,
    objects::{Hearing, Starter},
    pipelines,
    registry::{Listener, News},
    serving::{CanaryListener, CanaryNews},
    store::Connection,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Hears of objects, outside the transaction that wrote them.
pub struct Starts(pub pipelines::Service);

#[async_trait::async_trait]
impl Starter for Starts {
    async fn knows(&self, pipeline: &str) -> bool {
        self.0.get(pipeline).await.is_ok()
    }

    async fn start(&self, pipeline: &str, key: &str, params: BTreeMap<String, String>) -> Result<()> {
        self.0.trigger_once(pipeline, key, params).await.map(drop)
    }

    fn hearing(&self, bucket: &str) -> Vec<Hearing> {
        self.0.hearing(bucket)
    }

    async fn happened(&self, pipeline: &str, key: &str, facts: Value) -> Result<()> {
        self.0.happened(pipeline, key, facts).await.map(drop)
    }
}

/// Hears of models and canaries, inside the transaction that changes them.
pub struct Hears(pub pipelines::Service);

impl Listener for Hears {
    fn hear(&self, c: &Connection, news: &News, cause: Option<&str>) -> Result<()> {
        self.0.hear_registry(c, news, cause)
    }

    fn committed(&self) {
        self.0.heard();
    }
}

impl CanaryListener for Hears {
    fn hear(&self, c: &Connection, news: &CanaryNews) -> Result<()> {
        self.0.hear_canary(c, news)
    }

    fn committed(&self) {
        self.0.heard();
    }
}
