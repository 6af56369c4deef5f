//! Logs: one sentence plus fields, on standard error, as text or as JSON lines.

use super::error::{Error, Result};
use tracing_subscriber::{EnvFilter, fmt, prelude::*};

/// Starts logging for the process. `level` is a `tracing` filter such as `info` or `crannog=debug`.
pub fn init(level: &str, json: bool) -> Result<()> {
    let filter = EnvFilter::try_new(level).map_err(|error| {
        Error::invalid(format!(
            "log.level = {level:?} is not a log filter: {error}. Use error, warn, info, debug or trace."
        ))
    })?;
    // s3s calls every refused request an error, twice; what is our fault the S3 door logs itself.
    let filter = match level.contains("s3s") {
        true => filter,
        false => filter.add_directive("s3s=off".parse().map_err(Error::internal)?),
    };
    let registry = tracing_subscriber::registry().with(filter);
    let out = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let done = if json {
        registry.with(out.json().flatten_event(true)).try_init()
    } else {
        registry.with(out.with_ansi(colour())).try_init()
    };
    done.map_err(Error::internal)
}

fn colour() -> bool {
    use std::io::IsTerminal;
    std::env::var_os("NO_COLOR").is_none() && std::io::stderr().is_terminal()
}
