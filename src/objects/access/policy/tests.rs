//! What whole policies say.

use super::*;
use serde_json::json;

fn bucket(statement: Value) -> Result<Policy, Malformed> {
    let document = json!({"Version": "2012-10-17", "Statement": [statement]});
    Policy::parse(&document.to_string(), Kind::Bucket("b"))
}

fn ask(policy: &Policy, who: Who<'_>, action: &str, resource: &str) -> Verdict {
    let lookup =
        |key: &str| (key == "aws:username").then(|| who.user.map(|name| vec![name.to_owned()])).flatten();
    policy.verdict(&Ask { who, action, resource, lookup: &lookup })
}

const ANN: Who<'static> = Who { account: Some("ann"), user: Some("ann"), role: None, service: None };
const BOB: Who<'static> = Who { account: Some("bob"), user: Some("bob"), role: None, service: None };

#[test]
fn deny_wins_over_allow_and_both_over_silence() {
    let document = json!({"Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::b/*"},
        {"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::bob:root"}, "Action": ["s3:Put*", "s3:DeleteObject"],
         "Resource": "arn:aws:s3:::b/locked/*"},
    ]});
    let policy = Policy::parse(&document.to_string(), Kind::Bucket("b")).unwrap();
    assert_eq!(ask(&policy, ANN, "s3:PutObject", "arn:aws:s3:::b/locked/x"), Verdict::Allow);
    assert_eq!(ask(&policy, BOB, "s3:PutObject", "arn:aws:s3:::b/locked/x"), Verdict::Deny);
    assert_eq!(ask(&policy, BOB, "s3:GetObject", "arn:aws:s3:::b/locked/x"), Verdict::Allow);
    assert_eq!(ask(&policy, BOB, "s3:ListBucket", "arn:aws:s3:::b"), Verdict::Silent);
    assert_eq!(ask(&policy, Who::default(), "s3:GetObject", "arn:aws:s3:::b/x"), Verdict::Allow);
}

#[test]
fn the_negated_fields_mean_all_others() {
    let policy = bucket(json!({"Effect": "Deny", "NotPrincipal": {"AWS": "ann"}, "NotAction": "s3:Get*",
        "NotResource": "arn:aws:s3:::b/open/*"}))
    .unwrap();
    assert_eq!(ask(&policy, ANN, "s3:PutObject", "arn:aws:s3:::b/x"), Verdict::Silent);
    assert_eq!(ask(&policy, BOB, "s3:PutObject", "arn:aws:s3:::b/x"), Verdict::Deny);
    assert_eq!(ask(&policy, BOB, "s3:GetObject", "arn:aws:s3:::b/x"), Verdict::Silent);
    assert_eq!(ask(&policy, BOB, "s3:PutObject", "arn:aws:s3:::b/open/x"), Verdict::Silent);
}

