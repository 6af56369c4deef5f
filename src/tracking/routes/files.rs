//! Sends one artifact as a download: streamed, with ranges, and never as a page of our own origin.

use crate::{kernel::error::Result, objects::ObjectInfo, tracking::Service};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::ops::Range;

/// Files that are text though their names say nothing MIME knows.
const TEXT_NAMES: [&str; 4] = ["mlmodel", "mlproject", "dockerfile", "license"];
const TEXT_EXTENSIONS: [&str; 16] = [
    "txt",
    "log",
    "err",
    "cfg",
    "conf",
    "cnf",
    "cf",
    "ini",
    "properties",
    "prop",
    "hocon",
    "toml",
    "yaml",
    "yml",
    "jsonnet",
    "md",
];

/// What a file is, by its name; failing that, what its sender says.
pub fn type_for(path: &str, headers: &HeaderMap) -> String {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    if TEXT_NAMES.contains(&name.as_str()) || TEXT_EXTENSIONS.contains(&extension) {
        return "text/plain".to_owned();
    }
    if let Some(known) = mime_guess::from_path(&name).first_raw() {
        return known.to_owned();
    }
    let sent = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    sent.unwrap_or("application/octet-stream").to_owned()
}

/// The artifact at `path`, or the part of it that the request's Range asks for.
pub async fn send(tracker: &Service, path: &str, headers: &HeaderMap) -> Result<Response> {
    let info = tracker.artifact_head(path).await?;
    let asked = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let (status, range) = match asked.and_then(|asked| range_in(asked, info.size)) {
        None => (StatusCode::OK, 0..info.size),
        Some(Ok(range)) => (StatusCode::PARTIAL_CONTENT, range),
        Some(Err(())) => {
            let total = format!("bytes */{}", info.size);
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, total)]).into_response());
        }
    };
    let stream = tracker.artifact_get(path, range.clone()).await?;
    let mut response = (status, Body::from_stream(stream)).into_response();
    describe(response.headers_mut(), path, &info, status, &range);
    Ok(response)
}

fn describe(headers: &mut HeaderMap, path: &str, info: &ObjectInfo, status: StatusCode, range: &Range<u64>) {
    let mut set = |name, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    };
    set(
        header::CONTENT_TYPE,
        info.traits.content_type.clone().unwrap_or_else(|| type_for(path, &HeaderMap::new())),
    );
    set(header::CONTENT_LENGTH, (range.end - range.start).to_string());
    set(header::CONTENT_DISPOSITION, attachment(path));
    set(header::ETAG, format!("\"{}\"", info.etag));
    set(header::ACCEPT_RANGES, "bytes".into());
    // A file that someone logged must not run as a page signed in to this server.
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff".into());
    set(header::CACHE_CONTROL, "no-cache".into());
    if status == StatusCode::PARTIAL_CONTENT {
        set(header::CONTENT_RANGE, format!("bytes {}-{}/{}", range.start, range.end - 1, info.size));
    }
}

/// RFC 6266: a plain name for old clients, quoted where it is no token, the exact one beside it when the
/// two differ.
pub(super) fn attachment(path: &str) -> String {
    /// What RFC 5987 leaves as it is.
    const EXACT: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'+').remove(b'!');
    let name = path.rsplit('/').next().unwrap_or(path);
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_graphic() && c != '"' && c != '\\' || c == ' ' { c } else { '_' })
        .collect();
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if plain == name && !name.is_empty() && name.chars().all(token) {
        format!("attachment; filename={name}")
    } else if plain == name {
        format!("attachment; filename=\"{plain}\"")
    } else {
        format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", utf8_percent_encode(name, EXACT))
    }
}

/// One range of bytes. `None` for what is not one range: the whole file is then a right answer.
fn range_in(asked: &str, size: u64) -> Option<Result<Range<u64>, ()>> {
    let (first, last) = asked.strip_prefix("bytes=")?.split_once('-')?;
    let range = match (first.trim().parse::<u64>(), last.trim()) {
        (Ok(first), "") => first..size,
        (Ok(first), last) => {
            let last: u64 = last.parse().ok()?;
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(size)
        }
        (Err(_), last) if first.trim().is_empty() => {
            let count: u64 = last.parse().ok()?;
            size.saturating_sub(count)..size
        }
        _ => return None,
    };
    Some(if range.start < range.end { Ok(range) } else { Err(()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(range_in("bytes=0-9", 100), Some(Ok(0..10)));
        assert_eq!(range_in("bytes=90-", 100), Some(Ok(90..100)));
        assert_eq!(range_in("bytes=-10", 100), Some(Ok(90..100)));
        assert_eq!(range_in("bytes=0-1000", 100), Some(Ok(0..100)));
        assert_eq!(range_in("bytes=100-", 100), Some(Err(())));
        assert_eq!(range_in("bytes=5-2", 100), None);
        assert_eq!(range_in("bytes=0-1,3-4", 100), None);
        assert_eq!(range_in("lines=1-2", 100), None);
    }

    #[test]
    fn types_and_names() {
        let none = HeaderMap::new();
        assert_eq!(type_for("a/MLmodel", &none), "text/plain");
        assert_eq!(type_for("a/conda.yaml", &none), "text/plain");
        assert_eq!(type_for("a/x.json", &none), "application/json");
        assert_eq!(type_for("a/model.unknown-thing", &none), "application/octet-stream");
        assert_eq!(attachment("a/b+c.txt"), "attachment; filename=b+c.txt");
        assert_eq!(attachment("a/b c.txt"), "attachment; filename=\"b c.txt\"");
        assert_eq!(attachment("é\".txt"), "attachment; filename=\"__.txt\"; filename*=UTF-8''%C3%A9%22.txt");
    }
}
