//! A canary: a version that is given a growing share of an endpoint's requests, step by step, as long as its
//! gates hold. Then it is promoted; else it is taken back. Either way it is said why.
//!
//! Invariants: how far a canary is, is in the database before it acts on it, so that a server that was killed
//! goes on where it was; what it had counted is gone then, and the step counts its requests anew. A promotion
//! is written as begun before the alias moves, and done again if it was cut short.

mod gates;
mod news;
mod run;
mod store;
mod window;

pub use gates::{Figures, Gates};
pub use news::{Became, Listener, News, Tell};
pub use store::latest;
pub use window::Windows;

use super::plan::Trial;
use crate::kernel::error::{Error, Result};
use serde::{Deserialize, Serialize};

const MOST_STEPS: usize = 50;
/// A month.
const LONGEST_STEP_S: u32 = 31 * 86_400;

/// A share of the requests, for a time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Of a hundred requests; with 0 it is asked as a shadow only.
    pub weight: f64,
    pub seconds: u32,
}

/// What an operator asks for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Of the champion's model; or `model` says where it is.
    #[serde(default)]
    pub version: Option<String>,
    #[serde(default)]
    pub model: Option<String>,
    #[serde(default = "usual_steps")]
    pub steps: Vec<Step>,
    #[serde(default)]
    pub gates: Gates,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Running,
    /// It has passed, and the champion is being replaced.
    Promoting,
    Promoted,
    RolledBack,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Canary {
    pub id: String,
    /// Its address, which names a version.
    pub model: String,
    pub version: String,
    /// The version it is held against.
    pub champion: String,
    pub steps: Vec<Step>,
    pub gates: Gates,
    pub status: Status,
    /// The step it is in, counted from 0.
    pub step: usize,
    /// Unset until its model is loaded.
    pub step_began_ms: Option<i64>,
    pub began_ms: i64,
    pub ended_ms: Option<i64>,
    /// What it waits for, or why it ended.
    pub note: String,
    pub user: String,
    /// The label of what asked for it, where that acts by itself: a pipeline's run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What was counted in this step, or in the last.
    #[serde(default)]
    pub figures: Figures,
}

fn usual_steps() -> Vec<Step> {
    [5.0, 25.0, 50.0].map(|weight| Step { weight, seconds: 600 }).to_vec()
}

impl Wanted {
    pub fn check(&self) -> Result<()> {
        if self.steps.is_empty() || self.steps.len() > MOST_STEPS {
            return Err(Error::invalid(format!("A canary has 1 to {MOST_STEPS} steps.")));
        }
        for step in &self.steps {
            if !(0.0..=100.0).contains(&step.weight) || step.seconds > LONGEST_STEP_S {
                return Err(Error::invalid(format!(
                    "A step has a weight from 0 to 100 and {LONGEST_STEP_S} seconds at most, not {} and {}.",
                    step.weight, step.seconds
                )));
            }
        }
        self.gates.check()
    }
}

impl Canary {
    pub fn is_running(&self) -> bool {
        matches!(self.status, Status::Running | Status::Promoting)
    }

    pub fn weight(&self) -> f64 {
        self.steps.get(self.step).map_or(100.0, |step| step.weight)
    }

    /// Its part of the endpoint's plan, while it runs.
    pub fn trial(&self) -> Option<Trial> {
        self.is_running().then(|| Trial {
            id: self.id.clone(),
            model: self.model.clone(),
            percent: self.weight(),
            compared: self.gates.agreement.is_some() || self.weight() == 0.0,
        })
    }
}
