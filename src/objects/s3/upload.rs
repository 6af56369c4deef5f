//! Multipart operations.

use super::{
    super::{
        digest::{Algorithm, ChecksumKind},
        model::{Part as StoredPart, PutOptions, Upload},
        multipart::{Completion, ListedPart},
        service::Service,
        store::list::common_prefix,
    },
    convert::{self, Claims, encode, get_checksums, set_checksums, traits},
    guard::admitted,
    lifecycle,
    list::{is_url, page_size},
    lock, refuse, sse,
};
use http::StatusCode;
use s3s::{S3ErrorCode, S3Request, S3Response, S3Result, dto::*};

pub async fn create(
    service: &Service,
    request: S3Request<CreateMultipartUploadInput>,
) -> S3Result<CreateMultipartUploadOutput> {
    let admitted = admitted(&request.extensions);
    let input = request.input;
    let (wish, customer) = (sse::wish!(input)?, sse::customer!(input)?);
    let algorithm = input.checksum_algorithm.as_ref().map(|a| convert::algorithm(a.as_str())).transpose()?;
    let checksum = match algorithm {
        Some(algorithm) => Some((algorithm, kind(algorithm, input.checksum_type.as_ref())?)),
        None => None,
    };
    let bucket = service.bucket(&input.bucket).await.map_err(convert::error)?;
    let mut traits = traits!(input);
    let retention = (input.object_lock_mode.as_ref(), input.object_lock_retain_until_date.as_ref());
    lock::lock_new(&bucket, retention, input.object_lock_legal_hold_status.as_ref(), &mut traits)?;
    admitted.mark(&mut traits);
    let options = PutOptions { traits, wish, ..PutOptions::default() };
    let upload =
        service.upload_create(&input.bucket, &input.key, options, checksum).await.map_err(convert::error)?;
    let bucket = service.bucket(&input.bucket).await.map_err(convert::error)?;
    let (abort_date, abort_rule_id) = lifecycle::abort(&bucket, &upload).unzip();
    let mut output = CreateMultipartUploadOutput {
        abort_date,
        abort_rule_id,
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(upload.id.clone()),
        checksum_algorithm: wire_algorithm(&upload),
        checksum_type: wire_kind(&upload),
        ssekms_encryption_context: input.ssekms_encryption_context,
        ..Default::default()
    };
    sse::tell!(output, sse::told(&upload.traits, customer.as_ref()));
    Ok(output)
}

/// CRC64NVME is of the whole object, the SHAs are of the parts; the two others can be either.
fn kind(algorithm: Algorithm, asked: Option<&ChecksumType>) -> S3Result<ChecksumKind> {
    match (asked.map(|kind| kind.as_str()), algorithm) {
        (None | Some("FULL_OBJECT"), Algorithm::Crc64Nvme) => Ok(ChecksumKind::Full),
        (Some("FULL_OBJECT"), _) if algorithm.joins() => Ok(ChecksumKind::Full),
        (None | Some("COMPOSITE"), _) if algorithm != Algorithm::Crc64Nvme => Ok(ChecksumKind::Composite),
        (Some(asked), _) => Err(refuse(
            S3ErrorCode::InvalidRequest,
            format!(
                "The {asked} checksum type cannot be used with the {} checksum algorithm.",
                algorithm.name()
            ),
        )),
        (None, _) => Ok(ChecksumKind::Full),
    }
}

pub async fn part(service: &Service, request: S3Request<UploadPartInput>) -> S3Result<UploadPartOutput> {
    let (input, headers) = (request.input, request.headers);
    let customer = sse::customer!(input)?;
    let promise = convert::promise(Claims {
        length: input.content_length,
        algorithm: input.checksum_algorithm.as_ref().map(|a| a.as_str()),
        headers: &headers,
        trailers: request.trailing_headers,
    })?;
    let at = (input.bucket.as_str(), input.key.as_str(), input.upload_id.as_str());
    let number = u32::try_from(input.part_number).unwrap_or(0);
    let taken = service
        .part_put(at, number, convert::body(input.body), promise, customer.as_ref())
        .await
        .map_err(|error| convert::with_status(convert::error(error), StatusCode::BAD_REQUEST))?;
    let mut output = UploadPartOutput { e_tag: Some(convert::etag(&taken.part.etag)), ..Default::default() };
    set_checksums!(output, &taken.checksums);
    sse::tell!(output, sse::told(&taken.upload.traits, customer.as_ref()));
    Ok(output)
}

