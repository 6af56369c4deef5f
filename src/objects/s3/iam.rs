//! The identity service, as far as it serves programs: an account's users, their keys and their policies. Who heads
//! an account asks: a guest for theirs, an admin for the house. There are no groups and no providers here, and roles
//! are not made: those of the house are taken on by AssumeRole.

use super::{
    super::access::{
        account::number,
        decide::Caller,
        policy::{Kind, Policy},
    },
    query::{Form, Refusal, escape},
};
use crate::{
    auth::{self, IamKey, IamUser, KeyWanted},
    kernel::{
        clock::{now_ms, rfc3339},
        error::{Error, Result},
    },
};
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeMap;

pub const NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";
const VERSION: &str = "2010-05-08";

/// Amazon's policies that mean something here.
const MANAGED: [(&str, &str); 2] = [
    (
        "arn:aws:iam::aws:policy/AmazonS3FullAccess",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#,
    ),
    (
        "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","s3:List*"],"Resource":"*"}]}"#,
    ),
];

/// The document of a managed policy.
pub fn managed(arn: &str) -> Option<&'static str> {
    MANAGED.iter().find(|(name, _)| *name == arn).map(|(_, document)| *document)
}

type Answer<T = String> = std::result::Result<T, Refusal>;

/// What is inside the result of an action.
pub async fn answer(auth: &auth::Service, caller: &Caller, form: &Form, action: &str) -> Answer {
    if !caller.heads_account() {
        let who = caller.who().arn().unwrap_or_default();
        return Err(Refusal::denied(format!(
            "User: {who} is not authorized to perform: iam:{action}: only a guest, for their own account, and an \
             admin of the house are."
        )));
    }
    let asked = Asked { auth, caller, form, account: caller.account() };
    match action {
        "GetUser" => asked.get_user().await,
        "CreateUser" => asked.create_user().await,
        "ListUsers" => asked.list_users().await,
        "DeleteUser" => Ok(auth.iam_user_delete(asked.account, &asked.user()?).await.map(nothing)?),
        "CreateAccessKey" => asked.create_key().await,
        "ListAccessKeys" => asked.list_keys().await,
        "DeleteAccessKey" => asked.delete_key().await,
        "PutUserPolicy" => asked.put_policy().await,
        "GetUserPolicy" => asked.get_policy().await,
        "DeleteUserPolicy" => asked.remove_policy("PolicyName").await,
        "ListUserPolicies" => asked.list_policies(false).await,
        "AttachUserPolicy" => asked.attach_policy().await,
        "DetachUserPolicy" => asked.remove_policy("PolicyArn").await,
        "ListAttachedUserPolicies" => asked.list_policies(true).await,
        "ListGroups" | "ListGroupsForUser" => Ok(listed("Groups", "")),
        "ListRoles" => Ok(listed("Roles", "")),
        "ListOpenIDConnectProviders" => {
            Ok("<OpenIDConnectProviderList></OpenIDConnectProviderList>".to_owned())
        }
        _ => Err(Refusal::unknown(action, VERSION)),
    }
}

/// One request of somebody who heads an account.
struct Asked<'a> {
    auth: &'a auth::Service,
    caller: &'a Caller,
    form: &'a Form,
    account: &'a str,
}

