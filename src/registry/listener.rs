//! How a higher floor hears of what changes here: inside the transaction, so that what it does about it
//! is durable with the change, or neither is.

use crate::{kernel::error::Result, store::Connection};
use std::sync::Arc;

/// What changed.
#[derive(Clone, Debug)]
pub enum News {
    VersionCreated { model: String, version: u32, source: String, run_id: String },
    AliasMoved { model: String, alias: String, version: u32 },
}

/// Wired by `app`.
pub trait Listener: Send + Sync {
    /// `cause` is the label of what asked for the change, if it acts by itself.
    fn hear(&self, c: &Connection, news: &News, cause: Option<&str>) -> Result<()>;
    /// What was heard is committed.
    fn committed(&self);
}

/// Who listens, if anybody, to a change that is about to be made.
#[derive(Clone, Default)]
pub struct Ear {
    pub listener: Option<Arc<dyn Listener>>,
    pub cause: Option<Arc<str>>,
}

impl Ear {
    pub fn hear(&self, c: &Connection, news: &News) -> Result<()> {
        match &self.listener {
            Some(listener) => listener.hear(c, news, self.cause.as_deref()),
            None => Ok(()),
        }
    }

    pub fn committed(&self) {
        if let Some(listener) = &self.listener {
            listener.committed();
        }
    }
}