pub async fn complete(
    service: &Service,
    input: CompleteMultipartUploadInput,
) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
    let customer = sse::customer!(input)?;
    let checksums = get_checksums!(input);
    let listed = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
    let completion = Completion {
        parts: listed.into_iter().map(listed_part).collect::<S3Result<_>>()?,
        condition: convert::write_condition(input.if_match, input.if_none_match),
        checksums,
        size: input.mpu_object_size.and_then(|size| u64::try_from(size).ok()),
        customer: customer.clone(),
    };
    let info = service
        .upload_complete(&input.bucket, &input.key, &input.upload_id, completion)
        .await
        .map_err(convert::error)?;
    let bucket = service.bucket(&input.bucket).await.map_err(convert::error)?;
    let mut output = CompleteMultipartUploadOutput {
        expiration: lifecycle::expiration(&bucket, &info),
        version_id: convert::made_version(&bucket, info.version),
        location: Some(format!("/{}/{}", input.bucket, encode(&input.key, true))),
        bucket: Some(input.bucket),
        key: Some(input.key),
        e_tag: Some(convert::etag(&info.etag)),
        checksum_type: convert::checksum_type(&info.checksums),
        ..Default::default()
    };
    set_checksums!(output, &info.checksums.values);
    if let Some(told) = sse::told(&info.traits, customer.as_ref()) {
        output.server_side_encryption = told.algorithm;
        output.ssekms_key_id = told.kms_key;
        output.bucket_key_enabled = told.bucket_key;
    }
    let mut response = S3Response::new(output);
    sse::tell_customer(&mut response.headers, &info.traits, customer.as_ref());
    Ok(response)
}

fn listed_part(part: CompletedPart) -> S3Result<ListedPart> {
    let malformed = || refuse(S3ErrorCode::MalformedXML, "Every part needs its PartNumber and ETag.");
    let checksums = get_checksums!(part);
    Ok(ListedPart {
        number: part.part_number.and_then(|number| u32::try_from(number).ok()).ok_or_else(malformed)?,
        etag: part.e_tag.ok_or_else(malformed)?.into_value(),
        checksums,
    })
}

pub async fn abort(
    service: &Service,
    input: AbortMultipartUploadInput,
) -> S3Result<AbortMultipartUploadOutput> {
    service.upload_abort(&input.bucket, &input.key, &input.upload_id).await.map_err(convert::error)?;
    Ok(AbortMultipartUploadOutput::default())
}

pub async fn parts(service: &Service, input: ListPartsInput) -> S3Result<ListPartsOutput> {
    let limit = page_size(input.max_parts)?;
    let after = input.part_number_marker.and_then(|marker| u32::try_from(marker).ok()).unwrap_or(0);
    let (upload, mut parts) = service
        .part_list(&input.bucket, &input.key, &input.upload_id, after, limit as usize + 1)
        .await
        .map_err(convert::error)?;
    let more = parts.len() > limit as usize;
    parts.truncate(limit as usize);
    let bucket = service.bucket(&input.bucket).await.map_err(convert::error)?;
    let (abort_date, abort_rule_id) = lifecycle::abort(&bucket, &upload).unzip();
    Ok(ListPartsOutput {
        abort_date,
        abort_rule_id,
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        part_number_marker: Some(after as i32),
        next_part_number_marker: parts.last().map(|part| part.number as i32),
        max_parts: Some(limit),
        is_truncated: Some(more),
        checksum_algorithm: wire_algorithm(&upload),
        checksum_type: wire_kind(&upload),
        storage_class: Some(class(&upload)),
        owner: Some(convert::owner(&upload.traits.owner)),
        initiator: Some(initiator(&upload)),
        parts: Some(parts.into_iter().map(|part| wire_part(part, &upload)).collect()),
        ..Default::default()
    })
}

fn wire_part(part: StoredPart, upload: &Upload) -> Part {
    let mut wire = Part {
        e_tag: Some(convert::etag(&part.etag)),
        last_modified: Some(convert::timestamp(part.modified_ms)),
        part_number: Some(part.number as i32),
        size: Some(i64::try_from(part.size).unwrap_or(i64::MAX)),
        ..Default::default()
    };
    set_checksums!(wire, upload.algorithm.iter().zip(&part.checksum));
    wire
}