impl Asked<'_> {
    fn field(&self, name: &str) -> Answer<&str> {
        self.form.get(name).ok_or_else(|| Refusal::invalid(format!("{name} is missing.")))
    }

    /// The name of the IAM user that is meant.
    fn user(&self) -> Answer<String> {
        named("UserName", self.field("UserName")?)
    }

    async fn get_user(&self) -> Answer {
        if self.form.get("UserName").is_some() {
            let user = self.auth.iam_user(self.account, &self.user()?).await?;
            return Ok(format!("<User>{}</User>", self.described(&user)));
        }
        let number = number(self.account);
        let known = self.auth.user_info(&self.caller.principal.user).await?;
        let created = known.map(|user| user.created_at).unwrap_or_default();
        let user = escape(&self.caller.principal.user);
        Ok(format!(
            "<User><Path>/</Path><UserName>{user}</UserName><UserId>{number}</UserId>\
             <Arn>arn:aws:iam::{number}:root</Arn><CreateDate>{created}</CreateDate></User>"
        ))
    }

    async fn create_user(&self) -> Answer {
        let path = path(self.form.get("Path"))?;
        let user = self.auth.iam_user_create(self.account, self.user()?, path).await?;
        Ok(format!("<User>{}</User>", self.described(&user)))
    }

    async fn list_users(&self) -> Answer {
        let prefix = self.form.get("PathPrefix").unwrap_or("/");
        let users = self.auth.iam_user_list(self.account).await?;
        let below = users.iter().filter(|user| user.path.starts_with(prefix));
        Ok(listed("Users", &below.map(|user| member(&self.described(user))).collect::<String>()))
    }

    /// Without a name a key of the caller's own, which may do all that they may.
    async fn create_key(&self) -> Answer {
        let holder = &self.caller.principal.user;
        let (user, key, secret) = match self.form.get("UserName") {
            Some(_) => {
                let user = self.user()?;
                let (key, secret) = self.auth.iam_key_issue(self.account, &user, holder).await?;
                (user, key, secret)
            }
            None => {
                let wanted = KeyWanted { user: holder.clone(), label: "iam".into(), given: None };
                let (access_key_id, secret) = self.auth.s3_key_add(wanted).await?;
                let created_at = rfc3339(now_ms());
                (holder.clone(), IamKey { access_key_id, created_at }, secret)
            }
        };
        let secret = format!("<SecretAccessKey>{secret}</SecretAccessKey>");
        Ok(format!("<AccessKey>{}{secret}</AccessKey>", shown(&user, &key)))
    }

    async fn list_keys(&self) -> Answer {
        let holder = &self.caller.principal.user;
        let (user, keys) = match self.form.get("UserName") {
            Some(_) => {
                let user = self.user()?;
                let keys = self.auth.iam_key_list(self.account, &user).await?;
                (user, keys)
            }
            None => {
                let keys = self.auth.s3_key_list(Some(holder.clone())).await?.into_iter();
                let own = keys.filter(|key| key.expires_at.is_none() && !key.label.starts_with("iam/"));
                let own =
                    own.map(|key| IamKey { access_key_id: key.access_key_id, created_at: key.created_at });
                (holder.clone(), own.collect())
            }
        };
        let members: String = keys.iter().map(|key| member(&shown(&user, key))).collect();
        Ok(listed("AccessKeyMetadata", &members))
    }

    async fn delete_key(&self) -> Answer {
        let key = self.field("AccessKeyId")?;
        Ok(match self.form.get("UserName") {
            Some(_) => self.auth.iam_key_delete(self.account, &self.user()?, key).await.map(nothing)?,
            None => {
                let holder = self.caller.principal.user.clone();
                self.auth.s3_key_revoke(key, Some(holder)).await.map(nothing)?
            }
        })
    }

    async fn put_policy(&self) -> Answer {
        let (name, text) = (self.policy_name()?, self.field("PolicyDocument")?.to_owned());
        Policy::parse(&text, Kind::Session).map_err(|bad| {
            Refusal::new("MalformedPolicyDocument", StatusCode::BAD_REQUEST, bad.to_string())
        })?;
        self.change(move |policies| {
            policies.insert(name, text);
            Ok(())
        })
        .await
    }

    async fn get_policy(&self) -> Answer {
        let (user, name) = (self.user()?, self.policy_name()?);
        let found = self.auth.iam_user(self.account, &user).await?;
        let text = found.policies.get(&name).ok_or_else(|| no_policy(&name))?;
        Ok(format!(
            "<UserName>{}</UserName><PolicyName>{}</PolicyName><PolicyDocument>{}</PolicyDocument>",
            escape(&user),
            escape(&name),
            utf8_percent_encode(text, NON_ALPHANUMERIC)
        ))
    }

    async fn attach_policy(&self) -> Answer {
        let arn = self.field("PolicyArn")?.to_owned();
        if managed(&arn).is_none() {
            let known = MANAGED.map(|(arn, _)| arn).join(" and ");
            let message = format!("Policy {arn} does not exist or is not attachable. Here are {known}.");
            return Err(Refusal::new("NoSuchEntity", StatusCode::NOT_FOUND, message));
        }
        self.change(move |policies| {
            policies.insert(arn, String::new());
            Ok(())
        })
        .await
    }

    async fn remove_policy(&self, field: &str) -> Answer {
        let name = self.field(field)?.to_owned();
        self.change(move |policies| policies.remove(&name).map(drop).ok_or_else(|| no_policy(&name))).await
    }

    async fn list_policies(&self, attached: bool) -> Answer {
        let user = self.auth.iam_user(self.account, &self.user()?).await?;
        let wanted = user.policies.keys().filter(|name| managed(name).is_some() == attached);
        Ok(match attached {
            false => listed("PolicyNames", &wanted.map(|name| member(&escape(name))).collect::<String>()),
            true => {
                let one = |arn: &String| {
                    let name = arn.rsplit('/').next().unwrap_or_default();
                    member(&format!("<PolicyName>{name}</PolicyName><PolicyArn>{arn}</PolicyArn>"))
                };
                listed("AttachedPolicies", &wanted.map(one).collect::<String>())
            }
        })
    }

    fn policy_name(&self) -> Answer<String> {
        named("PolicyName", self.field("PolicyName")?)
    }

    async fn change(
        &self,
        change: impl FnOnce(&mut BTreeMap<String, String>) -> Result<()> + Send + 'static,
    ) -> Answer {
        Ok(self.auth.iam_policies_change(self.account, &self.user()?, change).await.map(nothing)?)
    }

    fn described(&self, user: &IamUser) -> String {
        format!(
            "<Path>{path}</Path><UserName>{name}</UserName><UserId>{}</UserId>\
             <Arn>arn:aws:iam::{}:user{path}{name}</Arn><CreateDate>{}</CreateDate>",
            user.id,
            number(self.account),
            rfc3339(user.created_ms),
            path = escape(&user.path),
            name = escape(&user.name),
        )
    }
}

