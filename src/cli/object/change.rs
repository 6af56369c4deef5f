//! What changes objects without moving their bytes over the wire.

use super::{super::bucket::text, Client, Code, Failure, Place, bucket_path, listing, print};
use serde_json::{Map, Value, json};

/// For clap.
pub fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".into()),
    }
}

pub struct Deletion<'a> {
    pub recursive: bool,
    pub version: Option<&'a str>,
    pub versions: bool,
    pub bypass_governance: bool,
}

pub async fn delete(client: &Client, places: &[Place], how: &Deletion<'_>) -> Result<(), Failure> {
    if how.version.is_some() && places.len() > 1 {
        return Err(Failure::new(Code::Usage, "--version goes with one object"));
    }
    for place in places {
        let wanted = if how.recursive {
            json!({ "prefixes": [place.key], "versions": how.versions })
        } else {
            let place = place.object().map_err(|failure| failure.hint("--recursive deletes a folder"))?;
            if how.version.is_none() {
                // Deleting what is not there is fine to the server; a mistyped name is not to a person.
                client.get(&place.path("details", &[])).await?;
            }
            json!({ "objects": [{ "key": place.key, "version": how.version }] })
        };
        let mut wanted = wanted;
        wanted["bypass_governance"] = json!(how.bypass_governance);
        let outcome = client.post(&bucket_path(&place.bucket, "delete"), &wanted).await?;
        if let Some(first) = outcome["errors"].get(0) {
            let kept =
                format!("{} kept; {}: {}", outcome["refused"], text(&first["key"]), text(&first["detail"]));
            return Err(Failure::new(Code::Refused, kept));
        }
        if how.recursive {
            eprintln!("Deleted {} below {place}.", outcome["deleted"]);
        }
    }
    Ok(())
}

pub async fn restore(client: &Client, place: &Place, version: Option<&str>) -> Result<(), Failure> {
    let place = place.object()?;
    let Some(version) = version else {
        let found = listing::versions_of(client, place).await?;
        let marker = found.first().filter(|latest| latest["marker"] == true);
        let marker = marker.and_then(|latest| latest["version"].as_str()).ok_or_else(|| {
            Failure::new(Code::NotFound, format!("{place} was not deleted, or no version of it is kept"))
                .hint(format!("crannog object versions {}/{} lists what there is", place.bucket, place.key))
        })?;
        client.delete(&place.path("objects", &[("version", Some(marker))])).await?;
        eprintln!("{place} is back.");
        return Ok(());
    };
    let wanted = json!({ "key": place.key, "version": version, "to_key": place.key });
    client.post(&bucket_path(&place.bucket, "copy"), &wanted).await?;
    eprintln!("{place} is as in version {version} again.");
    Ok(())
}

pub async fn tag(
    client: &Client,
    place: &Place,
    (set, remove): (&[(String, String)], &[String]),
    version: Option<&str>,
) -> Result<(), Failure> {
    let path = place.object()?.path("details", &[("version", version)]);
    let now = client.get(&path).await?;
    let mut tags: Map<String, Value> = now["tags"].as_object().cloned().unwrap_or_default();
    if !set.is_empty() || !remove.is_empty() {
        tags.retain(|key, _| !remove.contains(key));
        tags.extend(set.iter().map(|(key, value)| (key.clone(), json!(value))));
        let changed = client.patch(&path, &json!({ "tags": tags })).await?;
        tags = changed["tags"].as_object().cloned().unwrap_or_default();
    }
    let lines: String = tags.iter().map(|(key, value)| format!("{key}={}\n", text(value))).collect();
    print(&lines)
}

pub async fn copy(
    client: &Client,
    (from, to): (&Place, &Place),
    version: Option<&str>,
    moves: bool,
) -> Result<(), Failure> {
    let from = from.object()?;
    let to_key = if to.is_folder() { format!("{}{}", to.key, from.name()) } else { to.key.clone() };
    let wanted = json!({
        "key": from.key, "version": version, "to_bucket": to.bucket, "to_key": to_key, "move": moves,
    });
    client.post(&bucket_path(&from.bucket, "copy"), &wanted).await?;
    eprintln!("{} {from} to {}.", if moves { "Moved" } else { "Copied" }, to.with_key(to_key));
    Ok(())
}

pub async fn presign(
    client: &Client,
    place: &Place,
    (expires, put): (u64, bool),
    version: Option<&str>,
) -> Result<(), Failure> {
    let method = if put { "PUT" } else { "GET" };
    let key = &place.object()?.key;
    let wanted = json!({ "key": key, "method": method, "version": version, "expires_s": expires });
    let link = client.post(&bucket_path(&place.bucket, "presign"), &wanted).await?;
    eprintln!("Lives until {}.", text(&link["expires_at"]));
    print(&format!("{}\n", text(&link["url"])))
}
