//! From what a request wants granted to the ACL it becomes: names are looked up, strangers refused.

use super::super::{error::Fault, model::HOUSE};
use super::{
    account::account_of,
    acl::{Acl, GRANTS_MAX, Grant, Grantee, Permission},
    grants::{self, BadGrant, Named, Wanted},
};
use crate::{auth, kernel::error::Result};
use http::HeaderMap;

/// What the headers want.
pub fn wanted(headers: &HeaderMap) -> Result<Option<Wanted>> {
    grants::from_headers(headers).map_err(|bad| {
        let message = match bad {
            BadGrant::Format => "Argument format not recognized",
            BadGrant::Both => "Specifying both Canned ACLs and Header Grants is not allowed",
        };
        match bad {
            BadGrant::Format => Fault::InvalidArgument(message.into()).into(),
            BadGrant::Both => Fault::InvalidRequest(message.into()).into(),
        }
    })
}

const HAND_OVER: &str = "bucket-owner-full-control";

/// Where ACLs are off, a request may still say what holds anyway.
pub fn only_owner(wanted: &Wanted) -> Result<()> {
    match wanted {
        Wanted::Canned(name) if name == HAND_OVER => Ok(()),
        _ => Err(Fault::AclNotSupported.into()),
    }
}

/// Whether the bucket's owner gets full control of the new object.
pub fn hands_over(wanted: &Wanted) -> bool {
    matches!(wanted, Wanted::Canned(name) if name == HAND_OVER)
}

/// The ACL of a thing of `owner` in (or as) a bucket of `bucket_owner`.
pub async fn acl(auth: &auth::Service, wanted: Wanted, (owner, bucket_owner): (&str, &str)) -> Result<Acl> {
    match wanted {
        Wanted::Canned(name) => Acl::canned(&name, owner, bucket_owner)
            .ok_or_else(|| Fault::InvalidArgument(format!("{name:?} is no canned ACL.")).into()),
        Wanted::Grants(named) => {
            if named.len() > GRANTS_MAX {
                let message = format!("An ACL has at most {GRANTS_MAX} grants.");
                return Err(Fault::InvalidRequest(message).into());
            }
            let mut acl = Acl::default();
            for (name, permission) in named {
                let grant = Grant { grantee: grantee(auth, name).await?, permission };
                acl.grants.push(grant);
            }
            Ok(acl)
        }
    }
}

async fn grantee(auth: &auth::Service, named: Named) -> Result<Grantee> {
    match named {
        Named::Group(uri) => {
            Grantee::group(&uri).ok_or_else(|| Fault::InvalidArgument("Invalid group uri".into()).into())
        }
        Named::Id(id) if id == HOUSE => Ok(Grantee::Account(id)),
        Named::Id(id) => match auth.user_find(&id).await? {
            Some(user) if user.role.has_own_account() => Ok(Grantee::Account(id)),
            _ => Err(Fault::InvalidArgument("Invalid id".into()).into()),
        },
        Named::Email(email) => match auth.user_by_email(&email).await? {
            Some(user) => Ok(Grantee::Account(account_of(&user).to_owned())),
            None => Err(Fault::UnresolvableGrant(email).into()),
        },
    }
}

/// A permission by its name in a document.
pub fn permission(name: &str) -> Result<Permission> {
    Permission::parse(name).ok_or_else(|| Fault::MalformedAcl.into())
}
