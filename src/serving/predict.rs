//! The one way every prediction goes, whatever its protocol: a route is chosen, a core is waited for, the
//! model runs, the answer is counted.

use super::{
    call::{Answered, Call},
    endpoint::Endpoint,
    engine::NamedTensor,
    load::Loaded,
    service::Service,
};
use crate::kernel::error::{Error, Result};
use std::{sync::Arc, time::Instant};

impl Service {
    /// Asks the model that the endpoint chooses for this call. `read` makes the model's inputs of the request,
    /// and answers also how the outputs are written; both run on a thread that may block.
    pub async fn predict<T, R, W>(&self, endpoint: &Endpoint, call: Call, read: R) -> Result<Answered<T>>
    where
        T: Send + 'static,
        R: FnOnce(&Loaded) -> Result<(Vec<NamedTensor>, W)> + Send + 'static,
        W: FnOnce(&Loaded, &[NamedTensor]) -> Result<T> + Send + 'static,
    {
        let began = call.began;
        let outcome = self.try_predict(endpoint, call, read).await;
        endpoint.stats.count(began.elapsed(), outcome.is_ok());
        outcome
    }

    async fn try_predict<T, R, W>(&self, endpoint: &Endpoint, call: Call, read: R) -> Result<Answered<T>>
    where
        T: Send + 'static,
        R: FnOnce(&Loaded) -> Result<(Vec<NamedTensor>, W)> + Send + 'static,
        W: FnOnce(&Loaded, &[NamedTensor]) -> Result<T> + Send + 'static,
    {
        let (route, model) = endpoint.choose(&call)?;
        let asked = Arc::clone(&model);
        let work = move || {
            if call.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(Error::late("The request's time was over before a core was free for it."));
            }
            let (inputs, write) = read(&asked)?;
            let outputs = asked.model.infer(inputs)?;
            write(&asked, &outputs)
        };
        let answer = self.work(work).await?;
        Ok(Answered { answer, model, route })
    }
}
