//! Accounts and those who act for them, as policies and ACLs name them.
//!
//! All users of the house share one account. A guest is an account of its own, whose id is the user's
//! name. An account also has a twelve-digit number, which ARNs and expected-owner headers may use.

use super::super::model::HOUSE;
use crate::auth::Principal;
use sha2::{Digest, Sha256};

/// The account a user belongs to.
pub fn account_of(principal: &Principal) -> &str {
    if principal.role.has_own_account() { &principal.user } else { HOUSE }
}

/// The account's number, derived from its id, so that nothing need be kept.
pub fn number(account: &str) -> String {
    let digest = Sha256::digest(account.as_bytes());
    let start = digest.iter().take(8).fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
    format!("{}", 100_000_000_000 + start % 900_000_000_000)
}

/// Whether `name`, an id or a number, means `account`.
pub fn means(name: &str, account: &str) -> bool {
    name == account || (name.len() == 12 && name == number(account))
}

/// Who is asking, in the words of a policy. Nothing at all is an anonymous request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Who<'a> {
    pub account: Option<&'a str>,
    pub user: Option<&'a str>,
    /// The role taken on and the name of the session, when the keys are temporary ones of a role.
    pub role: Option<(&'a str, &'a str)>,
    /// A part of the server that acts for nobody, such as the delivery of access logs.
    pub service: Option<&'a str>,
}

impl Who<'_> {
    pub fn is_of(&self, account: &str) -> bool {
        self.account.is_some_and(|own| means(account, own))
    }

    /// The ARN of the user, or of the session.
    pub fn arn(&self) -> Option<String> {
        let account = number(self.account?);
        Some(match (self.role, self.user) {
            (Some((role, session)), _) => format!("arn:aws:sts::{account}:assumed-role/{role}/{session}"),
            (None, Some(user)) => format!("arn:aws:iam::{account}:user/{user}"),
            (None, None) => format!("arn:aws:iam::{account}:root"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_meant_by_its_id_and_by_its_number() {
        assert_eq!(number(HOUSE).len(), 12);
        assert_ne!(number("a"), number("b"));
        assert!(means("crannog", HOUSE) && means(&number(HOUSE), HOUSE));
        assert!(!means("crannogx", HOUSE));
        let who = Who { account: Some("bob"), user: Some("bob"), ..Who::default() };
        assert_eq!(who.arn(), Some(format!("arn:aws:iam::{}:user/bob", number("bob"))));
        assert_eq!(Who::default().arn(), None);
    }
}
