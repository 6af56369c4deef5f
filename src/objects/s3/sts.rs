//! The security token service at `POST /`: AssumeRole, GetSessionToken, GetCallerIdentity.

use super::{
    super::access::{
        account::number,
        admit::Gatekeeper,
        decide::Caller,
        session::{self, Assume, NoSession},
    },
    access,
};
use crate::{
    auth::TemporaryKey,
    kernel::{clock::rfc3339, error::Kind, http::REQUEST_ID},
};
use http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use s3s::{Body, S3Request, S3Response, S3Result, route::S3Route};

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
/// A form of this protocol is smaller.
const FORM_MAX: usize = 8192;

pub struct Sts(pub Gatekeeper);

/// Whether a request is for this service: a form to the root, which S3 itself has no use for.
pub fn is_sts(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    *method == Method::POST && uri.path() == "/" && kind.starts_with("application/x-www-form-urlencoded")
}

/// A refusal or an answer, as the protocol writes it.
struct Reply {
    status: StatusCode,
    xml: String,
}

#[async_trait::async_trait]
impl S3Route for Sts {
    fn is_match(&self, method: &Method, uri: &Uri, headers: &HeaderMap, _: &mut Extensions) -> bool {
        is_sts(method, uri, headers)
    }

    async fn call(&self, mut request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let id = request.headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let id = id.to_owned();
        let token = request.headers.get("x-amz-security-token").and_then(|value| value.to_str().ok());
        let key = request.credentials.as_ref().map(|known| known.access_key.as_str()).unwrap_or_default();
        let caller = access::caller(key, token)?;
        let reply = match request.input.store_all_limited(FORM_MAX).await {
            Ok(body) => self.reply(&caller, &Form::read(&body), &id).await,
            Err(_) => refusal("ValidationError", StatusCode::BAD_REQUEST, "The form is too long.", &id),
        };
        let mut response = S3Response::new(Body::from(reply.xml));
        response.status = Some(reply.status);
        response.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
        Ok(response)
    }
}

/// The fields of a form.
struct Form(Vec<(String, String)>);

impl Form {
    fn read(body: &[u8]) -> Self {
        let uri = std::str::from_utf8(body).ok().and_then(|text| format!("/?{text}").parse::<Uri>().ok());
        let pairs = uri.and_then(|uri| axum::extract::Query::try_from_uri(&uri).ok());
        Self(pairs.map(|pairs| pairs.0).unwrap_or_default())
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        found.filter(|value| !value.is_empty())
    }

    fn seconds(&self) -> Result<Option<i64>, NoSession> {
        let invalid = |_| NoSession::Invalid("durationSeconds is not a number".into());
        self.get("DurationSeconds").map(|text| text.parse().map_err(invalid)).transpose()
    }

    /// How long the session is to last; a limit that was asked for and would not be kept is refused.
    fn wanted(&self) -> Result<Option<i64>, NoSession> {
        let kept = |(key, _): &(String, String)| {
            !["PolicyArns.", "SerialNumber", "TokenCode"].iter().any(|limit| key.starts_with(limit))
        };
        match self.0.iter().all(kept) {
            true => self.seconds(),
            false => Err(NoSession::Invalid(
                "PolicyArns and multi-factor devices do not exist here: give the limits in Policy.".into(),
            )),
        }
    }
}

impl Sts {
    async fn reply(&self, caller: &Caller, form: &Form, id: &str) -> Reply {
        let action = form.get("Action").unwrap_or_default();
        let outcome = match action {
            "GetCallerIdentity" => Ok(Ok(identity(caller))),
            "AssumeRole" | "GetSessionToken" => match form.wanted() {
                Ok(seconds) if action == "AssumeRole" => self.assume(caller, form, seconds).await,
                Ok(seconds) => self.token(caller, seconds).await,
                Err(no) => Ok(Err(no)),
            },
            _ => {
                let message = format!("Could not find operation {action} for version 2011-06-15");
                return refusal("InvalidAction", StatusCode::BAD_REQUEST, &message, id);
            }
        };
        match outcome {
            Ok(Ok(result)) => Reply {
                status: StatusCode::OK,
                xml: format!(
                    "<{action}Response xmlns=\"{NAMESPACE}\"><{action}Result>{result}</{action}Result>\
                     <ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></{action}Response>",
                    escape(id)
                ),
            },
            Ok(Err(no)) => {
                let (code, status) = match &no {
                    NoSession::Invalid(_) => ("ValidationError", StatusCode::BAD_REQUEST),
                    NoSession::MalformedPolicy(_) => ("MalformedPolicyDocument", StatusCode::BAD_REQUEST),
                    NoSession::Denied(_) => ("AccessDenied", StatusCode::FORBIDDEN),
                };
                refusal(code, status, &no.to_string(), id)
            }
            Err(error) => {
                let (code, status) = match error.kind {
                    Kind::Busy => ("ServiceUnavailable", StatusCode::SERVICE_UNAVAILABLE),
                    Kind::Conflict => ("LimitExceeded", StatusCode::BAD_REQUEST),
                    _ => {
                        tracing::error!(?error, "a session could not be made");
                        ("InternalFailure", StatusCode::INTERNAL_SERVER_ERROR)
                    }
                };
                refusal(code, status, &error.message, id)
            }
        }
    }

