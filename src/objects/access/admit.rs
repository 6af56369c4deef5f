//! The gatekeeper: gathers what a decision needs, no more than it needs, and takes it.
//!
//! A user of the account a bucket belongs to, where it has no policy and nobody else's objects, is let
//! in by their role alone: no database is asked.

use super::super::{
    error::Fault,
    model::{Bucket, ObjectInfo, Owner, Traits, Version},
    service::Service,
};
use super::{
    account::means,
    acl::Acl,
    action::{self, Operation, Scope},
    asked::{Asked, Tags},
    decide::{Caller, Place, Question, Target, may},
    policy::{BucketPolicy, keys},
    settings::{ForeignObjects, Ownership, PublicAccessBlock},
};
use crate::{
    auth,
    kernel::error::{Error, Result},
};
use std::sync::Arc;

/// Decides about every request.
#[derive(Clone)]
pub struct Gatekeeper {
    pub service: Service,
    pub auth: auth::Service,
}

/// A request that was let in, and what follows from it for what it makes.
#[derive(Clone, Debug, Default)]
pub struct Admitted {
    /// None for an anonymous request.
    pub caller: Option<Arc<Caller>>,
    /// Who owns what the request makes.
    pub owner: Owner,
    /// The ACL of the object it makes; none is private to the owner.
    pub acl: Option<Acl>,
    /// Whether it may pass over retention in governance mode.
    pub bypass: bool,
}

impl Admitted {
    /// Writes down on a new object whose it is and who has what of it.
    pub fn mark(&self, traits: &mut Traits) {
        traits.owner = self.owner.clone();
        traits.acl.clone_from(&self.acl);
    }
}

/// What a bucket says about access, held for the time of a decision.
struct Rules {
    bucket: Arc<Bucket>,
    policy: Option<Arc<BucketPolicy>>,
    acl: Option<Arc<Acl>>,
    block: PublicAccessBlock,
    ownership: Ownership,
    foreign: bool,
}

impl Rules {
    fn of(bucket: Arc<Bucket>) -> Result<Self> {
        let settings = &bucket.settings;
        Ok(Self {
            policy: settings.get::<BucketPolicy>()?,
            acl: settings.get::<Acl>()?,
            block: settings.get::<PublicAccessBlock>()?.map_or_else(Default::default, |block| *block),
            ownership: settings.get::<Ownership>()?.map_or_else(Default::default, |ownership| *ownership),
            foreign: settings.get::<ForeignObjects>()?.is_some(),
            bucket,
        })
    }

    fn place(&self) -> Place<'_> {
        Place {
            owner: &self.bucket.owner,
            policy: self.policy.as_ref().map(|policy| &policy.policy),
            binds_owner: self.policy.as_ref().is_some_and(|policy| policy.binds_owner),
            acl: self.acl.as_deref(),
            block: self.block,
            ownership: self.ownership,
        }
    }

    /// Whether the policy asks for the tags a request brings.
    fn look_at_tags(&self) -> bool {
        self.policy.as_ref().is_some_and(|policy| policy.policy.looks_at("s3:requestobjecttag"))
    }

    /// Whether the caller's own rights are all there is to look at.
    fn simple(&self, caller: Option<&Caller>) -> bool {
        self.policy.is_none()
            && !self.foreign
            && caller.is_some_and(|caller| {
                caller.session_policy().is_none() && caller.account() == self.bucket.owner
            })
    }
}

/// What was found where the request points.
enum Found {
    NotNeeded,
    Missing,
    Object(Box<ObjectInfo>),
}

impl Found {
    fn target(&self) -> Target<'_> {
        match self {
            Self::NotNeeded => Target::Any,
            Self::Missing => Target::Missing,
            Self::Object(info) => {
                Target::Object { owner: &info.traits.owner.0, acl: info.traits.acl.as_ref() }
            }
        }
    }

    fn tags(&self) -> Option<&[(String, String)]> {
        match self {
            Self::Object(info) => Some(&info.traits.tags),
            _ => None,
        }
    }
}

