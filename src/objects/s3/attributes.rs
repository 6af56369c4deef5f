//! GetObjectAttributes.

use super::{
    super::{digest::Checksums, model::PartInfo, service::Service},
    convert::{self, set_checksums},
    list::page_size,
    object::signed,
    sse,
};
use s3s::{S3Result, dto::*};

pub async fn get(service: &Service, input: GetObjectAttributesInput) -> S3Result<GetObjectAttributesOutput> {
    let version = convert::version(input.version_id.as_deref())?;
    let bucket = service.bucket(&input.bucket).await.map_err(convert::error)?;
    let info = service.head_version(&input.bucket, &input.key, version).await.map_err(convert::error)?;
    sse::check_key(info.traits.seal.as_ref(), sse::customer!(input)?.as_ref())?;
    // One header may name several, and s3s leaves it whole.
    let named = |name: &str, list: &str| list.split(',').any(|one| one.trim() == name);
    let asked = |name: &str| input.object_attributes.iter().any(|list| named(name, list.as_str()));
    let mut output = GetObjectAttributesOutput {
        last_modified: Some(convert::timestamp(info.last_modified_ms)),
        version_id: convert::version_id(&bucket, info.version),
        e_tag: asked("ETag").then(|| convert::etag(&info.etag)),
        object_size: asked("ObjectSize").then(|| signed(info.size)),
        storage_class: asked("StorageClass")
            .then(|| info.traits.class.clone().unwrap_or_else(|| "STANDARD".into()).into()),
        ..Default::default()
    };
    if asked("Checksum") && !info.checksums.values.is_empty() {
        let mut checksum =
            Checksum { checksum_type: convert::checksum_type(&info.checksums), ..Default::default() };
        set_checksums!(checksum, &info.checksums.values);
        output.checksum = Some(checksum);
    }
    if let Some(parts) = info.parts.as_ref().filter(|_| asked("ObjectParts")) {
        let page = (input.part_number_marker.unwrap_or(0), page_size(input.max_parts)?);
        output.object_parts = Some(parts_of(parts, &info.checksums, page));
    }
    Ok(output)
}

fn parts_of(parts: &[PartInfo], sums: &Checksums, (after, limit): (i32, i32)) -> GetObjectAttributesParts {
    let algorithm = sums.values.first().map(|(algorithm, _)| *algorithm);
    let wire = |part: &PartInfo| {
        let mut wire = ObjectPart {
            part_number: Some(part.number() as i32),
            size: Some(signed(part.size())),
            ..Default::default()
        };
        set_checksums!(wire, algorithm.into_iter().zip(part.checksum().map(str::to_owned)));
        wire
    };
    let rest: Vec<&PartInfo> = parts.iter().filter(|part| part.number() as i32 > after).collect();
    let shown: Vec<ObjectPart> = rest.iter().take(limit as usize).map(|part| wire(part)).collect();
    GetObjectAttributesParts {
        is_truncated: Some(shown.len() < rest.len()),
        max_parts: Some(limit),
        part_number_marker: Some(after),
        next_part_number_marker: shown.last().and_then(|part| part.part_number),
        parts: Some(shown),
        total_parts_count: Some(parts.len() as i32),
    }
}
