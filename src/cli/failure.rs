//! How a command fails: an exit code a script can act on, a sentence, and a hint.

use crate::kernel::{
    config::Issue,
    error::{Error, Kind},
};
use std::process::ExitCode;

/// The exit codes. 0 is success; clap itself answers 2 to a wrong command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    Failed = 1,
    Usage = 2,
    Unreachable = 3,
    NotFound = 4,
    Refused = 5,
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    pub code: Code,
    pub message: String,
    pub hint: Option<String>,
}

impl Failure {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Code::Failed, message)
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// All that is wrong with the configuration, in one failure.
    pub fn configuration(issues: &[Issue]) -> Self {
        let told = issues.iter().map(|issue| match &issue.hint {
            Some(hint) => format!("{}\n  hint: {hint}", issue.message),
            None => issue.message.clone(),
        });
        Self::new(Code::Usage, told.collect::<Vec<_>>().join("\nerror: "))
    }

    /// Tells the person at the terminal and answers the process's exit code.
    pub fn report(&self) -> ExitCode {
        eprintln!("error: {}", self.message);
        if let Some(hint) = &self.hint {
            eprintln!("  hint: {hint}");
        }
        ExitCode::from(self.code as u8)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match error.kind {
            Kind::NotFound => Code::NotFound,
            Kind::Unauthenticated | Kind::Forbidden => Code::Refused,
            _ => Code::Failed,
        };
        // On the operator's own terminal the cause is the message: there is no log to look into.
        Self::new(code, error.cause.map_or(error.message, |cause| cause.to_string()))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error.to_string())
    }
}