impl Gatekeeper {
    /// Lets a request in, or says why not.
    pub async fn admit(&self, asked: &Asked<'_>, caller: Option<Arc<Caller>>) -> Result<Admitted> {
        let operation = action::of(asked.operation);
        if operation.scope == Scope::Account {
            return admit_to_account(asked, &operation, caller);
        }
        let rules = Rules::of(self.service.bucket(asked.bucket).await?)?;
        check_expected(asked.header("x-amz-expected-bucket-owner"), &rules.bucket)?;
        // These are decided once the body is read: each key on its own, and by the tags it brings.
        let later =
            asked.operation == "DeleteObjects" || (asked.tags == Tags::ToCome && rules.look_at_tags());
        if !later {
            self.decide(asked, &operation, &rules, caller.as_deref()).await?;
        }
        for extra in extra_rights(asked) {
            self.decide(asked, &extra, &rules, caller.as_deref()).await?;
        }
        let bypass = match asked.header("x-amz-bypass-governance-retention") {
            Some(value) if value.eq_ignore_ascii_case("true") => {
                let right = action::of("BypassGovernanceRetention");
                self.allowed(asked, &right, &rules, caller.as_deref()).await?
            }
            _ => false,
        };
        let mut admitted = Admitted { owner: owner(&rules, caller.as_deref()), caller, bypass, acl: None };
        if makes_object(asked.operation) {
            self.prepare_object(asked, &rules, &mut admitted).await?;
        }
        Ok(admitted)
    }

    /// Whether the caller may read what a copy is made from.
    pub async fn admit_source(
        &self,
        asked: &Asked<'_>,
        caller: Option<&Caller>,
        source: (&str, &str, Option<Version>),
    ) -> Result<()> {
        let (bucket, key, version) = source;
        let rules = Rules::of(self.service.bucket(bucket).await?)?;
        check_expected(asked.header("x-amz-source-expected-bucket-owner"), &rules.bucket)?;
        let query =
            version.map(|version| ("versionId".to_owned(), version.to_string())).into_iter().collect();
        let read = Asked { operation: "GetObject", bucket, key, query, tags: Tags::InHeader, ..*asked };
        self.decide(&read, &action::of("GetObject"), &rules, caller).await
    }

    /// Whether the caller may delete each of these keys or versions.
    pub async fn may_delete(
        &self,
        asked: &Asked<'_>,
        caller: Option<&Caller>,
        keys: &[(String, Option<String>)],
    ) -> Result<Vec<bool>> {
        let rules = Rules::of(self.service.bucket(asked.bucket).await?)?;
        let operation = action::of("DeleteObject");
        if rules.simple(caller) {
            return Ok(vec![caller.is_some_and(|caller| caller.covers(&operation)); keys.len()]);
        }
        let mut answers = Vec::with_capacity(keys.len());
        for (key, version) in keys {
            let query = version.iter().map(|version| ("versionId".to_owned(), version.clone())).collect();
            let one = Asked { key, query, tags: Tags::InHeader, ..*asked };
            answers.push(self.allowed(&one, &operation, &rules, caller).await?);
        }
        Ok(answers)
    }

    /// The decision about tags that are only known once the body is read.
    pub async fn admit_tags(&self, asked: &Asked<'_>, caller: Option<&Caller>) -> Result<()> {
        let rules = Rules::of(self.service.bucket(asked.bucket).await?)?;
        if !rules.look_at_tags() {
            return Ok(());
        }
        self.decide(asked, &action::of(asked.operation), &rules, caller).await
    }

    async fn decide(
        &self,
        asked: &Asked<'_>,
        operation: &Operation,
        rules: &Rules,
        caller: Option<&Caller>,
    ) -> Result<()> {
        match self.allowed(asked, operation, rules, caller).await? {
            true => Ok(()),
            false => Err(denied(asked, operation, caller, &rules.bucket.owner)),
        }
    }

