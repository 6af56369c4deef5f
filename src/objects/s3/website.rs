//! Websites: the setting of a bucket, and what answers on `BUCKET.s3-website.HOST`: pages for
//! everybody whom the bucket lets read, an error page for what is missing, redirects.

use super::{
    super::{service::Service, settings::Setting, website},
    refuse, setting,
};
use s3s::{S3ErrorCode, S3Result, dto::*};

impl Setting for WebsiteConfiguration {
    const NAME: &'static str = "website";
}

pub async fn get(service: &Service, input: GetBucketWebsiteInput) -> S3Result<GetBucketWebsiteOutput> {
    let config = setting::get::<WebsiteConfiguration>(service, &input.bucket).await?;
    let config = config.ok_or_else(|| {
        let message = "The specified bucket does not have a website configuration";
        refuse(S3ErrorCode::NoSuchWebsiteConfiguration, message)
    })?;
    let config = (*config).clone();
    Ok(GetBucketWebsiteOutput {
        error_document: config.error_document,
        index_document: config.index_document,
        redirect_all_requests_to: config.redirect_all_requests_to,
        routing_rules: config.routing_rules,
    })
}

pub async fn put(service: &Service, input: PutBucketWebsiteInput) -> S3Result<PutBucketWebsiteOutput> {
    website::check(&input.website_configuration).map_err(setting::argument)?;
    setting::put(service, &input.bucket, &input.website_configuration).await?;
    Ok(PutBucketWebsiteOutput::default())
}

pub async fn delete(
    service: &Service,
    input: DeleteBucketWebsiteInput,
) -> S3Result<DeleteBucketWebsiteOutput> {
    setting::delete::<WebsiteConfiguration>(service, &input.bucket).await?;
    Ok(DeleteBucketWebsiteOutput::default())
}
