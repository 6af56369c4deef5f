//! Uploads by HTML form. They do not go through s3s, which reads the file into memory whole: the form is
//! taken apart here as it comes, its policy is checked, and it is put like any other object.

mod body;
mod fields;
mod input;
mod policy;
mod signature;

use super::{
    super::access::{
        admit::Gatekeeper,
        asked::{Asked, Signature, Tags},
        decide::Caller,
    },
    access, convert,
    hosts::Hosts,
    object, refuse,
};
use crate::kernel::{clock::now_ms, http::Peer};
use axum::body::Body;
use body::{Allowance, Paced};
use fields::{Fields, File, argument};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use multer::Multipart;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use policy::Policy;
use s3s::{
    S3ErrorCode, S3Request, S3Result,
    auth::S3Auth,
    dto::{PutObjectOutput, StreamingBlob},
};
pub(super) use signature::Claim;
use std::sync::Arc;

/// What may be read before the file begins. Its first bytes may come along with the last field.
const HEAD_MAX: u64 = 1 << 20;
/// What is read of a form that was refused, so that its sender gets to read the answer.
const DRAIN_MAX: u64 = 8 << 20;

pub fn is_form(parts: &Parts) -> bool {
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.unwrap_or_default().trim_start();
    parts.method == Method::POST
        && kind.get(..19).is_some_and(|start| start.eq_ignore_ascii_case("multipart/form-data"))
}

pub async fn post(gatekeeper: &Gatekeeper, parts: &Parts, body: Body) -> S3Result<Response<Body>> {
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let boundary = multer::parse_boundary(content_type.unwrap_or_default())
        .map_err(|_| argument("The Content-Type of the form names no boundary."))?;
    let allowance = Allowance::new(HEAD_MAX);
    let mut form = Multipart::new(Paced::new(body.into_data_stream(), allowance.clone()), boundary);
    let answer = upload(gatekeeper, parts, &mut form, &allowance).await;
    allowance.set(DRAIN_MAX);
    while let Ok(Some(rest)) = form.next_field().await {
        drop(rest);
    }
    answer
}

async fn upload(
    gatekeeper: &Gatekeeper,
    parts: &Parts,
    form: &mut Multipart<'static>,
    allowance: &Allowance,
) -> S3Result<Response<Body>> {
    let bucket = bucket(parts)?;
    gatekeeper.service.bucket(&bucket).await.map_err(convert::error)?;
    let (mut fields, file) = Fields::read(form).await?;
    fields.fill_in(&file.name);
    let key = fields.get("key").filter(|key| !key.is_empty()).map(str::to_owned).ok_or_else(|| {
        argument(
            "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.",
        )
    })?;
    let claim = Claim::of(&fields)?;
    let signature = claim.as_ref().map_or(Signature::None, |claim| Signature::Form(claim.version()));
    let caller = caller(gatekeeper, claim, &fields).await?;
    let (least, most) = check_policy(&bucket, &fields)?;
    input::fold_tags(&mut fields)?;
    let headers = fields.headers()?;
    let asked = Asked {
        operation: "PostObject",
        bucket: &bucket,
        key: &key,
        headers: &headers,
        query: Vec::new(),
        peer: parts.extensions.get::<Peer>().copied(),
        signature,
        tags: Tags::InHeader,
    };
    let admitted = gatekeeper.admit(&asked, caller).await.map_err(convert::error)?;
    allowance.set(u64::MAX);
    let output =
        put(gatekeeper, parts, (&bucket, &key), &fields, headers, (file, least, most), admitted).await?;
    answer(parts, &bucket, &key, &fields, &output)
}

async fn put(
    gatekeeper: &Gatekeeper,
    parts: &Parts,
    (bucket, key): (&str, &str),
    fields: &Fields,
    headers: HeaderMap,
    (file, least, most): (File, u64, u64),
    admitted: super::super::access::admit::Admitted,
) -> S3Result<PutObjectOutput> {
    let mut input = input::put_input(bucket, key, fields)?;
    input.body = Some(StreamingBlob::wrap(body::file(file.field, least, most)));
    let mut extensions = parts.extensions.clone();
    extensions.insert(admitted);
    let request = S3Request {
        input,
        method: Method::PUT,
        uri: parts.uri.clone(),
        headers,
        extensions,
        credentials: None,
        region: None,
        service: None,
        trailing_headers: None,
    };
    object::put(&gatekeeper.service, request).await
}

/// The bucket the form is posted to, from the host's name or the path.
fn bucket(parts: &Parts) -> S3Result<String> {
    let host = parts.headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let host = host.or_else(|| parts.uri.host()).unwrap_or_default();
    let path = parts.uri.path().trim_matches('/');
    match (Hosts::bucket_in(&parts.extensions, host), path) {
        (Some(bucket), "") => Ok(bucket.to_owned()),
        (None, name) if !name.is_empty() && !name.contains('/') => {
            Ok(percent_decode_str(name).decode_utf8_lossy().into_owned())
        }
        _ => Err(refuse(
            S3ErrorCode::MethodNotAllowed,
            "The specified method is not allowed against this resource.",
        )),
    }
}

