//! The S3 door as the Rust world meets it: the `object_store` crate, which DataFusion, Delta and Lance
//! keep their tables with, and which relies on conditional writes.

use super::support::TestServer;
use http_body_util::BodyExt;
use s3_client::{
    ClientOptions, Error, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
    UpdateVersion,
    aws::{AmazonS3, AmazonS3Builder, Checksum, S3CopyIfNotExists},
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
        HttpService,
    },
    path::Path,
};

const PART: usize = 5 << 20;

/// The crate's requests, sent by the HTTP client that is here already.
#[derive(Debug)]
struct Wire(reqwest::Client);

#[async_trait::async_trait]
impl HttpService for Wire {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let failed = |error: reqwest::Error| HttpError::new(HttpErrorKind::Request, error);
        let request = request.map(reqwest::Body::wrap).try_into().map_err(failed)?;
        let answer = http::Response::<reqwest::Body>::from(self.0.execute(request).await.map_err(failed)?);
        Ok(answer.map(|body| HttpResponseBody::new(body.map_err(failed))))
    }
}

#[derive(Debug)]
struct Plain;

impl HttpConnector for Plain {
    fn connect(&self, _: &ClientOptions) -> s3_client::Result<HttpClient> {
        let client = crannog::kernel::tls::Trust::plain().expect("a builder").build().expect("a client");
        Ok(HttpClient::new(Wire(client)))
    }
}

async fn store(server: &TestServer, bucket: &str) -> AmazonS3 {
    let wanted = serde_json::json!({ "name": bucket });
    let made = server.request("POST", "/api/crannog/v1/buckets").json(&wanted).send().await;
    assert!(made.expect("an answer").status().is_success());
    AmazonS3Builder::new()
        .with_endpoint(&server.s3)
        .with_allow_http(true)
        .with_http_connector(Plain)
        .with_region("us-crannog-1")
        .with_bucket_name(bucket)
        .with_access_key_id(&server.admin.access_key_id)
        .with_secret_access_key(&server.admin.secret_access_key)
        .with_checksum_algorithm(Checksum::SHA256)
        // A copy in parts, whose completion carries If-None-Match.
        .with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
        .build()
        .expect("a client")
}

async fn bytes(store: &AmazonS3, path: &Path) -> Vec<u8> {
    store.get(path).await.expect("it is there").bytes().await.expect("its bytes").to_vec()
}

#[tokio::test]
async fn of_two_writers_one_wins() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = TestServer::start(folder.path()).await;
    let store = store(&server, "tables").await;
    let log = Path::from("table/_log/0 ü.json");
    let put = |body: &'static str, mode: PutMode| {
        store.put_opts(&log, PutPayload::from_static(body.as_bytes()), PutOptions::from(mode))
    };
    let (one, two) = tokio::join!(put("one", PutMode::Create), put("two", PutMode::Create));
    let (first, winner) = match (one, two) {
        (Ok(done), Err(Error::AlreadyExists { .. })) => (done, b"one"),
        (Err(Error::AlreadyExists { .. }), Ok(done)) => (done, b"two"),
        both => panic!("one of two creators wins: {both:?}"),
    };
    assert_eq!(bytes(&store, &log).await, winner);
    let update = || PutMode::Update(UpdateVersion { e_tag: first.e_tag.clone(), version: None });
    put("newer", update()).await.expect("it is as it was");
    let late = put("too late", update()).await;
    assert!(matches!(late, Err(Error::Precondition { .. })), "{late:?}");
    assert_eq!(bytes(&store, &log).await, b"newer");
    let copy = Path::from("copy");
    store.copy_if_not_exists(&log, &copy).await.expect("there is none yet");
    let again = store.copy_if_not_exists(&log, &copy).await;
    assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");
    assert_eq!(bytes(&store, &copy).await, b"newer");
}

#[tokio::test]
async fn an_upload_in_parts_is_there_whole_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = TestServer::start(folder.path()).await;
    let store = store(&server, "parts").await;
    let body: Vec<u8> = (0..2 * PART + 7).map(|at| (at % 251) as u8).collect();
    let at = Path::from("a/b/large");
    let mut upload = store.put_multipart(&at).await.expect("it begins");
    let parts: Vec<_> = body.chunks(PART).map(|part| upload.put_part(part.to_vec().into())).collect();
    // In whatever order the parts come.
    for part in parts.into_iter().rev() {
        part.await.expect("a part");
    }
    assert!(matches!(store.head(&at).await, Err(Error::NotFound { .. })));
    upload.complete().await.expect("it ends");
    assert_eq!(bytes(&store, &at).await, body);
    let span = PART as u64 - 3..PART as u64 + 3;
    let read = store.get_range(&at, span.clone()).await.expect("a range");
    assert_eq!(read, body[span.start as usize..span.end as usize]);

    let gone = Path::from("gone");
    let mut aborted = store.put_multipart(&gone).await.expect("it begins");
    aborted.put_part(vec![1; PART].into()).await.expect("a part");
    aborted.abort().await.expect("it is given up");
    let listed = store.list_with_delimiter(Some(&Path::from("a"))).await.expect("a listing");
    assert_eq!(listed.common_prefixes, [Path::from("a/b")]);
    assert!(listed.objects.is_empty());
    store.copy(&at, &gone).await.expect("a copy");
    assert_eq!(store.head(&gone).await.expect("it is there").size, body.len() as u64);
    store.delete(&at).await.expect("deleted");
    assert!(matches!(store.get(&at).await, Err(Error::NotFound { .. })));
}