pub async fn list(
    service: &Service,
    input: ListMultipartUploadsInput,
) -> S3Result<ListMultipartUploadsOutput> {
    let url = is_url(input.encoding_type.as_ref())?;
    let limit = page_size(input.max_uploads)?;
    let prefix = input.prefix.clone().unwrap_or_default();
    let marker = input.key_marker.clone().unwrap_or_default();
    // Without an upload id the marker means: behind all uploads of that key.
    let behind = input.upload_id_marker.clone().filter(|id| !id.is_empty()).unwrap_or_else(|| "~".to_owned());
    let from = if marker.is_empty() { Default::default() } else { (marker.clone(), behind) };
    let walk = Walk {
        prefix: &prefix,
        delimiter: input.delimiter.as_deref(),
        marker: &marker,
        limit: limit as usize,
    };
    let page = walk.run(service, &input.bucket, from).await?;
    Ok(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        key_marker: Some(encode(&marker, url)),
        upload_id_marker: input.upload_id_marker,
        next_key_marker: page.next.as_ref().map(|next| encode(&next.0, url)),
        next_upload_id_marker: page.next.as_ref().map(|next| next.1.clone()),
        is_truncated: Some(page.next.is_some()),
        max_uploads: Some(limit),
        prefix: Some(encode(&prefix, url)),
        delimiter: input.delimiter.map(|delimiter| encode(&delimiter, url)),
        encoding_type: input.encoding_type,
        uploads: Some(page.uploads.into_iter().map(|upload| wire_upload(upload, url)).collect()),
        common_prefixes: Some(
            page.prefixes.iter().map(|p| CommonPrefix { prefix: Some(encode(p, url)) }).collect(),
        ),
        ..Default::default()
    })
}

struct Walk<'a> {
    prefix: &'a str,
    delimiter: Option<&'a str>,
    marker: &'a str,
    limit: usize,
}

#[derive(Default)]
struct UploadPage {
    uploads: Vec<Upload>,
    prefixes: Vec<String>,
    next: Option<(String, String)>,
}

impl Walk<'_> {
    async fn run(&self, service: &Service, bucket: &str, mut from: (String, String)) -> S3Result<UploadPage> {
        let mut page = UploadPage::default();
        let mut last = from.clone();
        loop {
            let found = service.upload_list(bucket, self.prefix, from, 1000).await.map_err(convert::error)?;
            let Some(end) = found.last() else { return Ok(page) };
            from = (end.key.clone(), end.id.clone());
            for upload in found {
                let delimiter = self.delimiter.filter(|delimiter| !delimiter.is_empty());
                let common = common_prefix(&upload.key, self.prefix, delimiter).map(str::to_owned);
                let known = |common: &String| common == self.marker || page.prefixes.last() == Some(common);
                if common.as_ref().is_some_and(known) {
                    continue;
                }
                if page.uploads.len() + page.prefixes.len() >= self.limit {
                    page.next = Some(last).filter(|_| self.limit > 0);
                    return Ok(page);
                }
                match common {
                    Some(common) => {
                        last = (common.clone(), String::new());
                        page.prefixes.push(common);
                    }
                    None => {
                        last = (upload.key.clone(), upload.id.clone());
                        page.uploads.push(upload);
                    }
                }
            }
        }
    }
}

fn wire_upload(upload: Upload, url: bool) -> MultipartUpload {
    MultipartUpload {
        checksum_algorithm: wire_algorithm(&upload),
        checksum_type: wire_kind(&upload),
        initiated: Some(convert::timestamp(upload.created_ms)),
        key: Some(encode(&upload.key, url)),
        owner: Some(convert::owner(&upload.traits.owner)),
        initiator: Some(initiator(&upload)),
        storage_class: Some(class(&upload)),
        upload_id: Some(upload.id),
    }
}

/// Who began an upload owns what it becomes.
fn initiator(upload: &Upload) -> Initiator {
    let Owner { display_name, id } = convert::owner(&upload.traits.owner);
    Initiator { display_name, id }
}

fn class(upload: &Upload) -> StorageClass {
    upload.traits.class.clone().unwrap_or_else(|| "STANDARD".into()).into()
}

fn wire_algorithm(upload: &Upload) -> Option<ChecksumAlgorithm> {
    upload.algorithm.map(|algorithm| ChecksumAlgorithm::from_static(algorithm.name()))
}

fn wire_kind(upload: &Upload) -> Option<ChecksumType> {
    upload.algorithm.map(|_| ChecksumType::from_static(convert::kind(upload.checksum_kind)))
}
