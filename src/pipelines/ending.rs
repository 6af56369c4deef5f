//! How an attempt ended, from what its folder tells to what the scheduler needs to know.

use super::{
    attempt::{Ending, Exit, Folder, Standing},
    model::{Outcome, OutcomeKind},
    output,
};
use crate::kernel::{
    clock,
    error::{Error, Result},
};

/// Where an attempt stands, as the executor meets it.
pub enum Met {
    Running,
    NeverBegun,
    Lost,
    /// With what a task that succeeded gave to others.
    Over(Outcome),
}

/// Looks at the folder, and at the output where there is one to be taken.
pub async fn meet(folder: &Folder) -> Result<Met> {
    let folder = folder.clone();
    let look = move || {
        Ok(match folder.standing()? {
            Standing::Running => Met::Running,
            Standing::NeverBegun => Met::NeverBegun,
            Standing::Lost => Met::Lost,
            Standing::Finished(exit) => Met::Over(with_output(outcome(&exit), &folder)?),
        })
    };
    tokio::task::spawn_blocking(look).await.map_err(Error::internal)?
}

pub async fn lost(folder: Folder) -> Result<Outcome> {
    let proven_dead =
        tokio::task::spawn_blocking(move || folder.put_to_rest()).await.map_err(Error::internal)?;
    let reason = match proven_dead {
        true => "lost: its supervisor ended without a record; nothing of the task runs any more",
        false => "lost: its supervisor ended without a record, and the task may still be running",
    };
    Ok(Outcome { kind: OutcomeKind::Lost { proven_dead }, ..failed(reason.into()) })
}

/// A request of which nobody knows whether it arrived.
pub fn cut_short() -> Outcome {
    let reason =
        "lost: the server ended while the request was under way, and it is not known whether it arrived";
    Outcome { kind: OutcomeKind::Lost { proven_dead: true }, ..failed(reason.into()) }
}

/// Whether the command began cannot be told: the machine may have forgotten the newest files.
pub fn cut_off() -> Outcome {
    let reason =
        "lost: the machine went down while it ran, or when it was about to; nothing of it runs any more";
    Outcome { kind: OutcomeKind::Lost { proven_dead: true }, ..failed(reason.into()) }
}

pub fn failed(reason: String) -> Outcome {
    let ended_at = clock::now_ms();
    Outcome {
        kind: OutcomeKind::Failed,
        exit_code: None,
        reason: Some(reason),
        started_at: None,
        ended_at,
        output: None,
    }
}

fn outcome(exit: &Exit) -> Outcome {
    let kind = match (exit.outcome, exit.exit_code) {
        (Ending::Exited, Some(0)) => OutcomeKind::Success,
        (Ending::Cancelled, _) => OutcomeKind::Cancelled,
        _ => OutcomeKind::Failed,
    };
    let code = || exit.exit_code.filter(|code| *code != 0).map(|code| format!("exit code {code}"));
    Outcome {
        kind,
        exit_code: exit.exit_code,
        reason: exit.reason.clone().or_else(code),
        started_at: Some(exit.started_at_ms),
        ended_at: exit.ended_at_ms,
        output: None,
    }
}

/// Adds what a task that succeeded gave to others; one whose output cannot be used has failed.
fn with_output(outcome: Outcome, folder: &Folder) -> Result<Outcome> {
    if outcome.kind != OutcomeKind::Success {
        return Ok(outcome);
    }
    match output::read(&folder.output())? {
        Ok(output) => Ok(Outcome { output, ..outcome }),
        Err(why) => Ok(Outcome { kind: OutcomeKind::Failed, reason: Some(why), ..outcome }),
    }
}