    async fn assume(
        &self,
        caller: &Caller,
        form: &Form,
        seconds: Option<i64>,
    ) -> crate::kernel::error::Result<Result<String, NoSession>> {
        let text = |name: &str| form.get(name).map(str::to_owned);
        let wanted = Assume {
            role_arn: text("RoleArn"),
            session_name: text("RoleSessionName"),
            policy: text("Policy"),
            seconds,
        };
        let assumed = match session::assume(&self.0.auth, caller, wanted).await? {
            Ok(assumed) => assumed,
            Err(no) => return Ok(Err(no)),
        };
        let account = number(&assumed.account);
        let (role, session) = (escape(&assumed.role), escape(&assumed.session));
        Ok(Ok(format!(
            "<AssumedRoleUser><AssumedRoleId>{role}:{session}</AssumedRoleId>\
             <Arn>arn:aws:sts::{account}:assumed-role/{role}/{session}</Arn></AssumedRoleUser>{}",
            credentials(&assumed.key)
        )))
    }

    async fn token(
        &self,
        caller: &Caller,
        seconds: Option<i64>,
    ) -> crate::kernel::error::Result<Result<String, NoSession>> {
        let issued = session::token(&self.0.auth, caller, seconds).await?;
        Ok(issued.map(|key| credentials(&key)))
    }
}

fn identity(caller: &Caller) -> String {
    let who = caller.who();
    let id = match who.role {
        Some((role, session)) => format!("{role}:{session}"),
        None => caller.principal.user.clone(),
    };
    format!(
        "<Arn>{}</Arn><UserId>{}</UserId><Account>{}</Account>",
        escape(&who.arn().unwrap_or_default()),
        escape(&id),
        number(caller.account())
    )
}

fn credentials(key: &TemporaryKey) -> String {
    format!(
        "<Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
         <SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials>",
        key.access_key_id,
        key.secret_access_key,
        key.session_token,
        rfc3339(key.expires_ms)
    )
}

fn refusal(code: &str, status: StatusCode, message: &str, id: &str) -> Reply {
    let side = if status.is_server_error() { "Receiver" } else { "Sender" };
    let xml = format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{side}</Type><Code>{code}</Code>\
         <Message>{}</Message></Error><RequestId>{}</RequestId></ErrorResponse>",
        escape(message),
        escape(id)
    );
    Reply { status, xml }
}

/// An error document of S3 in the frame of this protocol: a signature is checked before anybody knows
/// what it is for.
pub fn framed(document: &[u8], id: &str) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(document).ok()?;
    let inside = &text[text.find("<Error>")? + "<Error>".len()..text.find("</Error>")?];
    let inside = inside.replace("<Code>InvalidAccessKeyId<", "<Code>InvalidClientTokenId<");
    let framed = format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type>{inside}</Error>\
         <RequestId>{}</RequestId></ErrorResponse>",
        escape(id)
    );
    Some(framed.into_bytes())
}

fn escape(text: &str) -> String {
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
        assert_eq!(super::framed(b"", "7"), None);
    }

    #[test]
    fn a_limit_that_would_not_be_kept_is_refused() {
        let form = Form::read(b"Action=AssumeRole&PolicyArns.member.1.arn=x&DurationSeconds=ten");
        assert!(form.wanted().is_err() && form.seconds().is_err());
        let form = Form::read(b"RoleSessionName=a%2Bb&RoleArn=");
        assert_eq!((form.get("RoleSessionName"), form.get("RoleArn")), (Some("a+b"), None));
    }
}
