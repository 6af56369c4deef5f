//! Setting up notifications, and what waits to be told.

use super::{
    super::{service::Service, store},
    Destination, record,
};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
        id,
    },
    store::outbox,
};
use s3s::dto::NotificationConfiguration;

impl Service {
    /// Sets what a bucket tells to whom. Every destination must exist, and hears a test event, unless
    /// `check` is off.
    pub(in crate::objects) async fn notification_put(
        &self,
        bucket: &str,
        config: NotificationConfiguration,
        destinations: Vec<Destination>,
        check: bool,
    ) -> Result<()> {
        self.bucket(bucket).await?;
        if check {
            self.destinations_check(&destinations).await?;
        }
        self.setting_put(bucket, &config).await?;
        if check && !destinations.is_empty() {
            let body = record::test(bucket, now_ms(), &id::ordered()).to_string();
            let webhooks = destinations.into_iter().filter(|to| matches!(to, Destination::Webhook(_)));
            let webhooks: Vec<Destination> = webhooks.collect();
            self.db()
                .write(move |c| {
                    webhooks.iter().try_for_each(|to| store::notice::notice_put(c, to, &body, now_ms()))
                })
                .await?;
            self.bell().ring();
        }
        Ok(())
    }

    async fn destinations_check(&self, destinations: &[Destination]) -> Result<()> {
        let registered = self.webhook_list().await?;
        for destination in destinations {
            let known = match destination {
                Destination::Webhook(name) => registered.iter().any(|webhook| webhook.name == *name),
                Destination::Pipeline(name) => match self.starter() {
                    Some(starter) => starter.knows(name).await,
                    None => false,
                },
            };
            if !known {
                return Err(Error::invalid(format!(
                    "Unable to validate the following destination configurations: there is no {} {:?}.",
                    destination.kind(),
                    destination.name()
                )));
            }
        }
        Ok(())
    }

    /// What waits to be told, destination by destination.
    pub async fn notices_waiting(&self) -> Result<Vec<outbox::Waiting>> {
        self.db().read(outbox::waiting).await
    }
}
