//! The UI's answers, asked through its router.

use axum::body::{Body, to_bytes};
use axum::response::Response;
use http::Request;
use tower::ServiceExt;

async fn get(path: &str, etag: Option<&str>) -> Response {
    let mut request = Request::builder().uri(path);
    if let Some(etag) = etag {
        request = request.header("if-none-match", etag);
    }
    super::router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn text(response: Response) -> String {
    String::from_utf8(to_bytes(response.into_body(), 1 << 24).await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn every_page_is_the_document_with_its_policy() {
    for path in
        ["/", "/runs/abc", "/data/datasets/a/b.csv", "/endpoints/flights", "/settings/users", "/docs/index"]
    {
        let response = get(path, None).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-security-policy"], super::CONTENT_SECURITY_POLICY);
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert_eq!(response.headers()["cache-control"], "no-cache");
        assert!(text(response).await.contains("<div id=\"app\">"), "{path}");
    }
}

#[tokio::test]
async fn assets_named_by_content_are_kept_and_the_rest_is_asked_for_again() {
    let page = text(get("/", None).await).await;
    let start = page.find("/assets/").expect("the document names its script");
    let script: String = page[start..].chars().take_while(|c| *c != '"').collect();
    let response = get(&script, None).await;
    assert_eq!(response.status(), 200);
    assert!(response.headers()["cache-control"].to_str().unwrap().contains("immutable"));

    let etag = get("/", None).await.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(get("/", Some(&etag)).await.status(), 304);
    assert_eq!(get("/", Some("\"other\"")).await.status(), 200);
}

#[tokio::test]
async fn what_is_not_a_page_is_not_found() {
    for path in ["/assets/none.js", "/assets/../index.html", "/api/2.0/mlflow/nonsense", "/wp-login.php"] {
        assert_eq!(get(path, None).await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn the_document_has_no_inline_script_and_names_no_other_host() {
    let page = text(get("/", None).await).await;
    for tag in page.split("<script").skip(1) {
        assert!(tag.split('>').next().unwrap().contains("src=\"/"), "inline script: {tag}");
    }
    assert!(!page.contains("http://") && !page.contains("https://"));
}
