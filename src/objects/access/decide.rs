//! The decision: an explicit Deny, then what gives a right, else no. Pure; what it needs is handed in.

use super::{
    super::model::HOUSE,
    account::{Who, account_of},
    acl::{Acl, Permission},
    action::{Operation, Scope},
    policy::{Ask, Policy, Verdict, condition::Lookup},
    settings::{Ownership, PublicAccessBlock},
};
use crate::auth::{Principal, Role};

/// Who is asking with a key.
#[derive(Clone, Debug)]
pub struct Caller {
    pub principal: Principal,
    pub session: Option<Session>,
}

/// What keys are limited to that are not a user's own.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// The IAM user whose key it is.
    pub user: Option<String>,
    /// The role taken on, and the session's name.
    pub role: Option<(String, String)>,
    /// What it may do at most.
    pub policy: Option<std::sync::Arc<Policy>>,
}

impl Caller {
    pub fn account(&self) -> &str {
        account_of(&self.principal)
    }

    /// The name of the user, or of the IAM user.
    pub fn name(&self) -> &str {
        self.iam_user().unwrap_or(&self.principal.user)
    }

    /// The IAM user whose key it is.
    pub fn iam_user(&self) -> Option<&str> {
        self.session.as_ref()?.user.as_deref()
    }

    /// Whether they stand for their account as a whole, which in other words is its root.
    pub fn heads_account(&self) -> bool {
        let role = self.principal.role;
        self.session.is_none() && (role == Role::Admin || role.has_own_account())
    }

    pub fn who(&self) -> Who<'_> {
        let role = self.session.as_ref().and_then(|session| session.role.as_ref());
        Who {
            account: Some(self.account()),
            user: Some(self.name()),
            role: role.map(|(role, name)| (role.as_str(), name.as_str())),
            service: None,
        }
    }

    /// Whether the user's own rights, within their account, cover the operation. A guest is all there
    /// is of an account, and so may do all.
    pub fn covers(&self, operation: &Operation) -> bool {
        self.principal.role.has_own_account() || self.principal.role >= operation.role
    }

    pub fn session_policy(&self) -> Option<&Policy> {
        self.session.as_ref()?.policy.as_deref()
    }
}

/// What a bucket says about access.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub owner: &'a str,
    pub policy: Option<&'a Policy>,
    /// The policy may keep the owner from changing it.
    pub binds_owner: bool,
    /// None grants nobody but the owner.
    pub acl: Option<&'a Acl>,
    pub block: PublicAccessBlock,
    pub ownership: Ownership,
}

/// What is known of the object asked for.
#[derive(Clone, Copy)]
pub enum Target<'a> {
    /// It is the bucket, or a key to be written; or the decision does not hang on the object.
    Any,
    Missing,
    Object {
        owner: &'a str,
        acl: Option<&'a Acl>,
    },
}

/// One question.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// None is an anonymous request.
    pub caller: Option<&'a Caller>,
    pub operation: &'a Operation,
    pub action: &'a str,
    pub resource: &'a str,
    pub lookup: &'a Lookup<'a>,
}

impl Question<'_> {
    fn account(&self) -> Option<&str> {
        self.caller.map(Caller::account)
    }

    fn ask(&self) -> Ask<'_> {
        Ask {
            who: self.caller.map(Caller::who).unwrap_or_default(),
            action: self.action,
            resource: self.resource,
            lookup: self.lookup,
        }
    }
}

/// Whether the caller may do it. Of an object that is missing, whether they may hear so.
pub fn may(place: &Place<'_>, question: &Question<'_>, target: Target<'_>) -> bool {
    let ask = question.ask();
    let own = question.account() == Some(place.owner);
    let said = place.policy.map_or(Verdict::Silent, |policy| policy.verdict(&ask));
    let minds = minds_the_policy(question);
    // Who has bound themselves by a policy is unbound by an admin of the house.
    if place.binds_owner && minds && question.caller.is_some_and(|caller| caller.account() == HOUSE) {
        return true;
    }
    if said == Verdict::Deny && !(own && minds && !place.binds_owner) {
        return false;
    }
    if let Some(caller) = question.caller
        && let Some(policy) = caller.session_policy()
    {
        // An IAM user may also do what a bucket of their own account lets them.
        let theirs = own && caller.iam_user().is_some() && !foreign(place, target);
        let let_in = theirs && said == Verdict::Allow;
        match policy.verdict(&ask) {
            Verdict::Allow => {}
            Verdict::Silent if let_in => {}
            _ => return false,
        }
    }
    if let Target::Missing = target {
        return may_list(place, question);
    }
    let restricted = place.block.restrict && !own && place.policy.is_some_and(Policy::is_public);
    let said = if restricted || foreign(place, target) { Verdict::Silent } else { said };
    if own { may_own(place, question, target, said) } else { may_other(place, question, target, said) }
}

/// Whether the object is another account's than the bucket's. Of such the bucket's policy can deny, not
/// allow.
fn foreign(place: &Place<'_>, target: Target<'_>) -> bool {
    matches!(target, Target::Object { owner, .. } if owner != place.owner)
        && place.ownership != Ownership::BucketOwnerEnforced
}

/// A user of the account the bucket belongs to.
fn may_own(place: &Place<'_>, question: &Question<'_>, target: Target<'_>, said: Verdict) -> bool {
    let covered = question.caller.is_some_and(|caller| caller.covers(question.operation));
    match target {
        Target::Object { acl, .. } if foreign(place, target) => covered && granted(place, question, acl),
        // A policy that names the user, or everybody, adds to what their role gives them.
        _ => covered || said == Verdict::Allow,
    }
}

/// Another account, or nobody.
fn may_other(place: &Place<'_>, question: &Question<'_>, target: Target<'_>, said: Verdict) -> bool {
    if question.caller.is_some_and(|caller| !caller.covers(question.operation)) {
        return false;
    }
    if matches!(said, Verdict::Allow | Verdict::AllowAccount) {
        return true;
    }
    match target {
        Target::Object { owner, acl } => {
            (foreign(place, target) && question.account() == Some(owner)) || granted(place, question, acl)
        }
        _ => question.operation.scope != Scope::Object && granted(place, question, place.acl),
    }
}

/// Whether the ACL grants what the operation needs; where ACLs are off it does not count.
fn granted(place: &Place<'_>, question: &Question<'_>, acl: Option<&Acl>) -> bool {
    let wanted = |permission: Permission| {
        acl.is_some_and(|acl| acl.allows(question.account(), permission, place.block.ignore_acls))
    };
    place.ownership != Ownership::BucketOwnerEnforced && question.operation.permission.is_some_and(wanted)
}

/// Who may list the bucket may hear that an object is missing; others only that they may not.
fn may_list(place: &Place<'_>, question: &Question<'_>) -> bool {
    let key = question.resource.split_once('/').map_or("", |(_, key)| key);
    let bucket = question.resource.split('/').next().unwrap_or_default();
    let lookup = |name: &str| match name {
        "s3:prefix" => Some(vec![key.to_owned()]),
        other => (question.lookup)(other),
    };
    let operation = super::action::of("ListObjectsV2");
    let list = Question {
        operation: &operation,
        action: operation.action,
        resource: bucket,
        lookup: &lookup,
        ..*question
    };
    may(place, &list, Target::Any)
}

/// An owner who has locked themselves out must be able to change the policy that did it.
fn minds_the_policy(question: &Question<'_>) -> bool {
    let top = question.caller.is_some_and(Caller::heads_account);
    top && matches!(question.action, "s3:GetBucketPolicy" | "s3:PutBucketPolicy" | "s3:DeleteBucketPolicy")
}
