//! A form's fields as the PutObject that would do the same.

use super::{
    super::{convert, refuse},
    fields::{Fields, argument},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::{
    S3ErrorCode, S3Result,
    dto::{Metadata, PutObjectInput, Tagging, Timestamp, TimestampFormat},
    xml,
};

const META: &str = "x-amz-meta-";

pub fn put_input(bucket: &str, key: &str, fields: &Fields) -> S3Result<PutObjectInput> {
    let text = |name: &str| fields.get(name).map(str::to_owned);
    let metadata: Metadata = fields
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(META)?.to_owned(), value.to_owned())))
        .collect();
    let until = fields.get("x-amz-object-lock-retain-until-date");
    let until = until.map(|text| time(TimestampFormat::DateTime, text)).transpose()?;
    let mut input = PutObjectInput::builder();
    input.set_bucket(bucket.to_owned());
    input.set_key(key.to_owned());
    input.set_acl(text("acl").map(Into::into));
    input.set_cache_control(text("cache-control"));
    input.set_checksum_algorithm(checksum_algorithm(fields).map(Into::into));
    input.set_content_disposition(text("content-disposition"));
    input.set_content_encoding(text("content-encoding"));
    input.set_content_language(text("content-language"));
    input.set_content_type(text("content-type"));
    input.set_expires(fields.get("expires").and_then(|text| time(TimestampFormat::HttpDate, text).ok()));
    input.set_metadata((!metadata.is_empty()).then_some(metadata));
    input.set_object_lock_legal_hold_status(text("x-amz-object-lock-legal-hold").map(Into::into));
    input.set_object_lock_mode(text("x-amz-object-lock-mode").map(Into::into));
    input.set_object_lock_retain_until_date(until);
    input.set_server_side_encryption(text("x-amz-server-side-encryption").map(Into::into));
    input.set_ssekms_key_id(text("x-amz-server-side-encryption-aws-kms-key-id"));
    input.set_ssekms_encryption_context(text("x-amz-server-side-encryption-context"));
    input.set_bucket_key_enabled(
        fields.get("x-amz-server-side-encryption-bucket-key-enabled").map(|value| value == "true"),
    );
    input.set_sse_customer_algorithm(text("x-amz-server-side-encryption-customer-algorithm"));
    input.set_sse_customer_key(text("x-amz-server-side-encryption-customer-key"));
    input.set_sse_customer_key_md5(text("x-amz-server-side-encryption-customer-key-md5"));
    input.set_storage_class(text("x-amz-storage-class").map(Into::into));
    input.set_tagging(text("x-amz-tagging"));
    input.set_website_redirect_location(text("x-amz-website-redirect-location"));
    input.build().map_err(|_| argument("The form has not what an upload needs."))
}

fn checksum_algorithm(fields: &Fields) -> Option<String> {
    ["x-amz-checksum-algorithm", "x-amz-sdk-checksum-algorithm"]
        .iter()
        .find_map(|name| fields.get(name))
        .map(str::to_owned)
}

fn time(format: TimestampFormat, text: &str) -> S3Result<Timestamp> {
    Timestamp::parse(format, text).map_err(|_| argument(format!("{text:?} is not a time.")))
}

/// The tags of a form are a document; those of a PUT are a query string in a header.
pub fn fold_tags(fields: &mut Fields) -> S3Result<()> {
    let Some(document) = fields.get("tagging") else { return Ok(()) };
    let tagging: Result<Tagging, _> = {
        let mut reader = xml::Deserializer::new(document.as_bytes());
        xml::Deserialize::deserialize(&mut reader)
    };
    let tagging = tagging.map_err(|_| {
        refuse(S3ErrorCode::MalformedXML, "The tagging field is not a well-formed Tagging document.")
    })?;
    let encode =
        |text: Option<String>| utf8_percent_encode(&text.unwrap_or_default(), NON_ALPHANUMERIC).to_string();
    let pairs = tagging.tag_set.into_iter().map(|tag| format!("{}={}", encode(tag.key), encode(tag.value)));
    let header = pairs.collect::<Vec<_>>().join("&");
    debug_assert_eq!(convert::tags(Some(&header)).len(), header.split('&').count());
    fields.set("x-amz-tagging", header);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_the_input_of_a_put() {
        let mut fields = Fields::default();
        for (name, value) in [
            ("x-amz-meta-a", "1"),
            ("content-type", "text/plain"),
            ("tagging", "<Tagging><TagSet><Tag><Key>a b</Key><Value>=&amp;</Value></Tag></TagSet></Tagging>"),
            ("x-amz-object-lock-mode", "GOVERNANCE"),
            ("x-amz-object-lock-retain-until-date", "2030-01-01T00:00:00Z"),
        ] {
            fields.set(name, value.to_owned());
        }
        fold_tags(&mut fields).unwrap();
        let input = put_input("b", "k", &fields).unwrap();
        assert_eq!(input.metadata.and_then(|all| all.get("a").cloned()).as_deref(), Some("1"));
        assert_eq!(input.content_type.as_deref(), Some("text/plain"));
        assert_eq!(convert::tags(input.tagging.as_deref()), [("a b".to_owned(), "=&".to_owned())]);
        assert!(input.object_lock_retain_until_date.is_some());
        fields.set("tagging", "<Tagging>".to_owned());
        assert!(fold_tags(&mut fields).is_err());
    }
}
