//! Decisions, in the situations that matter.

use super::{
    acl::{Acl, Grant, Grantee, Permission},
    action,
    decide::{Caller, Place, Question, Session, Target, may},
    policy::{Kind, Policy},
    settings::{Ownership, PublicAccessBlock},
};
use crate::auth::{Principal, Role};
use serde_json::{Value, json};

const BUCKET: &str = "arn:aws:s3:::b";
const OBJECT: &str = "arn:aws:s3:::b/x";

fn caller(user: &str, role: Role) -> Caller {
    Caller { principal: Principal { user: user.into(), role }, session: None }
}

fn policy(statement: Value) -> Policy {
    Policy::parse(&json!({"Version": "2012-10-17", "Statement": statement}).to_string(), Kind::Stored)
        .unwrap()
}

fn place<'a>(policy: Option<&'a Policy>, acl: Option<&'a Acl>) -> Place<'a> {
    let (block, ownership) = (PublicAccessBlock::default(), Ownership::default());
    Place { owner: "crannog", policy, binds_owner: false, acl, block, ownership }
}

fn ask(place: &Place<'_>, caller: Option<&Caller>, name: &str, target: Target<'_>) -> bool {
    let operation = action::of(name);
    let resource = if operation.scope == action::Scope::Bucket { BUCKET } else { OBJECT };
    let question =
        Question { caller, operation: &operation, action: operation.action, resource, lookup: &|_| None };
    may(place, &question, target)
}

const HOUSE: Target<'static> = Target::Object { owner: "crannog", acl: None };

#[test]
fn within_the_house_the_role_decides() {
    let place = place(None, None);
    let (viewer, editor, admin) =
        (caller("v", Role::Viewer), caller("e", Role::Editor), caller("a", Role::Admin));
    assert!(ask(&place, Some(&viewer), "GetObject", HOUSE));
    assert!(!ask(&place, Some(&viewer), "PutObject", Target::Any));
    assert!(ask(&place, Some(&editor), "PutObject", Target::Any));
    assert!(!ask(&place, Some(&editor), "PutBucketPolicy", Target::Any));
    assert!(ask(&place, Some(&admin), "PutBucketPolicy", Target::Any));
}

#[test]
fn strangers_have_nothing_until_it_is_granted() {
    let guest = caller("ann", Role::Guest);
    let closed = place(None, None);
    for who in [None, Some(&guest)] {
        assert!(!ask(&closed, who, "GetObject", HOUSE));
        assert!(!ask(&closed, who, "ListObjectsV2", Target::Any));
        assert!(!ask(&closed, who, "PutObject", Target::Any));
    }
    let open = policy(
        json!({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}),
    );
    let open = place(Some(&open), None);
    assert!(ask(&open, None, "GetObject", HOUSE) && ask(&open, Some(&guest), "GetObject", HOUSE));
    assert!(!ask(&open, None, "PutObject", Target::Any));
    let acl = Acl::canned("public-read-write", "crannog", "crannog").unwrap();
    let open = place(None, Some(&acl));
    assert!(ask(&open, None, "ListObjectsV2", Target::Any) && ask(&open, None, "PutObject", Target::Any));
    assert!(!ask(&open, None, "GetObject", HOUSE), "the object's own list counts");
    let readable = Target::Object { owner: "crannog", acl: Some(&acl) };
    assert!(ask(&closed, None, "GetObject", readable));
    assert!(!ask(&closed, None, "PutObjectAcl", readable));
}

