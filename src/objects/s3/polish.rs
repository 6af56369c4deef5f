//! The last touch to an answer: what s3s leaves out of error documents, and the one ETag that S3
//! writes without quotes.

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Limited};

/// The documents changed here are small; s3s writes them whole.
const DOCUMENT_MAX: usize = 4 << 20;

/// The code of an error, for those who tell of the answer later.
#[derive(Clone, Debug)]
pub struct ErrorCode(pub String);

/// Whether this is GetObjectAttributes.
pub fn asks_attributes(method: &Method, uri: &Uri) -> bool {
    let names = uri.query().unwrap_or_default().split('&').map(|pair| pair.split('=').next().unwrap_or(pair));
    method == Method::GET && names.into_iter().any(|name| name == "attributes")
}

/// Writes request id and resource into an error document, where support and clients look for them.
pub async fn polish(
    response: Response<Body>,
    request_id: &str,
    resource: &str,
    attributes: bool,
) -> Response<Body> {
    let status = response.status();
    if status == StatusCode::NOT_MODIFIED {
        return response.map(|_| Body::empty());
    }
    if status.is_client_error() || status.is_server_error() {
        return rewrite(response, |document| sign(document, request_id, resource)).await;
    }
    if attributes {
        return rewrite(response, unquote).await;
    }
    response
}

/// Puts another document in the place of a response's.
pub async fn rewrite(
    response: Response<Body>,
    change: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let document =
        Limited::new(body, DOCUMENT_MAX).collect().await.map(|all| all.to_bytes()).unwrap_or_default();
    if let Some(code) = code(&document) {
        parts.extensions.insert(ErrorCode(code));
    }
    let document = change(&document).map_or(document, Bytes::from);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(document))
}

fn code(document: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(document).ok()?;
    let (_, rest) = text.split_once("<Error>")?.1.split_once("<Code>")?;
    Some(rest.split_once("</Code>")?.0.to_owned())
}

fn sign(document: &[u8], request_id: &str, resource: &str) -> Option<Vec<u8>> {
    let head = document.strip_suffix(b"</Error>".as_slice())?;
    let resource = escape(resource);
    let message = missing_message(head).unwrap_or_default();
    let tail = format!("{message}<Resource>{resource}</Resource><RequestId>{request_id}</RequestId></Error>");
    Some([head, tail.as_bytes()].concat())
}

/// A sentence for the errors that s3s raises with a code alone.
fn missing_message(head: &[u8]) -> Option<String> {
    let code = std::str::from_utf8(head).ok()?.rsplit_once("<Code>")?.1.strip_suffix("</Code>")?;
    let message = match code {
        "InvalidBucketName" => "The specified bucket is not valid.",
        "InvalidURI" => "Couldn't parse the specified URI.",
        "KeyTooLongError" => "Your key is too long: it has at most 1,024 bytes in UTF-8.",
        "MalformedXML" => {
            "The XML you provided was not well-formed or did not validate against our published schema."
        }
        "MethodNotAllowed" => "The specified method is not allowed against this resource.",
        "MissingContentLength" => "You must provide the Content-Length HTTP header.",
        "MissingRequestBodyError" => "Request body is empty.",
        "IncompleteBody" => "The body ended before the length that was announced.",
        "SignatureDoesNotMatch" => {
            "The request signature we calculated does not match the signature you provided. Check your key and \
             signing method."
        }
        _ => return None,
    };
    Some(format!("<Message>{message}</Message>"))
}

fn unquote(document: &[u8]) -> Option<Vec<u8>> {
    let mut text = std::str::from_utf8(document).ok()?.to_owned();
    for quote in ["\"", "&quot;"] {
        text =
            text.replace(&format!("<ETag>{quote}"), "<ETag>").replace(&format!("{quote}</ETag>"), "</ETag>");
    }
    Some(text.into_bytes())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_its_request_and_resource() {
        let signed = sign(b"<Error><Code>X</Code></Error>", "42", "/b/<k>&").unwrap();
        let wanted =
            "<Error><Code>X</Code><Resource>/b/&lt;k&gt;&amp;</Resource><RequestId>42</RequestId></Error>";
        assert_eq!(String::from_utf8(signed).unwrap(), wanted);
        let bare = sign(b"<Error><Code>InvalidURI</Code></Error>", "42", "/").unwrap();
        assert!(
            String::from_utf8(bare).unwrap().contains("<Message>Couldn't parse the specified URI.</Message>")
        );
        assert_eq!(sign(b"", "42", "/"), None);
    }
}
