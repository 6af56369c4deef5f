//! Access control lists: who was granted what on a bucket or an object, beside its owner.

use serde::{Deserialize, Serialize};

/// AWS's limit.
pub const GRANTS_MAX: usize = 100;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acl {
    pub grants: Vec<Grant>,
}

impl super::super::settings::Setting for Acl {
    const NAME: &'static str = "acl";
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub grantee: Grantee,
    pub permission: Permission,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grantee {
    /// Everybody, signed or not.
    AllUsers,
    /// Everybody with a key of this server.
    AuthenticatedUsers,
    /// What writes access logs.
    LogDelivery,
    Account(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Permission {
    Read,
    Write,
    ReadAcp,
    WriteAcp,
    FullControl,
}

const GROUPS: [(&str, Grantee); 3] = [
    ("http://acs.amazonaws.com/groups/global/AllUsers", Grantee::AllUsers),
    ("http://acs.amazonaws.com/groups/global/AuthenticatedUsers", Grantee::AuthenticatedUsers),
    ("http://acs.amazonaws.com/groups/s3/LogDelivery", Grantee::LogDelivery),
];

impl Grantee {
    pub fn group(uri: &str) -> Option<Self> {
        GROUPS.into_iter().find(|(known, _)| *known == uri).map(|(_, group)| group)
    }

    /// The address of a group; none for an account.
    pub fn uri(&self) -> Option<&'static str> {
        GROUPS.into_iter().find(|(_, group)| group == self).map(|(uri, _)| uri)
    }

    fn is_public(&self) -> bool {
        matches!(self, Self::AllUsers | Self::AuthenticatedUsers)
    }

    /// Whether the grant reaches `account`; an anonymous request has none.
    fn reaches(&self, account: Option<&str>) -> bool {
        match self {
            Self::AllUsers => true,
            Self::AuthenticatedUsers => account.is_some(),
            Self::LogDelivery => false,
            Self::Account(id) => account == Some(id),
        }
    }
}

impl Permission {
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Read, Self::Write, Self::ReadAcp, Self::WriteAcp, Self::FullControl]
            .into_iter()
            .find(|permission| permission.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::ReadAcp => "READ_ACP",
            Self::WriteAcp => "WRITE_ACP",
            Self::FullControl => "FULL_CONTROL",
        }
    }
}

impl Acl {
    /// All rights for `owner` and none for others: what a bucket or object has when nothing is said.
    pub fn private(owner: &str) -> Self {
        Self { grants: vec![Grant::full(owner)] }
    }

    /// The list a canned name stands for; none for a name that is unknown.
    pub fn canned(name: &str, owner: &str, bucket_owner: &str) -> Option<Self> {
        use Permission::{FullControl, Read, ReadAcp, Write};
        let bucket_owner = Grantee::Account(bucket_owner.to_owned());
        let extra = match name {
            // The second grants a service of Amazon's that does not exist here.
            "private" | "aws-exec-read" => vec![],
            "public-read" => vec![(Grantee::AllUsers, Read)],
            "public-read-write" => vec![(Grantee::AllUsers, Read), (Grantee::AllUsers, Write)],
            "authenticated-read" => vec![(Grantee::AuthenticatedUsers, Read)],
            "log-delivery-write" => vec![(Grantee::LogDelivery, Write), (Grantee::LogDelivery, ReadAcp)],
            "bucket-owner-read" => vec![(bucket_owner, Read)],
            "bucket-owner-full-control" => vec![(bucket_owner, FullControl)],
            _ => return None,
        };
        let mut acl = Self::private(owner);
        let others = extra.into_iter().filter(|(grantee, _)| *grantee != Grantee::Account(owner.to_owned()));
        acl.grants.extend(others.map(|(grantee, permission)| Grant { grantee, permission }));
        Some(acl)
    }

    /// Whether `account` was granted `wanted`, by name or in a group. `ignore_public` passes over groups.
    pub fn allows(&self, account: Option<&str>, wanted: Permission, ignore_public: bool) -> bool {
        self.grants.iter().any(|grant| {
            (grant.permission == wanted || grant.permission == Permission::FullControl)
                && grant.grantee.reaches(account)
                && !(ignore_public && grant.grantee.is_public())
        })
    }

    pub fn is_public(&self) -> bool {
        self.grants.iter().any(|grant| grant.grantee.is_public())
    }

    /// Whether somebody beside these accounts was granted anything.
    pub fn reaches_beyond(&self, accounts: &[&str]) -> bool {
        self.grants.iter().any(|grant| match &grant.grantee {
            Grantee::Account(id) => !accounts.contains(&id.as_str()),
            _ => true,
        })
    }

    /// The grants as they are shown: groups first, then accounts, each in the order they were given.
    pub fn shown(&self) -> impl Iterator<Item = &Grant> {
        let group = |grant: &&Grant| grant.grantee.uri().is_some();
        let account = |grant: &&Grant| grant.grantee.uri().is_none();
        self.grants.iter().filter(group).chain(self.grants.iter().filter(account))
    }
}

impl Grant {
    pub fn full(account: &str) -> Self {
        Self { grantee: Grantee::Account(account.to_owned()), permission: Permission::FullControl }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canned(name: &str) -> Acl {
        Acl::canned(name, "ann", "house").unwrap()
    }

    #[test]
    fn canned_lists_grant_what_their_names_say() {
        let may = |name, account, permission| canned(name).allows(account, permission, false);
        assert!(may("private", Some("ann"), Permission::Write));
        assert!(!may("private", Some("bob"), Permission::Read));
        assert!(may("public-read", None, Permission::Read) && !may("public-read", None, Permission::Write));
        assert!(may("public-read-write", None, Permission::Write));
        assert!(may("authenticated-read", Some("bob"), Permission::Read));
        assert!(!may("authenticated-read", None, Permission::Read));
        assert!(may("bucket-owner-read", Some("house"), Permission::Read));
        assert!(may("bucket-owner-full-control", Some("house"), Permission::WriteAcp));
        assert!(!may("log-delivery-write", Some("bob"), Permission::Write));
        assert_eq!(Acl::canned("public", "ann", "house"), None);
        assert_eq!(Acl::canned("bucket-owner-read", "a", "a"), Some(Acl::private("a")));
    }

    #[test]
    fn public_grants_can_be_passed_over() {
        assert!(canned("public-read").is_public() && canned("authenticated-read").is_public());
        assert!(!canned("bucket-owner-read").is_public());
        assert!(!canned("public-read").allows(Some("bob"), Permission::Read, true));
        assert!(canned("public-read").allows(Some("ann"), Permission::Read, true));
        assert!(
            canned("public-read").reaches_beyond(&["ann"]) && !canned("private").reaches_beyond(&["ann"])
        );
        assert!(canned("bucket-owner-read").reaches_beyond(&["ann"]));
        assert!(!canned("bucket-owner-read").reaches_beyond(&["ann", "house"]));
    }

    #[test]
    fn groups_are_shown_first() {
        let shown: Vec<_> = canned("public-read").shown().cloned().collect();
        assert_eq!(shown[0].grantee, Grantee::AllUsers);
        assert_eq!(shown[1], Grant::full("ann"));
        let text = serde_json::to_string(&canned("public-read")).unwrap();
        assert_eq!(serde_json::from_str::<Acl>(&text).unwrap(), canned("public-read"));
    }
}
