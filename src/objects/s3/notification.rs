//! Notification configuration of a bucket.

use super::{
    super::{notify::filter, service::Service, settings::Setting},
    convert, setting,
};
use crate::kernel::id;
use s3s::{S3Result, dto::*};

impl Setting for NotificationConfiguration {
    const NAME: &'static str = "notification";
}

pub async fn get(
    service: &Service,
    input: GetBucketNotificationConfigurationInput,
) -> S3Result<GetBucketNotificationConfigurationOutput> {
    let config = setting::get::<NotificationConfiguration>(service, &input.bucket).await?;
    let config = config.map(|config| (*config).clone()).unwrap_or_default();
    Ok(GetBucketNotificationConfigurationOutput {
        event_bridge_configuration: config.event_bridge_configuration,
        lambda_function_configurations: config.lambda_function_configurations,
        queue_configurations: config.queue_configurations,
        topic_configurations: config.topic_configurations,
    })
}

/// An empty configuration ends all notifications.
pub async fn put(
    service: &Service,
    input: PutBucketNotificationConfigurationInput,
) -> S3Result<PutBucketNotificationConfigurationOutput> {
    let mut config = input.notification_configuration;
    filter::check(&config).map_err(setting::argument)?;
    let destinations = filter::destinations(&config).map_err(|arn| {
        setting::argument(format!(
            "Unable to validate the following destination configurations: {arn} is neither \
             arn:crannog:sqs:::webhook/NAME nor arn:crannog:sqs:::pipeline/NAME"
        ))
    })?;
    name_all(&mut config);
    let check = input.skip_destination_validation != Some(true);
    service
        .notification_put(&input.bucket, config, destinations.into_iter().collect(), check)
        .await
        .map_err(convert::error)?;
    Ok(PutBucketNotificationConfigurationOutput::default())
}

/// Gives an id to every line that came without one.
fn name_all(config: &mut NotificationConfiguration) {
    let ids = config
        .queue_configurations
        .iter_mut()
        .flatten()
        .map(|one| &mut one.id)
        .chain(config.topic_configurations.iter_mut().flatten().map(|one| &mut one.id))
        .chain(config.lambda_function_configurations.iter_mut().flatten().map(|one| &mut one.id));
    for id in ids {
        id.get_or_insert_with(id::hex32);
    }
}