#[test]
fn a_deny_holds_for_all_but_an_owner_minding_the_policy() {
    let all = policy(json!({"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}));
    let denied = place(Some(&all), None);
    let (admin, editor) = (caller("a", Role::Admin), caller("e", Role::Editor));
    assert!(!ask(&denied, Some(&admin), "GetObject", HOUSE));
    assert!(!ask(&denied, Some(&admin), "GetPublicAccessBlock", Target::Any));
    for name in ["GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"] {
        assert!(ask(&denied, Some(&admin), name, Target::Any), "{name}");
        assert!(!ask(&denied, Some(&editor), name, Target::Any), "{name}");
        assert!(!ask(&denied, Some(&caller("ann", Role::Guest)), name, Target::Any), "{name}");
    }
}

#[test]
fn a_policy_adds_to_a_role_when_it_names_the_user() {
    let viewer = caller("v", Role::Viewer);
    let to = |arn: &str| {
        policy(
            json!({"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "s3:PutObject", "Resource": "*"}),
        )
    };
    let (user, account) = (to("arn:aws:iam::crannog:user/v"), to("arn:aws:iam::crannog:root"));
    assert!(ask(&place(Some(&user), None), Some(&viewer), "PutObject", Target::Any));
    assert!(!ask(&place(Some(&account), None), Some(&viewer), "PutObject", Target::Any));
    // In another account's bucket the role limits what the account was granted.
    let theirs = Place { owner: "ann", ..place(Some(&account), None) };
    assert!(!ask(&theirs, Some(&viewer), "PutObject", Target::Any));
    assert!(ask(&theirs, Some(&caller("e", Role::Editor)), "PutObject", Target::Any));
}

#[test]
fn an_object_belongs_to_who_put_it() {
    let (admin, guest) = (caller("a", Role::Admin), caller("ann", Role::Guest));
    let theirs = Target::Object { owner: "ann", acl: None };
    let open = policy(json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}));
    let open = place(Some(&open), None);
    assert!(
        ask(&open, Some(&guest), "GetObject", theirs) && ask(&open, Some(&guest), "PutObjectAcl", theirs)
    );
    assert!(!ask(&open, Some(&admin), "GetObject", theirs), "not granted to the bucket's owner");
    assert!(!ask(&open, Some(&caller("bob", Role::Guest)), "GetObject", theirs));
    assert!(ask(&open, Some(&admin), "DeleteObject", Target::Any), "a bucket's owner may always clear up");
    let acl = Acl {
        grants: vec![Grant { grantee: Grantee::Account("crannog".into()), permission: Permission::Read }],
    };
    assert!(ask(&open, Some(&admin), "GetObject", Target::Object { owner: "ann", acl: Some(&acl) }));
    let enforced = Place { ownership: Ownership::BucketOwnerEnforced, ..open };
    assert!(ask(&enforced, Some(&admin), "GetObject", theirs));
    assert!(!ask(&Place { policy: None, ..enforced }, Some(&guest), "GetObject", theirs));
}

#[test]
fn the_public_access_block_closes_what_is_public() {
    let acl = Acl::canned("public-read", "crannog", "crannog").unwrap();
    let ignoring = PublicAccessBlock { ignore_acls: true, ..PublicAccessBlock::default() };
    let ignored = Place { block: ignoring, ..place(None, Some(&acl)) };
    assert!(!ask(&ignored, None, "ListObjectsV2", Target::Any));
    let open =
        policy(json!({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}));
    let restricting = PublicAccessBlock { restrict: true, ..PublicAccessBlock::default() };
    let restricted = Place { block: restricting, ..place(Some(&open), None) };
    assert!(!ask(&restricted, None, "GetObject", HOUSE));
    assert!(!ask(&restricted, Some(&caller("ann", Role::Guest)), "GetObject", HOUSE));
    assert!(ask(&restricted, Some(&caller("v", Role::Viewer)), "GetObject", HOUSE));
}

#[test]
fn who_may_list_may_hear_that_an_object_is_missing() {
    let guest = caller("ann", Role::Guest);
    let listing = |prefix: &str| {
        policy(json!({"Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket", "Resource": BUCKET,
            "Condition": {"StringLike": {"s3:prefix": prefix}}}))
    };
    let (fits, other) = (listing("x*"), listing("y*"));
    assert!(ask(&place(Some(&fits), None), Some(&guest), "HeadObject", Target::Missing));
    assert!(!ask(&place(Some(&other), None), Some(&guest), "HeadObject", Target::Missing));
    let reading =
        policy(json!({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}));
    assert!(!ask(&place(Some(&reading), None), None, "GetObject", Target::Missing));
}

#[test]
fn a_sessions_policy_only_narrows() {
    let narrow =
        policy_of_session(json!({"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/y"}));
    let with = |role| Caller { session: Some(narrow.clone()), ..caller("u", role) };
    let place = place(None, None);
    assert!(!ask(&place, Some(&with(Role::Admin)), "GetObject", HOUSE));
    let wide = policy_of_session(json!({"Effect": "Allow", "Action": "*", "Resource": "*"}));
    let viewer = Caller { session: Some(wide), ..caller("v", Role::Viewer) };
    assert!(ask(&place, Some(&viewer), "GetObject", HOUSE));
    assert!(!ask(&place, Some(&viewer), "PutObject", Target::Any));
}

fn policy_of_session(statement: Value) -> Session {
    let text = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
    let policy = Policy::parse(&text, Kind::Session).unwrap();
    Session { role: None, user: None, policy: Some(std::sync::Arc::new(policy)) }
}
