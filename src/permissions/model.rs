//! Permissions, the kinds of things they are about, and what follows from what was granted. Pure.

use crate::{
    auth::Role,
    kernel::error::{Error, Result},
    tracking::search::reach::Reach,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// From the least to the most; DENY is below having nothing, for it outweighs what else was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Permission {
    #[serde(rename = "DENY")]
    Deny,
    #[serde(rename = "NO_PERMISSIONS")]
    Nothing,
    #[serde(rename = "READ")]
    Read,
    #[serde(rename = "USE")]
    Use,
    #[serde(rename = "EDIT")]
    Edit,
    #[serde(rename = "MANAGE")]
    Manage,
}

impl Permission {
    const NAMES: [(&'static str, Self); 6] = [
        ("READ", Self::Read),
        ("USE", Self::Use),
        ("EDIT", Self::Edit),
        ("MANAGE", Self::Manage),
        ("NO_PERMISSIONS", Self::Nothing),
        ("DENY", Self::Deny),
    ];

    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, it)| *it == self).map_or("", |(name, _)| name)
    }

    pub fn parse(text: &str) -> Result<Self> {
        let found = Self::NAMES.iter().find(|(name, _)| *name == text);
        found.map(|(_, permission)| *permission).ok_or_else(|| {
            let names: Vec<_> = Self::NAMES.iter().map(|(name, _)| format!("'{name}'")).collect();
            Error::invalid(format!(
                "Invalid permission '{text}'. Valid permissions are: ({})",
                names.join(", ")
            ))
        })
    }

    /// What a user of this role has everywhere.
    pub fn of_role(role: Role) -> Self {
        match role {
            Role::Guest | Role::Member => Self::Nothing,
            Role::Viewer => Self::Read,
            Role::Editor | Role::Admin => Self::Manage,
        }
    }
}

/// What a permission is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Experiment,
    RegisteredModel,
    /// A prompt is a registered model by another name, and one name never stands for both.
    Prompt,
}

impl Kind {
    const NAMES: [(&'static str, Self); 3] = [
        ("experiment", Self::Experiment),
        ("prompt", Self::Prompt),
        ("registered_model", Self::RegisteredModel),
    ];

    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, it)| *it == self).map_or("", |(name, _)| name)
    }

    pub fn parse(text: &str) -> Result<Self> {
        let found = Self::NAMES.iter().find(|(name, _)| *name == text);
        found.map(|(_, kind)| *kind).ok_or_else(|| {
            let names: Vec<_> = Self::NAMES.iter().map(|(name, _)| format!("'{name}'")).collect();
            Error::invalid(format!(
                "Invalid resource type '{text}'. Valid resource types are: ({}); what is inside of them, such \
                 as runs, traces, logged models and versions, has their permission",
                names.join(", ")
            ))
        })
    }

    /// Whether a grant on this kind says something about that one.
    fn covers(self, other: Self) -> bool {
        (self == Self::Experiment) == (other == Self::Experiment)
    }
}

/// All resources of a kind.
pub const ALL: &str = "*";

/// One thing that was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub kind: Kind,
    pub resource: String,
    pub permission: Permission,
}

/// All that decides about one user.
#[derive(Clone, Debug)]
pub struct Rights {
    /// What the user has where nothing was granted, and at least where something was.
    floor: Permission,
    grants: Vec<Grant>,
}

impl Rights {
    /// A role's own rights cannot be taken away here: other rooms go by the role alone.
    pub fn new(role: Role, floor: Permission, grants: &[Grant]) -> Self {
        let house = !role.has_own_account();
        let heeded = |grant: &&Grant| !house || grant.permission > Permission::Nothing;
        Self { floor, grants: grants.iter().filter(heeded).cloned().collect() }
    }

    pub fn on(&self, kind: Kind, resource: &str) -> Permission {
        let about =
            |grant: &&Grant| grant.kind.covers(kind) && (grant.resource == ALL || grant.resource == resource);
        self.fold(self.grants.iter().filter(about).map(|grant| grant.permission))
    }

    /// A DENY outweighs all; a NO_PERMISSIONS alone holds; else the most that was given.
    fn fold(&self, granted: impl Iterator<Item = Permission> + Clone) -> Permission {
        match (granted.clone().min(), granted.max()) {
            (Some(Permission::Deny), _) => Permission::Deny,
            (_, Some(Permission::Nothing)) => Permission::Nothing,
            (_, most) => most.unwrap_or(self.floor).max(self.floor),
        }
    }

    /// On which resources of a kind the user has at least this permission.
    pub fn reach(&self, kind: Kind, needed: Permission) -> Reach {
        let reads = |permission: Permission| permission >= needed;
        let of_kind = || self.grants.iter().filter(|grant| grant.kind.covers(kind));
        let named: BTreeMap<&str, bool> = of_kind()
            .filter(|grant| grant.resource != ALL)
            .map(|grant| (grant.resource.as_str(), reads(self.on(kind, &grant.resource))))
            .collect();
        let pick = |wanted: bool| {
            named.iter().filter(|(_, reads)| **reads == wanted).map(|(name, _)| (*name).to_owned()).collect()
        };
        match reads(self.on(kind, ALL)) {
            true => Reach::all_but(pick(false)),
            false => Reach::Only(pick(true)),
        }
    }

    /// Whether nothing was granted that could add to the floor.
    pub fn is_bare(&self) -> bool {
        self.grants.is_empty()
    }
}