fn shown(user: &str, key: &IamKey) -> String {
    format!(
        "<UserName>{}</UserName><AccessKeyId>{}</AccessKeyId><Status>Active</Status>\
         <CreateDate>{}</CreateDate>",
        escape(user),
        key.access_key_id,
        key.created_at
    )
}

fn listed(name: &str, members: &str) -> String {
    format!("<{name}>{members}</{name}><IsTruncated>false</IsTruncated>")
}

fn member(inside: &str) -> String {
    format!("<member>{inside}</member>")
}

fn nothing((): ()) -> String {
    String::new()
}

fn no_policy(name: &str) -> Error {
    Error::not_found(format!("The user policy with name {name} cannot be found."))
}

/// A name as Amazon allows it.
fn named(field: &str, name: &str) -> Answer<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if (1..=64).contains(&name.len()) && name.chars().all(fits) {
        return Ok(name.to_owned());
    }
    Err(Refusal::invalid(format!(
        "{field} {name:?} must have 1 to 64 letters, digits or characters of +=,.@_-."
    )))
}

fn path(given: Option<&str>) -> Answer<String> {
    let path = given.unwrap_or("/");
    let framed = path.starts_with('/') && path.ends_with('/') && path.len() <= 512;
    if framed && path.chars().all(|c| ('!'..='~').contains(&c)) {
        return Ok(path.to_owned());
    }
    Err(Refusal::invalid(format!("Path {path:?} must begin and end with / and have 512 characters at most.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_amazons() {
        assert!(named("UserName", "a+b@c").is_ok() && named("UserName", &"x".repeat(64)).is_ok());
        for bad in ["", "a b", "a/b", "ü", &"x".repeat(65)] {
            assert!(named("UserName", bad).is_err(), "{bad}");
        }
        assert_eq!(path(None).unwrap(), "/");
        for (text, fine) in
            [("/", true), ("/team/a/", true), ("team/", false), ("/team", false), ("/ü/", false)]
        {
            assert_eq!(path(Some(text)).is_ok(), fine, "{text}");
        }
    }

    #[test]
    fn managed_policies_can_be_read() {
        for (arn, document) in MANAGED {
            assert!(Policy::parse(document, Kind::Session).is_ok(), "{arn}");
            assert_eq!(managed(arn), Some(document));
        }
    }
}
