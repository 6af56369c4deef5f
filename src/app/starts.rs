//! How an event of the object store starts a pipeline: the store's floor is below the pipelines'.

use crate::{kernel::error::Result, objects::Starter, pipelines};
use std::collections::BTreeMap;

pub struct Starts(pub pipelines::Service);

#[async_trait::async_trait]
impl Starter for Starts {
    async fn knows(&self, pipeline: &str) -> bool {
        self.0.get(pipeline).await.is_ok()
    }

    async fn start(&self, pipeline: &str, params: BTreeMap<String, String>) -> Result<()> {
        self.0.trigger(pipeline, params).await.map(drop)
    }
}
