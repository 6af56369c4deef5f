//! The embedded files: which one answers a path, and how long the browser may keep it.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode, Uri};
use rust_embed::{EmbeddedFile, RustEmbed};

/// What `build.rs` made of `web/`.
#[derive(RustEmbed)]
#[folder = "web/dist/app"]
struct Files;

/// A file by its own name.
pub(super) async fn asset(uri: Uri, headers: HeaderMap) -> Response {
    let name = uri.path().trim_start_matches('/');
    match Files::get(name) {
        Some(file) => answer(name, &file, &headers),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The one document behind every page.
pub(super) async fn page(headers: HeaderMap) -> Response {
    match Files::get("index.html") {
        Some(file) => answer("index.html", &file, &headers),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn answer(name: &str, file: &EmbeddedFile, request: &HeaderMap) -> Response {
    let etag = format!("\"{}\"", hex::encode(&file.metadata.sha256_hash()[..16]));
    // Everything in assets/ has a digest in its name: other content would have another name.
    let cache = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let cached = [(ETAG, etag.clone()), (CACHE_CONTROL, cache.to_owned())];
    if knows(request, &etag) {
        return (StatusCode::NOT_MODIFIED, cached).into_response();
    }
    let body = Body::from(file.data.clone().into_owned());
    (cached, [(CONTENT_TYPE, content_type(file))], body).into_response()
}

fn knows(request: &HeaderMap, etag: &str) -> bool {
    let Some(known) = request.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()) else { return false };
    known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag)
}

fn content_type(file: &EmbeddedFile) -> String {
    let mime = file.metadata.mimetype();
    if mime.starts_with("text/") { format!("{mime}; charset=utf-8") } else { mime.to_owned() }
}
