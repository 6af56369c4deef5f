//! CopyObject and UploadPartCopy.

use super::{
    super::{copy::CopyOptions, multipart::PartTaken, part_copy::PartSource, service::Service},
    convert::{self, set_checksums, traits},
    guard::admitted,
    lifecycle, lock, refuse, sse,
};
use s3s::{S3ErrorCode, S3Request, S3Result, dto::*};

pub async fn object(service: &Service, request: S3Request<CopyObjectInput>) -> S3Result<CopyObjectOutput> {
    let (input, headers) = (request.input, request.headers);
    let (wish, customer) = (sse::wish!(input)?, sse::customer!(input)?);
    let (from, source_key, version) = convert::copy_source(input.copy_source)?;
    let replace = input.metadata_directive.as_ref().is_some_and(|d| d.as_str() == MetadataDirective::REPLACE);
    let replace_tags =
        input.tagging_directive.as_ref().is_some_and(|d| d.as_str() == TaggingDirective::REPLACE);
    let target = service.bucket(&input.bucket).await.map_err(convert::error)?;
    let mut traits = traits!(input);
    let retention = (input.object_lock_mode.as_ref(), input.object_lock_retain_until_date.as_ref());
    lock::lock_new(&target, retention, input.object_lock_legal_hold_status.as_ref(), &mut traits)?;
    admitted(&request.extensions).mark(&mut traits);
    let options = CopyOptions {
        version,
        traits,
        replace,
        replace_tags,
        source: convert::read_condition(
            input.copy_source_if_match,
            input.copy_source_if_none_match,
            input.copy_source_if_modified_since.as_ref(),
            input.copy_source_if_unmodified_since.as_ref(),
        ),
        condition: convert::condition_headers(&headers)?,
        wish,
        customer: sse::source_customer!(input)?,
    };
    let source = service.bucket(&from).await.map_err(convert::error)?;
    let copied = service
        .copy((&from, &source_key), (&input.bucket, &input.key), options)
        .await
        .map_err(convert::error)?;
    let info = copied.info;
    let mut result = CopyObjectResult {
        e_tag: Some(convert::etag(&info.etag)),
        last_modified: Some(convert::timestamp(info.last_modified_ms)),
        checksum_type: convert::checksum_type(&info.checksums),
        ..Default::default()
    };
    set_checksums!(result, &info.checksums.values);
    let mut output = CopyObjectOutput {
        copy_object_result: Some(result),
        copy_source_version_id: convert::version_id(&source, copied.source),
        expiration: lifecycle::expiration(&target, &info),
        version_id: convert::made_version(&target, info.version),
        ssekms_encryption_context: input.ssekms_encryption_context,
        ..Default::default()
    };
    sse::tell!(output, sse::told(&info.traits, customer.as_ref()));
    Ok(output)
}

pub async fn part(service: &Service, input: UploadPartCopyInput) -> S3Result<UploadPartCopyOutput> {
    let (customer, source_customer) = (sse::customer!(input)?, sse::source_customer!(input)?);
    let (bucket, key, version) = convert::copy_source(input.copy_source)?;
    let from = service.bucket(&bucket).await.map_err(convert::error)?;
    let range = input.copy_source_range.as_deref().map(source_range).transpose()?;
    let source = PartSource {
        bucket,
        key,
        version,
        range,
        condition: convert::read_condition(
            input.copy_source_if_match,
            input.copy_source_if_none_match,
            input.copy_source_if_modified_since.as_ref(),
            input.copy_source_if_unmodified_since.as_ref(),
        ),
        customer: source_customer,
    };
    let at = (input.bucket.as_str(), input.key.as_str(), input.upload_id.as_str());
    let number = u32::try_from(input.part_number).unwrap_or(0);
    let copied = service.part_copy(at, number, source, customer.as_ref()).await.map_err(convert::error)?;
    let (PartTaken { upload, part, .. }, version) = copied;
    let mut result = CopyPartResult {
        e_tag: Some(convert::etag(&part.etag)),
        last_modified: Some(convert::timestamp(part.modified_ms)),
        ..Default::default()
    };
    set_checksums!(result, upload.algorithm.iter().zip(&part.checksum));
    let mut output = UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: convert::version_id(&from, version),
        ..Default::default()
    };
    sse::tell!(output, sse::told(&upload.traits, customer.as_ref()));
    Ok(output)
}

/// `bytes=first-last`, both given, as this header alone demands.
fn source_range(text: &str) -> S3Result<std::ops::Range<u64>> {
    let parse = || {
        let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last).then_some(first..last.checked_add(1)?)
    };
    parse().ok_or_else(|| {
        let message = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last \
                       are the zero-based offsets of the first and last bytes to copy";
        refuse(S3ErrorCode::InvalidArgument, message)
    })
}