    async fn allowed(
        &self,
        asked: &Asked<'_>,
        operation: &Operation,
        rules: &Rules,
        caller: Option<&Caller>,
    ) -> Result<bool> {
        if rules.simple(caller) {
            return Ok(caller.is_some_and(|caller| caller.covers(operation)));
        }
        let found = self.find(asked, operation, rules, caller).await?;
        let lookup = |key: &str| asked.values(key, caller, found.tags());
        let question = Question {
            caller,
            operation,
            action: operation.action(asked.version().is_some()),
            resource: &resource(asked, operation),
            lookup: &lookup,
        };
        Ok(may(&rules.place(), &question, found.target()))
    }

    /// Looks the object up where the decision may hang on it.
    async fn find(
        &self,
        asked: &Asked<'_>,
        operation: &Operation,
        rules: &Rules,
        caller: Option<&Caller>,
    ) -> Result<Found> {
        let own = caller.is_some_and(|caller| caller.account() == rules.bucket.owner);
        let tags = || rules.policy.as_ref().is_some_and(|policy| policy.policy.looks_at(keys::EXISTING_TAG));
        if operation.scope != Scope::Object || (own && !rules.foreign && !tags()) {
            return Ok(Found::NotNeeded);
        }
        let version = asked.version().map(Version::parse).transpose()?;
        match self.service.head_version(asked.bucket, asked.key, version).await {
            Ok(info) => Ok(Found::Object(Box::new(info))),
            Err(error) => match Fault::of(&error) {
                Some(Fault::NoSuchKey(_) | Fault::NoSuchVersion(_) | Fault::DeleteMarker { .. }) => {
                    Ok(Found::Missing)
                }
                _ => Err(error),
            },
        }
    }

    /// Says who will own the new object and who will have what of it.
    async fn prepare_object(&self, asked: &Asked<'_>, rules: &Rules, admitted: &mut Admitted) -> Result<()> {
        let wanted = super::resolve::wanted(asked.headers)?;
        let owner = admitted.owner.0.clone();
        admitted.acl = match (wanted, rules.ownership) {
            (None, _) => None,
            (Some(wanted), Ownership::BucketOwnerEnforced) => {
                super::resolve::only_owner(&wanted)?;
                None
            }
            (Some(wanted), ownership) => {
                // What is handed over as it is put becomes the bucket owner's.
                if ownership == Ownership::BucketOwnerPreferred && super::resolve::hands_over(&wanted) {
                    admitted.owner = Owner(rules.bucket.owner.clone());
                }
                let acl = super::resolve::acl(&self.auth, wanted, (&owner, &rules.bucket.owner)).await?;
                self.check_opening(&acl, &rules.bucket, admitted.caller.as_deref())?;
                Some(acl)
            }
        };
        if admitted.owner.0 != rules.bucket.owner && !rules.foreign {
            self.service.setting_put(asked.bucket, &ForeignObjects {}).await?;
        }
        Ok(())
    }

    /// Refuses an ACL that the bucket's public access block, or the caller's role, does not allow.
    pub fn check_opening(&self, acl: &Acl, bucket: &Bucket, caller: Option<&Caller>) -> Result<()> {
        let block = bucket.settings.get::<PublicAccessBlock>()?;
        if block.is_some_and(|block| block.block_acls) && acl.is_public() {
            let message = "The bucket's public access block refuses ACLs that grant the public anything.";
            return Err(Fault::AccessDenied(message.into()).into());
        }
        let house = caller.filter(|caller| !caller.principal.role.has_own_account());
        match house {
            Some(caller) if acl.reaches_beyond(&[caller.account(), &bucket.owner]) => {
                caller.principal.require(auth::Role::Admin)
            }
            _ => Ok(()),
        }
    }
}

