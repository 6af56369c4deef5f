//! Delivery of the registry's notices, from the outbox of its database.

use super::{KIND, Webhooks, payload::Letter, store};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Kind, Result},
        hook,
        tasks::Tasks,
    },
    registry::Service,
    store::outbox::{Carrier, Courier, Notice, Outcome, To},
};
use http::{HeaderMap, HeaderValue, StatusCode};

/// Starts the delivery of notices as a background task.
pub fn start(webhooks: &Webhooks, registry: &Service, tasks: &Tasks) {
    let carrier = Notices(webhooks.clone());
    let only = Some(KIND);
    Courier { db: webhooks.db().clone(), bell: registry.bell(), carrier, only }
        .start(tasks, "registry notices");
}

struct Notices(Webhooks);

#[async_trait::async_trait]
impl Carrier for Notices {
    async fn carry(&self, to: &To, notice: &Notice) -> Outcome {
        match self.tell(to, notice).await {
            Ok(answer) if answer.status.is_success() => Outcome::Taken,
            Ok(answer) => {
                let why = format!("The webhook answered {}.", answer.status);
                if is_passing(answer.status) {
                    Outcome::Again { why, after: answer.wait }
                } else {
                    Outcome::Never { why }
                }
            }
            Err(error) if error.kind == Kind::NotFound => Outcome::Never { why: error.message },
            Err(error) => Outcome::Again { why: error.message, after: None },
        }
    }
}

impl Notices {
    async fn tell(&self, to: &To, notice: &Notice) -> Result<hook::Answer> {
        debug_assert_eq!(to.kind, KIND);
        let id = to.name.clone();
        let webhook = self.0.db().read(move |c| store::webhook_get(c, &id)).await?;
        if !webhook.active {
            return Err(Error::not_found("The webhook was disabled."));
        }
        self.0.send(&webhook, &notice.body).await
    }
}

/// A receiver that is busy or broken is asked again; one that understood and refused is not.
fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

/// The headers and the body of one attempt.
pub fn request(secret: Option<&str>, notice: &str) -> Result<(HeaderMap, String)> {
    let Letter { id, body } = serde_json::from_str(notice).map_err(Error::internal)?;
    let at_s = now_ms().div_euclid(1000);
    let mut headers = HeaderMap::new();
    let mut put = |name: &'static str, value: String| {
        let value = HeaderValue::try_from(value).map_err(Error::internal)?;
        headers.insert(name, value);
        Ok::<_, Error>(())
    };
    if let Some(secret) = secret {
        let signature = hook::signature(secret.as_bytes(), &id, at_s, &body);
        put("x-mlflow-signature", signature.ok_or_else(|| Error::internal("signing failed"))?)?;
    }
    put("x-mlflow-delivery-id", id)?;
    put("x-mlflow-timestamp", at_s.to_string())?;
    Ok((headers, body))
}
