//! Whether the delivery of logs may write to a bucket: its policy, or its ACL, must say so.

use crate::{
    kernel::error::Result,
    objects::{
        access::{
            account::{Who, number},
            acl::{Acl, Grantee, Permission},
            policy::{Ask, BucketPolicy, Verdict},
            settings::Ownership,
        },
        error::Fault,
        model::Bucket,
        service::Service,
    },
};

/// Who delivers, in the words of a policy.
const DELIVERY: &str = "logging.s3.amazonaws.com";

impl Service {
    /// Fails unless logs of `source`, which belongs to `owner`, may be written below this prefix.
    pub(in crate::objects) fn log_check(
        &self,
        owner: &str,
        source: &str,
        target: &Bucket,
        prefix: &str,
    ) -> Result<()> {
        if by_policy(owner, source, target, prefix)? || by_acl(target)? {
            return Ok(());
        }
        Err(Fault::AccessDenied(format!(
            "The bucket {} does not let {DELIVERY} put the log of {source} below {prefix:?}: its policy must \
             allow s3:PutObject there.",
            target.name
        ))
        .into())
    }
}

fn by_policy(owner: &str, source: &str, target: &Bucket, prefix: &str) -> Result<bool> {
    let Some(policy) = target.settings.get::<BucketPolicy>()? else { return Ok(false) };
    let lookup = |key: &str| match key {
        "aws:sourcearn" => Some(vec![format!("arn:aws:s3:::{source}")]),
        "aws:sourceaccount" => Some(vec![owner.to_owned(), number(owner)]),
        _ => None,
    };
    let ask = Ask {
        who: Who { service: Some(DELIVERY), ..Who::default() },
        action: "s3:PutObject",
        resource: &format!("arn:aws:s3:::{}/{prefix}", target.name),
        lookup: &lookup,
    };
    Ok(policy.policy.verdict(&ask) == Verdict::Allow)
}

/// The older way: the group of that name was granted to write.
fn by_acl(target: &Bucket) -> Result<bool> {
    if target.settings.get::<Ownership>()?.is_some_and(|own| *own == Ownership::BucketOwnerEnforced) {
        return Ok(false);
    }
    let acl = target.settings.get::<Acl>()?;
    let writes = |permission| matches!(permission, Permission::Write | Permission::FullControl);
    Ok(acl.is_some_and(|acl| {
        acl.grants.iter().any(|grant| grant.grantee == Grantee::LogDelivery && writes(grant.permission))
    }))
}
