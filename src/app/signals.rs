//! The signals that stop the server. The first asks, the second insists.
//!
//! Handlers are installed explicitly: as process 1 of a container nothing is handled by default, and
//! a SIGTERM would be ignored.

use crate::kernel::error::Result;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that fires at the first SIGTERM or SIGINT; a second signal ends the process at once.
pub fn stop_token() -> Result<CancellationToken> {
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let fired = stop.clone();
    tokio::spawn(async move {
        let name = next(&mut term, &mut interrupt).await;
        tracing::info!(signal = name, "stopping; a second signal ends the process at once");
        fired.cancel();
        let name = next(&mut term, &mut interrupt).await;
        tracing::warn!(signal = name, "ended at once; acknowledged writes are safe");
        std::process::exit(1);
    });
    Ok(stop)
}

async fn next(term: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