fn admit_to_account(
    asked: &Asked<'_>,
    operation: &Operation,
    caller: Option<Arc<Caller>>,
) -> Result<Admitted> {
    let Some(known) = caller.as_deref() else {
        return Err(Fault::AccessDenied("Anonymous requests cannot list or make buckets.".into()).into());
    };
    // The account's own place: nothing but the caller's rights and the limits of the session count.
    let place = Place {
        owner: known.account(),
        policy: None,
        binds_owner: false,
        acl: None,
        block: PublicAccessBlock::default(),
        ownership: Ownership::default(),
    };
    let lookup = |key: &str| asked.values(key, Some(known), None);
    let (caller_ref, action) = (Some(known), operation.action);
    let resource = &resource(asked, operation);
    let question = Question { caller: caller_ref, operation, action, resource, lookup: &lookup };
    if !may(&place, &question, Target::Any) {
        return Err(denied(asked, operation, Some(known), known.account()));
    }
    let owner = Owner(known.account().to_owned());
    Ok(Admitted { caller, owner, ..Admitted::default() })
}

fn makes_object(operation: &str) -> bool {
    matches!(operation, "PutObject" | "PostObject" | "CopyObject" | "CreateMultipartUpload")
}

/// What is put anonymously belongs to the bucket's owner: nobody else could ever remove it.
fn owner(rules: &Rules, caller: Option<&Caller>) -> Owner {
    let writer = match rules.ownership {
        Ownership::BucketOwnerEnforced => None,
        _ => caller.map(Caller::account),
    };
    Owner(writer.unwrap_or(&rules.bucket.owner).to_owned())
}

/// Rights that go with what comes along with a new object.
fn extra_rights(asked: &Asked<'_>) -> Vec<Operation> {
    let mut rights = Vec::new();
    if makes_object(asked.operation) {
        let put = action::of("PutObject");
        let has = |name: &str| asked.header(name).is_some();
        if has("x-amz-tagging") {
            rights.push(Operation { action: "s3:PutObjectTagging", ..put });
        }
        if has("x-amz-object-lock-mode") || has("x-amz-object-lock-retain-until-date") {
            rights.push(Operation { action: "s3:PutObjectRetention", permission: None, ..put });
        }
        if has("x-amz-object-lock-legal-hold") {
            rights.push(Operation { action: "s3:PutObjectLegalHold", permission: None, ..put });
        }
    }
    if asked.operation == "GetObjectAttributes" {
        rights.push(action::of("GetObject"));
    }
    rights
}

fn resource(asked: &Asked<'_>, operation: &Operation) -> String {
    match operation.scope {
        Scope::Account if asked.bucket.is_empty() => "arn:aws:s3:::*".to_owned(),
        Scope::Account | Scope::Bucket => format!("arn:aws:s3:::{}", asked.bucket),
        Scope::Key | Scope::Object => format!("arn:aws:s3:::{}/{}", asked.bucket, asked.key),
    }
}

/// The bucket may be another one by now than the client believes.
fn check_expected(expected: Option<&str>, bucket: &Bucket) -> Result<()> {
    match expected {
        Some(expected) if !means(expected, &bucket.owner) => {
            Err(Fault::AccessDenied("The bucket belongs to another account than expected.".into()).into())
        }
        _ => Ok(()),
    }
}

/// Says who may not do what. A user of the house hears which role it takes.
fn denied(asked: &Asked<'_>, operation: &Operation, caller: Option<&Caller>, owner: &str) -> Error {
    let resource = resource(asked, operation);
    let action = operation.action(asked.version().is_some());
    let Some(caller) = caller else {
        let message = format!("Access Denied: {action} on {resource} is not granted to anonymous requests.");
        return Fault::AccessDenied(message).into();
    };
    if caller.account() == owner
        && let Err(refusal) = caller.principal.require(operation.role)
        && !caller.principal.role.has_own_account()
    {
        return Fault::AccessDenied(refusal.message).into();
    }
    let user = caller.name();
    Fault::AccessDenied(format!("Access Denied: user {user:?} may not {action} on {resource}.")).into()
}
