//! The security token service: AssumeRole, GetSessionToken, GetCallerIdentity.

use super::{
    super::access::{
        account::number,
        decide::Caller,
        session::{self, Assume, NoSession},
    },
    query::{Form, Refusal, escape},
};
use crate::{
    auth::{self, TemporaryKey},
    kernel::{
        clock::rfc3339,
        error::{Error, Kind},
    },
};
use http::StatusCode;

pub const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// What is inside the result of an action.
pub async fn answer(
    auth: &auth::Service,
    caller: &Caller,
    form: &Form,
    action: &str,
) -> Result<String, Refusal> {
    match action {
        "GetCallerIdentity" => Ok(identity(caller)),
        "AssumeRole" => {
            let seconds = wanted(form)?;
            let text = |name: &str| form.get(name).map(str::to_owned);
            let wanted = Assume {
                role_arn: text("RoleArn"),
                session_name: text("RoleSessionName"),
                policy: text("Policy"),
                seconds,
            };
            let assumed = session::assume(auth, caller, wanted).await.map_err(failed)??;
            let account = number(&assumed.account);
            let (role, session) = (escape(&assumed.role), escape(&assumed.session));
            Ok(format!(
                "<AssumedRoleUser><AssumedRoleId>{role}:{session}</AssumedRoleId>\
                 <Arn>arn:aws:sts::{account}:assumed-role/{role}/{session}</Arn></AssumedRoleUser>{}",
                credentials(&assumed.key)
            ))
        }
        "GetSessionToken" => {
            let key = session::token(auth, caller, wanted(form)?).await.map_err(failed)??;
            Ok(credentials(&key))
        }
        _ => Err(Refusal::unknown(action, "2011-06-15")),
    }
}

/// How long the session is to last; a limit that was asked for and would not be kept is refused.
fn wanted(form: &Form) -> Result<Option<i64>, NoSession> {
    if form
        .names()
        .any(|name| ["PolicyArns.", "SerialNumber", "TokenCode"].iter().any(|limit| name.starts_with(limit)))
    {
        return Err(NoSession::Invalid(
            "PolicyArns and multi-factor devices do not exist here: give the limits in Policy.".into(),
        ));
    }
    let invalid = |_| NoSession::Invalid("durationSeconds is not a number".into());
    form.get("DurationSeconds").map(|text| text.parse().map_err(invalid)).transpose()
}

impl From<NoSession> for Refusal {
    fn from(no: NoSession) -> Self {
        match &no {
            NoSession::Invalid(message) => Self::invalid(message),
            NoSession::MalformedPolicy(message) => {
                Self::new("MalformedPolicyDocument", StatusCode::BAD_REQUEST, message)
            }
            NoSession::Denied(message) => Self::denied(message),
        }
    }
}

/// Too many sessions are a conflict.
fn failed(error: Error) -> Refusal {
    match error.kind {
        Kind::Conflict => Refusal::new("LimitExceeded", StatusCode::BAD_REQUEST, error.message),
        _ => error.into(),
    }
}

fn identity(caller: &Caller) -> String {
    let who = caller.who();
    let id = match who.role {
        Some((role, session)) => format!("{role}:{session}"),
        None => caller.name().to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_would_not_be_kept_is_refused() {
        assert!(wanted(&Form::read(b"Action=AssumeRole&PolicyArns.member.1.arn=x")).is_err());
        assert!(wanted(&Form::read(b"DurationSeconds=ten")).is_err());
        assert_eq!(wanted(&Form::read(b"DurationSeconds=900")), Ok(Some(900)));
    }
}
