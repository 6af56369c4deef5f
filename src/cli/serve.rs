//! `crannog serve`: configuration, logs, then the start list in `app`.

use super::{
    Failure, Global,
    settings::{Settings, effective},
};
use crate::{
    app,
    kernel::{config::LogFormat, telemetry},
};

pub fn run(global: &Global, settings: &Settings) -> Result<(), Failure> {
    let effective = effective(global, settings)?;
    let log = &effective.config.log;
    telemetry::init(&log.level, log.format == LogFormat::Json)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // A blocking thread keeps its stack: a burst of reads must not leave hundreds of them behind.
        .max_blocking_threads(64)
        .thread_name("crannog")
        .build()
        .map_err(|error| Failure::failed(format!("the runtime does not start: {error}")))?;
    let outcome = runtime.block_on(app::serve(&effective));
    // A blocking read that hangs on a dead disk must not keep the process alive.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    Ok(outcome?)
}
