//! The query protocol at `POST /`: forms with an `Action`, by which the token service and the identity service
//! are asked, and their answers in XML.

use super::{super::access::admit::Gatekeeper, access, iam, signed, sts};
use crate::kernel::{
    error::{Error, Kind},
    http::REQUEST_ID,
};
use axum::body::Body;
use http::{Extensions, HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header, request::Parts};
use http_body_util::{BodyExt, Limited};
use s3s::{S3Request, S3Response, S3Result, route::S3Route};

/// A form of this protocol is smaller.
const FORM_MAX: usize = 8192;
const XML: HeaderValue = HeaderValue::from_static("text/xml");

/// Whether a request is for one of these services: a form to the root, which S3 itself has no use for.
pub fn is_query(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    *method == Method::POST && uri.path() == "/" && kind.starts_with("application/x-www-form-urlencoded")
}

/// The token service, as a route of s3s.
pub struct Query(pub Gatekeeper);

#[async_trait::async_trait]
impl S3Route for Query {
    fn is_match(&self, method: &Method, uri: &Uri, headers: &HeaderMap, _: &mut Extensions) -> bool {
        is_query(method, uri, headers)
    }

    async fn call(&self, mut request: S3Request<s3s::Body>) -> S3Result<S3Response<s3s::Body>> {
        let id = request_id(&request.headers).to_owned();
        let token = request.headers.get("x-amz-security-token").and_then(|value| value.to_str().ok());
        let key = request.credentials.as_ref().map(|known| known.access_key.as_str()).unwrap_or_default();
        let caller = access::caller(key, token)?;
        let outcome = match request.input.store_all_limited(FORM_MAX).await {
            Ok(body) => {
                let form = Form::read(&body);
                let answer = sts::answer(&self.0.auth, &caller, &form, form.action()).await;
                answer.map(|result| framed_answer(sts::NAMESPACE, form.action(), &result, &id))
            }
            Err(_) => Err(Refusal::invalid("The form is too long.")),
        };
        let (status, xml) = written(outcome, sts::NAMESPACE, &id);
        let mut response = S3Response::new(s3s::Body::from(xml));
        response.status = Some(status);
        response.headers.insert(header::CONTENT_TYPE, XML);
        Ok(response)
    }
}

/// What the identity service answers to a form, which s3s lets nobody sign.
pub async fn identity(gatekeeper: &Gatekeeper, parts: &Parts, body: Body) -> S3Result<Response<Body>> {
    let id = request_id(&parts.headers);
    let outcome = match Limited::new(body, FORM_MAX).collect().await {
        Ok(body) => {
            let body = body.to_bytes();
            let caller = signed::caller(&gatekeeper.auth, parts, &body).await?;
            let form = Form::read(&body);
            let answer = iam::answer(&gatekeeper.auth, &caller, &form, form.action()).await;
            answer.map(|result| framed_answer(iam::NAMESPACE, form.action(), &result, id))
        }
        Err(_) => Err(Refusal::invalid("The form is too long, or came to no end.")),
    };
    let (status, xml) = written(outcome, iam::NAMESPACE, id);
    let mut response = Response::new(Body::from(xml));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, XML);
    Ok(response)
}