/// Who signed the form; nobody is an anonymous upload.
async fn caller(
    gatekeeper: &Gatekeeper,
    claim: Option<Claim<'_>>,
    fields: &Fields,
) -> S3Result<Option<Arc<Caller>>> {
    let Some(claim) = claim else { return Ok(None) };
    let secret = access::Keys(gatekeeper.auth.clone()).get_secret_key(claim.access_key()).await?;
    claim.check(secret.expose(), fields.get("policy").unwrap_or_default())?;
    access::caller(claim.access_key(), fields.get("x-amz-security-token"))
        .map(|caller| Some(Arc::new(caller)))
}

/// The sizes the file may have. A form without a policy is an anonymous one, and may have any.
fn check_policy(bucket: &str, fields: &Fields) -> S3Result<(u64, u64)> {
    let Some(policy) = fields.get("policy") else { return Ok((0, u64::MAX)) };
    let policy = Policy::parse(policy)?;
    // The bucket is a field like others, but the one that counts is the one posted to.
    let others = fields.iter().filter(|(name, _)| *name != "bucket");
    policy.check(others.chain([("bucket", bucket)]), now_ms())?;
    Ok((policy.least, policy.most.unwrap_or(u64::MAX)))
}

fn answer(
    parts: &Parts,
    bucket: &str,
    key: &str,
    fields: &Fields,
    output: &PutObjectOutput,
) -> S3Result<Response<Body>> {
    let etag = output.e_tag.as_ref().map(|etag| format!("\"{}\"", etag.value())).unwrap_or_default();
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: Option<&str>| {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    };
    set("etag", Some(&etag));
    set("x-amz-version-id", output.version_id.as_deref());
    set("x-amz-server-side-encryption", output.server_side_encryption.as_ref().map(|sse| sse.as_str()));
    set("x-amz-server-side-encryption-aws-kms-key-id", output.ssekms_key_id.as_deref());
    set("x-amz-server-side-encryption-customer-algorithm", output.sse_customer_algorithm.as_deref());
    set("x-amz-server-side-encryption-customer-key-md5", output.sse_customer_key_md5.as_deref());
    let redirect = fields.get("success_action_redirect").or_else(|| fields.get("redirect"));
    if let Some(target) = redirect.and_then(|target| redirect_target(target, bucket, key, &etag)) {
        set("location", Some(&target));
        *response.status_mut() = StatusCode::SEE_OTHER;
        return Ok(response);
    }
    let location = location(parts, key);
    set("location", Some(&location));
    *response.status_mut() = match fields.get("success_action_status") {
        Some("200") => StatusCode::OK,
        Some("201") => StatusCode::CREATED,
        _ => StatusCode::NO_CONTENT,
    };
    if response.status() == StatusCode::CREATED {
        let document = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse><Location>{}</Location><Bucket>{}</Bucket><Key>{}</Key><ETag>{}</ETag></PostResponse>",
            escape(&location),
            escape(bucket),
            escape(key),
            escape(&etag),
        );
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        *response.body_mut() = Body::from(document);
    }
    Ok(response)
}

/// The page the form names, told what was uploaded. What is no address of a page is passed over.
fn redirect_target(target: &str, bucket: &str, key: &str, etag: &str) -> Option<String> {
    let uri: http::Uri = target.parse().ok()?;
    uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"))?;
    let joint = if target.contains('?') { '&' } else { '?' };
    let (key, etag) = (encode(key), encode(etag));
    Some(format!("{target}{joint}bucket={bucket}&key={key}&etag={etag}"))
}

fn location(parts: &Parts, key: &str) -> String {
    let host = parts.headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let folder = parts.uri.path().trim_end_matches('/');
    let scheme = parts.extensions.get::<Peer>().map_or("http", Peer::scheme);
    format!("{scheme}://{host}{folder}/{}", convert::encode(key, true))
}

fn encode(text: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');
    utf8_percent_encode(text, KEPT).to_string()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(host: &str, path: &str) -> Parts {
        http::Request::post(path).header(header::HOST, host).body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_bucket_is_in_the_path_or_in_the_hosts_name() {
        assert_eq!(bucket(&parts("localhost:9000", "/data")).unwrap(), "data");
        assert_eq!(bucket(&parts("localhost:9000", "/data/")).unwrap(), "data");
        assert_eq!(bucket(&parts("data.localhost:9000", "/")).unwrap(), "data");
        for (host, path) in [("localhost", "/"), ("localhost", "/data/key"), ("data.localhost", "/key")] {
            assert!(bucket(&parts(host, path)).is_err());
        }
    }

    #[test]
    fn a_redirect_tells_what_was_uploaded() {
        let told = redirect_target("http://h/done", "b", "a b/c", "\"e\"");
        assert_eq!(told.as_deref(), Some("http://h/done?bucket=b&key=a%20b/c&etag=%22e%22"));
        let told = redirect_target("https://h/?x=1", "b", "k", "e");
        assert_eq!(told.as_deref(), Some("https://h/?x=1&bucket=b&key=k&etag=e"));
        for bad in ["javascript:alert(1)", "/relative", "", "http://h/ x"] {
            assert_eq!(redirect_target(bad, "b", "k", "e"), None);
        }
    }
}
