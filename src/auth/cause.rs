//! What work is done for, beyond its user: the label of the token or key it came with, where that was
//! issued to something that acts by itself, such as a run of a pipeline. Who starts something because of
//! an event learns by it whether the event was its own doing.

use std::{future::Future, sync::Arc};

tokio::task_local! {
    static CAUSE: Arc<str>;
}

/// Runs `work` as caused by what bears this label.
pub async fn caused_by<T>(label: Arc<str>, work: impl Future<Output = T>) -> T {
    CAUSE.scope(label, work).await
}

/// The label behind the work that is being done now.
pub fn cause() -> Option<Arc<str>> {
    CAUSE.try_with(Arc::clone).ok()
}
