//! Who may do what with buckets and objects.
//!
//! Invariants: an explicit Deny of a bucket's policy holds for everybody (an owner may still change the
//! policy itself); what nobody granted is denied; an anonymous request has what policies and ACLs grant
//! to all and nothing else; a policy that is not understood in full is refused when it is put.

pub mod account;
pub mod acl;
pub mod action;
pub mod admit;
pub mod asked;
pub mod decide;
pub mod grants;
pub mod policy;
pub mod resolve;
pub mod session;
pub mod settings;
#[cfg(test)]
mod tests;