fn request_id(headers: &HeaderMap) -> &str {
    headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn written(outcome: Result<String, Refusal>, namespace: &str, id: &str) -> (StatusCode, String) {
    match outcome {
        Ok(xml) => (StatusCode::OK, xml),
        Err(refusal) => (refusal.status, refusal.document(namespace, id)),
    }
}

/// The fields of a form.
pub struct Form(Vec<(String, String)>);

impl Form {
    pub fn read(body: &[u8]) -> Self {
        let uri = std::str::from_utf8(body).ok().and_then(|text| format!("/?{text}").parse::<Uri>().ok());
        let pairs = uri.and_then(|uri| axum::extract::Query::try_from_uri(&uri).ok());
        Self(pairs.map(|pairs| pairs.0).unwrap_or_default())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        found.filter(|value| !value.is_empty())
    }

    fn action(&self) -> &str {
        self.get("Action").unwrap_or_default()
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

/// Why a request is not carried out: a code of the protocol, its status, and a sentence.
#[derive(Debug)]
pub struct Refusal {
    pub code: &'static str,
    pub status: StatusCode,
    pub message: String,
}

impl Refusal {
    pub fn new(code: &'static str, status: StatusCode, message: impl Into<String>) -> Self {
        Self { code, status, message: message.into() }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new("ValidationError", StatusCode::BAD_REQUEST, message)
    }

    pub fn denied(message: impl Into<String>) -> Self {
        Self::new("AccessDenied", StatusCode::FORBIDDEN, message)
    }

    pub fn unknown(action: &str, version: &str) -> Self {
        let message = format!("Could not find operation {action} for version {version}");
        Self::new("InvalidAction", StatusCode::BAD_REQUEST, message)
    }

    fn document(&self, namespace: &str, id: &str) -> String {
        let side = if self.status.is_server_error() { "Receiver" } else { "Sender" };
        format!(
            "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{side}</Type><Code>{}</Code>\
             <Message>{}</Message></Error><RequestId>{}</RequestId></ErrorResponse>",
            self.code,
            escape(&self.message),
            escape(id)
        )
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let (code, status) = match error.kind {
            Kind::Busy => ("ServiceUnavailable", StatusCode::SERVICE_UNAVAILABLE),
            Kind::TooMany => ("LimitExceeded", StatusCode::CONFLICT),
            Kind::NotFound => ("NoSuchEntity", StatusCode::NOT_FOUND),
            Kind::Exists => ("EntityAlreadyExists", StatusCode::CONFLICT),
            Kind::Conflict => ("DeleteConflict", StatusCode::CONFLICT),
            _ => {
                tracing::error!(?error, "a request of the query protocol failed");
                ("InternalFailure", StatusCode::INTERNAL_SERVER_ERROR)
            }
        };
        Self::new(code, status, error.message)
    }
}

/// An action that has nothing to tell has no result.
fn framed_answer(namespace: &str, action: &str, result: &str, id: &str) -> String {
    let result = match result {
        "" => String::new(),
        some => format!("<{action}Result>{some}</{action}Result>"),
    };
    format!(
        "<{action}Response xmlns=\"{namespace}\">{result}\
         <ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></{action}Response>",
        escape(id)
    )
}

/// An error document of S3 in the frame of this protocol: a signature is checked before anybody knows
/// what it is for.
pub fn framed(document: &[u8], id: &str) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(document).ok()?;
    if text.contains("<ErrorResponse ") {
        return None;
    }
    let inside = &text[text.find("<Error>")? + "<Error>".len()..text.find("</Error>")?];
    let inside = inside.replace("<Code>InvalidAccessKeyId<", "<Code>InvalidClientTokenId<");
    let framed = format!(
        "<ErrorResponse xmlns=\"{}\"><Error><Type>Sender</Type>{inside}</Error>\
         <RequestId>{}</RequestId></ErrorResponse>",
        sts::NAMESPACE,
        escape(id)
    );
    Some(framed.into_bytes())
}

pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_signature_gets_this_protocols_frame() {
        let framed = framed(b"<?xml version=\"1.0\"?><Error><Code>InvalidAccessKeyId</Code></Error>", "7");
        let text = String::from_utf8(framed.unwrap()).unwrap();
        assert!(text.contains("<Error><Type>Sender</Type><Code>InvalidClientTokenId</Code></Error>"));
        assert!(text.ends_with("<RequestId>7</RequestId></ErrorResponse>"));
        assert_eq!(super::framed(text.as_bytes(), "7"), None, "once is enough");
        assert_eq!(super::framed(b"", "7"), None);
    }

    #[test]
    fn a_field_without_a_value_is_not_there() {
        let form = Form::read(b"RoleSessionName=a%2Bb&RoleArn=");
        assert_eq!((form.get("RoleSessionName"), form.get("RoleArn")), (Some("a+b"), None));
    }
}
