//! Triton's trace and log settings, as a server has them that traces no request and logs to where it was
//! started. They can be read; a change that would have to do something is refused.

use crate::kernel::error::{Error, Result};

pub const TRACE: [(&str, &str); 6] = [
    ("trace_level", "OFF"),
    ("trace_rate", "1000"),
    ("trace_count", "-1"),
    ("log_frequency", "0"),
    ("trace_file", ""),
    ("trace_mode", "triton"),
];

/// A log setting's value: the protocol has three kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log<'a> {
    Flag(bool),
    Number(u64),
    Text(&'a str),
}

pub const LOG: [(&str, Log); 6] = [
    ("log_file", Log::Text("")),
    ("log_info", Log::Flag(true)),
    ("log_warning", Log::Flag(true)),
    ("log_error", Log::Flag(true)),
    ("log_verbose_level", Log::Number(0)),
    ("log_format", Log::Text("default")),
];

/// Whether a trace setting may be given these values: they are the ones it has, or clear it.
pub fn check_trace(key: &str, values: &[&str]) -> Result<()> {
    let known = TRACE.iter().find(|(name, _)| *name == key).ok_or_else(|| unknown("trace", key))?;
    if values.iter().all(|value| value.eq_ignore_ascii_case(known.1)) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "This server traces no inference requests, so {key} stays {:?}. Its log and /metrics tell of requests.",
        known.1
    )))
}

/// Whether a log setting may be given this value.
pub fn check_log(key: &str, value: Log) -> Result<()> {
    let known = LOG.iter().find(|(name, _)| *name == key).ok_or_else(|| unknown("log", key))?;
    if value == known.1 {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{key} cannot be changed while the server runs: what it logs is said at its start by `log.level`."
    )))
}

fn unknown(what: &str, key: &str) -> Error {
    Error::invalid(format!("There is no {what} setting {key:?}."))
}
