//! When a policy counts as public: AWS's reading, by which a statement is private only if it names whom
//! it lets in, or pins the request to a place, an account or a key of its own by a fixed value.

use super::{
    Statement,
    condition::{Condition, Network, Operator, Quantifier},
    principal::Principal,
};

/// Keys that pin a request down when their value has no wildcard.
const PINNING: &[&str] = &[
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "aws:username",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
];

pub fn is_public(statement: &Statement) -> bool {
    let everyone = statement
        .principals
        .as_ref()
        .is_some_and(|chosen| chosen.negated || chosen.entries.contains(&Principal::Everyone));
    !statement.deny && everyone && !statement.conditions.iter().any(pins)
}

fn pins(condition: &Condition) -> bool {
    if condition.negated || condition.if_exists || condition.quantifier == Quantifier::ForAll {
        return false;
    }
    match condition.operator {
        Operator::Ip => condition.key == "aws:sourceip" && condition.values.iter().all(|value| narrow(value)),
        Operator::StringEquals | Operator::StringEqualsIgnoreCase | Operator::StringLike | Operator::Arn => {
            let fixed = |value: &String| !value.is_empty() && !value.contains(['*', '?', '$']);
            PINNING.contains(&condition.key.as_str()) && condition.values.iter().all(fixed)
        }
        _ => false,
    }
}

/// A range so wide that it is as good as everybody is none.
fn narrow(range: &str) -> bool {
    Network::parse(range).is_some_and(|network| network.prefix >= if network.v6 { 32 } else { 8 })
}
