//! Floor 8: the embedded web UI and offline documentation.
//!
//! `web/` is built by `build.rs` and lives inside the binary; nothing is read from disk or fetched
//! from elsewhere at run time. Every page is the same document: the browser routes by the real path.
//! Invariants: no inline script, no external request (the policy in `headers`), and only files whose
//! name carries a digest of their content may be cached without asking.

mod assets;
mod headers;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::routing::get;

pub use headers::CONTENT_SECURITY_POLICY;

/// The paths of pages. They are listed, rather than caught by a fallback, so that a mistyped API
/// path is a 404 and never a page of HTML.
const PAGES: [&str; 20] = [
    "/",
    "/experiments",
    "/experiments/{id}",
    "/runs/{id}",
    "/compare",
    "/traces/{id}",
    "/models",
    "/models/{name}",
    "/models/{name}/versions/{version}",
    "/pipelines",
    "/pipelines/{name}",
    "/pipeline-runs/{id}",
    "/endpoints",
    "/endpoints/{name}",
    "/data",
    "/data/{*path}",
    "/settings",
    "/settings/{section}",
    "/docs",
    "/docs/{page}",
];

/// The pages and their assets. Whoever may see them is decided by the layer around this router.
pub fn router() -> Router {
    let mut router = Router::new()
        .route("/assets/{*path}", get(assets::asset))
        .route("/favicon.svg", get(assets::asset))
        .route("/theme.js", get(assets::asset));
    for page in PAGES {
        router = router.route(page, get(assets::page));
    }
    router.layer(axum::middleware::map_response(headers::secure))
}
