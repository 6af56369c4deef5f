//! The settings of a bucket that bear on access, beside its policy and its ACL.

use super::{super::settings::Setting, policy::BucketPolicy};
use serde::{Deserialize, Serialize};

impl Setting for BucketPolicy {
    const NAME: &'static str = "policy";
}

/// What stands against opening a bucket to the public by mistake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicAccessBlock {
    /// Refuse new ACLs that grant the public anything.
    pub block_acls: bool,
    /// Pass over what ACLs grant the public.
    pub ignore_acls: bool,
    /// Refuse a policy that is public.
    pub block_policy: bool,
    /// A public policy holds for the owner's account only.
    pub restrict: bool,
}

impl Setting for PublicAccessBlock {
    const NAME: &'static str = "public_access_block";
}

/// Who owns what is put into a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ownership {
    /// The bucket's owner; ACLs mean nothing.
    BucketOwnerEnforced,
    /// Who puts it, unless they grant the bucket's owner full control as they do.
    BucketOwnerPreferred,
    /// Who puts it. So it is where nothing was said.
    #[default]
    ObjectWriter,
}

impl Ownership {
    pub fn parse(text: &str) -> Option<Self> {
        [Self::BucketOwnerEnforced, Self::BucketOwnerPreferred, Self::ObjectWriter]
            .into_iter()
            .find(|ownership| ownership.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::BucketOwnerEnforced => "BucketOwnerEnforced",
            Self::BucketOwnerPreferred => "BucketOwnerPreferred",
            Self::ObjectWriter => "ObjectWriter",
        }
    }
}

impl Setting for Ownership {
    const NAME: &'static str = "ownership";
}

/// Others than the bucket's owner have put objects that are their own: each object has to be looked at
/// to know whose it is. Never unset, for such objects may be anywhere in the bucket.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct ForeignObjects {}

impl Setting for ForeignObjects {
    const NAME: &'static str = "foreign_objects";
}