#[test]
fn variables_are_filled_in_the_new_language_only() {
    let statement = || {
        json!({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::b/home/${aws:username}/*"})
    };
    let new = bucket(statement()).unwrap();
    assert_eq!(ask(&new, ANN, "s3:GetObject", "arn:aws:s3:::b/home/ann/x"), Verdict::Allow);
    assert_eq!(ask(&new, BOB, "s3:GetObject", "arn:aws:s3:::b/home/ann/x"), Verdict::Silent);
    assert_eq!(ask(&new, Who::default(), "s3:GetObject", "arn:aws:s3:::b/home//x"), Verdict::Silent);
    let old = json!({"Statement": statement()}).to_string();
    let old = Policy::parse(&old, Kind::Stored).unwrap();
    assert_eq!(ask(&old, ANN, "s3:GetObject", "arn:aws:s3:::b/home/ann/x"), Verdict::Silent);
    assert!(new.looks_at("aws:username") && !new.looks_at("s3:existingobjecttag/"));
}

#[test]
fn a_grant_to_an_account_is_told_from_one_to_a_user() {
    let to = |arn: &str| {
        bucket(json!({"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::b/*"}))
        .unwrap()
    };
    let resource = "arn:aws:s3:::b/x";
    assert_eq!(ask(&to("arn:aws:iam::ann:root"), ANN, "s3:GetObject", resource), Verdict::AllowAccount);
    assert_eq!(ask(&to("arn:aws:iam::ann:user/ann"), ANN, "s3:GetObject", resource), Verdict::Allow);
}

#[test]
fn what_is_not_understood_is_refused() {
    let fine = json!({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"});
    assert!(bucket(fine.clone()).is_ok());
    let with = |field: &str, value: Value| {
        let mut statement = fine.clone();
        match value {
            Value::Null => statement.as_object_mut().and_then(|object| object.remove(field)),
            value => statement.as_object_mut().and_then(|object| object.insert(field.into(), value)),
        };
        bucket(statement)
    };
    for (field, value) in [
        ("Effect", json!("allow")),
        ("Effect", Value::Null),
        ("Principal", Value::Null),
        ("NotPrincipal", json!("*")),
        ("Action", json!("s3:GetObjct")),
        ("Action", json!("ec2:*")),
        ("Action", json!([])),
        ("Action", Value::Null),
        ("Resource", json!("arn:aws:s3:::other/*")),
        ("Resource", json!("b/*")),
        ("Resource", Value::Null),
        ("Resorce", json!("arn:aws:s3:::b/*")),
        ("Condition", json!({"StringEqual": {"s3:prefix": "a"}})),
        ("Sid", json!(1)),
    ] {
        assert!(with(field, value.clone()).is_err(), "{field}: {value}");
    }
    for value in [json!("arn:aws:s3:::*"), json!(["arn:aws:s3:::b", "arn:aws:s3:::b*/x"]), json!("*")] {
        assert!(with("Resource", value.clone()).is_ok(), "{value}");
    }
    for text in ["", "[]", "{", "{}", r#"{"Statement": []}"#, r#"{"Version": "2020-01-01", "Statement": []}"#]
    {
        assert!(Policy::parse(text, Kind::Bucket("b")).is_err(), "{text}");
    }
    let long = format!("{{{}}}", " ".repeat(20 << 10));
    assert!(Policy::parse(&long, Kind::Bucket("b")).unwrap_err().0.contains("maximum"));
}

#[test]
fn a_sessions_policy_names_no_principal() {
    let document = |principal: bool| {
        let mut statement = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"});
        if principal {
            statement["Principal"] = json!("*");
        }
        json!({"Version": "2012-10-17", "Statement": statement}).to_string()
    };
    let policy = Policy::parse(&document(false), Kind::Session).unwrap();
    assert_eq!(ask(&policy, ANN, "s3:GetObject", "arn:aws:s3:::any/x"), Verdict::Allow);
    assert!(Policy::parse(&document(true), Kind::Session).is_err());
    assert!(Policy::parse(&document(false), Kind::Bucket("b")).is_err());
}

#[test]
fn a_policy_is_public_unless_it_pins_who_comes_in() {
    let public = |principal: Value, condition: Value| {
        let mut statement = json!({"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::b/*"});
        if !condition.is_null() {
            statement["Condition"] = condition;
        }
        bucket(statement).unwrap().is_public()
    };
    assert!(public(json!("*"), Value::Null));
    assert!(!public(json!({"AWS": "arn:aws:iam::ann:root"}), Value::Null));
    assert!(!public(json!("*"), json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/32"}})));
    assert!(public(json!("*"), json!({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}})));
    assert!(public(json!("*"), json!({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/32"}})));
    assert!(public(json!("*"), json!({"StringEquals": {"aws:Referer": "http://x"}})));
    assert!(!public(json!("*"), json!({"StringEquals": {"aws:PrincipalAccount": "ann"}})));
    assert!(public(json!("*"), json!({"StringLike": {"aws:PrincipalArn": "arn:*"}})));
    let deny = json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::b"});
    assert!(!bucket(deny).unwrap().is_public());
}

#[test]
fn a_stored_policy_keeps_its_text() {
    let text = r#"{ "Version":"2012-10-17", "Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}}"#;
    let policy: BucketPolicy = serde_json::from_value(json!(text)).unwrap();
    assert_eq!(serde_json::to_value(&policy).unwrap(), json!(text));
    assert_eq!(ask(&policy.policy, ANN, "s3:GetObject", "arn:aws:s3:::b/x"), Verdict::Deny);
}
