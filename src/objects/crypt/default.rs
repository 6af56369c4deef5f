//! The encryption a bucket gives to what asks for none.

use super::Wish;
use crate::{kernel::error::Result, objects::model::Bucket};
use s3s::dto::{ServerSideEncryption, ServerSideEncryptionConfiguration};

pub fn default_wish(bucket: &Bucket) -> Result<Option<Wish>> {
    let Some(configuration) = bucket.settings.get::<ServerSideEncryptionConfiguration>()? else {
        return Ok(None);
    };
    let wish = configuration.rules.iter().find_map(|rule| {
        let default = rule.apply_server_side_encryption_by_default.as_ref()?;
        Some(match default.sse_algorithm.as_str() {
            ServerSideEncryption::AES256 => Wish::Server,
            _ => Wish::Kms {
                key: default.kms_master_key_id.clone(),
                context: None,
                bucket_key: rule.bucket_key_enabled == Some(true),
            },
        })
    });
    Ok(wish)
}
