//! Temporary keys: who may have which. A session never has more than who asked for it, and cannot be
//! traded for another: what narrowed it would be lost.

use super::{
    account::{account_of, means},
    decide::Caller,
    policy::{Kind, Policy},
};
use crate::{
    auth::{self, NewSession, Principal, Role, TemporaryKey},
    kernel::error::Result,
};

/// Why there is no session, each with its code in the protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSession {
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    MalformedPolicy(String),
    #[error("{0}")]
    Denied(String),
}

/// What AssumeRole asks for.
#[derive(Clone, Debug, Default)]
pub struct Assume {
    /// A role or a user of the house, by ARN; without one the caller's own rights.
    pub role_arn: Option<String>,
    pub session_name: Option<String>,
    pub policy: Option<String>,
    pub seconds: Option<i64>,
}

/// A role taken on: the keys, and the account, role and name of the session they are for.
#[derive(Debug)]
pub struct Assumed {
    pub key: TemporaryKey,
    pub account: String,
    pub role: String,
    pub session: String,
}

const ASSUME_SECONDS: (i64, i64, i64) = (900, 43_200, 3600);
const TOKEN_SECONDS: (i64, i64, i64) = (900, 129_600, 43_200);

type Answer<T> = Result<std::result::Result<T, NoSession>>;

/// Keys for a role, limited by it and by the policy that comes along.
pub async fn assume(auth: &auth::Service, caller: &Caller, wanted: Assume) -> Answer<Assumed> {
    let checked = check(caller, &wanted);
    let (seconds, session) = match checked {
        Ok(checked) => checked,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let me = &caller.principal;
    let rights = match wanted.role_arn.as_deref() {
        None => Rights { acts_for: me.clone(), role: me.user.clone(), at_most: None },
        Some(arn) => match rights(auth, caller, arn).await? {
            Some(rights) => rights,
            None => {
                let who = caller.who().arn().unwrap_or_default();
                let message =
                    format!("User: {who} is not authorized to perform: sts:AssumeRole on resource: {arn}");
                return Ok(Err(NoSession::Denied(message)));
            }
        },
    };
    let Rights { acts_for, role, at_most } = rights;
    let account = account_of(&acts_for).to_owned();
    let taken = Some((role.clone(), session.clone()));
    let new = NewSession { user: acts_for.user, role: taken, at_most, policy: wanted.policy, ttl_s: seconds };
    let key = auth.s3_session_issue(new).await?;
    Ok(Ok(Assumed { key, account, role, session }))
}

/// What a role stands for.
struct Rights {
    acts_for: Principal,
    role: String,
    /// The rights of the house it has at most.
    at_most: Option<Role>,
}

/// Keys with the caller's own rights that end by themselves.
pub async fn token(auth: &auth::Service, caller: &Caller, seconds: Option<i64>) -> Answer<TemporaryKey> {
    let seconds = match not_a_session(caller).and_then(|()| within(seconds, TOKEN_SECONDS)) {
        Ok(seconds) => seconds,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let user = caller.principal.user.clone();
    let new = NewSession { user, role: None, at_most: None, policy: None, ttl_s: seconds };
    Ok(Ok(auth.s3_session_issue(new).await?))
}

fn check(caller: &Caller, wanted: &Assume) -> std::result::Result<(i64, String), NoSession> {
    not_a_session(caller)?;
    let seconds = within(wanted.seconds, ASSUME_SECONDS)?;
    let fine = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    let session = match &wanted.session_name {
        Some(name) if (2..=64).contains(&name.len()) && name.chars().all(fine) => name.clone(),
        None if wanted.role_arn.is_none() => "session".to_owned(),
        _ => {
            let message = "roleSessionName must have 2 to 64 letters, digits or characters of _+=,.@-";
            return Err(NoSession::Invalid(message.into()));
        }
    };
    if let Some(text) = &wanted.policy {
        Policy::parse(text, Kind::Session).map_err(|bad| NoSession::MalformedPolicy(bad.0))?;
    }
    Ok((seconds, session))
}

fn not_a_session(caller: &Caller) -> std::result::Result<(), NoSession> {
    match caller.session {
        None => Ok(()),
        Some(_) => Err(NoSession::Denied(
            "Temporary keys and those of IAM users cannot be traded for others.".into(),
        )),
    }
}

fn within(
    seconds: Option<i64>,
    (least, most, default): (i64, i64, i64),
) -> std::result::Result<i64, NoSession> {
    let seconds = seconds.unwrap_or(default);
    if (least..=most).contains(&seconds) {
        return Ok(seconds);
    }
    Err(NoSession::Invalid(format!("durationSeconds must be between {least} and {most}, and is {seconds}")))
}

/// What the caller would have by taking the role on; none when they may not.
async fn rights(auth: &auth::Service, caller: &Caller, arn: &str) -> Result<Option<Rights>> {
    let Some((account, name)) = role_of(arn) else { return Ok(None) };
    let me = &caller.principal;
    let role = name.to_owned();
    let own = account.is_empty() || means(account, caller.account());
    // A role of the house: for anybody who has it, or a higher one.
    if let Some(most) = Role::parse(name).ok().filter(|role| own && !role.has_own_account())
        && !me.role.has_own_account()
    {
        let rights = Rights { acts_for: me.clone(), role, at_most: Some(most) };
        return Ok(Some(rights).filter(|_| me.role >= most));
    }
    if own && name == me.user {
        return Ok(Some(Rights { acts_for: me.clone(), role, at_most: None }));
    }
    // Another user, or a guest: for admins, who could issue a key for them as well.
    let Some(user) = auth.user_find(name).await? else { return Ok(None) };
    let theirs = account.is_empty() || means(account, account_of(&user));
    Ok((theirs && me.role == Role::Admin).then_some(Rights { acts_for: user, role, at_most: None }))
}

/// Account and name in `arn:aws:iam::ACCOUNT:role/NAME`.
fn role_of(arn: &str) -> Option<(&str, &str)> {
    let (account, resource) = arn.strip_prefix("arn:aws:iam::")?.split_once(':')?;
    let name = resource.strip_prefix("role/")?.rsplit('/').next()?;
    (!name.is_empty()).then_some((account, name))
}
