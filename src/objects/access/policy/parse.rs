//! Reading of policy documents. What is not understood is refused: a policy half understood protects
//! less than its author thinks.

use super::{
    super::action, Chosen, Kind, Malformed, Policy, Statement, condition, pattern, principal, texts,
};
use serde_json::{Map, Value};

/// A bucket's policy may have this many bytes.
const BUCKET_MAX: usize = 20 << 10;
/// A session's policy may have this many characters.
const SESSION_MAX: usize = 2048;

type Object = Map<String, Value>;

pub fn policy(text: &str, kind: Kind<'_>) -> Result<Policy, Malformed> {
    let max = if kind == Kind::Session { SESSION_MAX } else { BUCKET_MAX };
    if text.len() > max {
        return Err(Malformed::new(format!(
            "Policy exceeds the maximum allowed document size of {max} bytes"
        )));
    }
    if !text.trim_start().starts_with('{') {
        return Err(Malformed::new("Policies must be valid JSON and the first byte must be '{'"));
    }
    let document: Object = serde_json::from_str(text)
        .map_err(|error| Malformed::new(format!("This policy contains invalid Json: {error}")))?;
    known(&document, &["Version", "Id", "Statement"])?;
    let variables = match document.get("Version").map(Value::as_str) {
        None | Some(Some("2008-10-17")) => false,
        Some(Some("2012-10-17")) => true,
        Some(_) => return Err(Malformed::new("The policy must contain a valid version string")),
    };
    let statements: Vec<&Value> = match document.get("Statement") {
        Some(Value::Array(statements)) => statements.iter().collect(),
        Some(one @ Value::Object(_)) => vec![one],
        Some(_) => return Err(Malformed::new("Statement must be an object or a list of them")),
        None => return Err(Malformed::new("Missing required field Statement")),
    };
    if statements.is_empty() {
        return Err(Malformed::new("Could not parse the policy: Statement is empty!"));
    }
    let statements: Result<_, _> =
        statements.into_iter().map(|value| statement(value, kind, variables)).collect();
    Ok(Policy { statements: statements? })
}

fn known(object: &Object, fields: &[&str]) -> Result<(), Malformed> {
    match object.keys().find(|field| !fields.contains(&field.as_str())) {
        Some(field) => Err(Malformed::new(format!("Unknown field {field}"))),
        None => Ok(()),
    }
}

fn statement(value: &Value, kind: Kind<'_>, variables: bool) -> Result<Statement, Malformed> {
    let object = value.as_object().ok_or_else(|| Malformed::new("A statement must be an object"))?;
    known(
        object,
        &[
            "Sid",
            "Effect",
            "Principal",
            "NotPrincipal",
            "Action",
            "NotAction",
            "Resource",
            "NotResource",
            "Condition",
        ],
    )?;
    let deny = match object.get("Effect").map(Value::as_str) {
        Some(Some("Allow")) => false,
        Some(Some("Deny")) => true,
        Some(Some(other)) => return Err(Malformed::new(format!("Invalid effect: {other}"))),
        Some(None) => return Err(Malformed::new("Invalid effect")),
        None => return Err(Malformed::new("Missing required field Effect")),
    };
    if object.get("Sid").is_some_and(|sid| !sid.is_string()) {
        return Err(Malformed::new("Sid must be a text"));
    }
    Ok(Statement {
        variables,
        deny,
        principals: principals(object, deny, kind)?,
        actions: actions(object)?,
        resources: resources(object, kind)?,
        conditions: object.get("Condition").map_or_else(|| Ok(Vec::new()), condition::parse)?,
    })
}

/// The value of `name` or of `Not{name}`, and which it was.
fn either<'a>(object: &'a Object, name: &str) -> Result<Option<(bool, &'a Value)>, Malformed> {
    match (object.get(name), object.get(&format!("Not{name}"))) {
        (Some(_), Some(_)) => Err(Malformed::new(format!("A statement has {name} or Not{name}, not both"))),
        (Some(value), None) => Ok(Some((false, value))),
        (None, Some(value)) => Ok(Some((true, value))),
        (None, None) => Ok(None),
    }
}

fn principals(
    object: &Object,
    deny: bool,
    kind: Kind<'_>,
) -> Result<Option<Chosen<principal::Principal>>, Malformed> {
    match (either(object, "Principal")?, kind) {
        (None, Kind::Session) => Ok(None),
        (Some(_), Kind::Session) => Err(Malformed::new("Policy document should not specify a principal.")),
        (None, _) => Err(Malformed::new("Missing required field Principal")),
        (Some((true, _)), _) if !deny => Err(Malformed::new("Allow with NotPrincipal is not allowed.")),
        (Some((negated, value)), _) => Ok(Some(Chosen { negated, entries: principal::parse(value)? })),
    }
}

fn list(object: &Object, name: &str) -> Result<Chosen<String>, Malformed> {
    let (negated, value) =
        either(object, name)?.ok_or_else(|| Malformed::new(format!("Missing required field {name}")))?;
    let entries = texts(value).filter(|texts| !texts.is_empty());
    let entries =
        entries.ok_or_else(|| Malformed::new(format!("Policy has invalid {}", name.to_lowercase())))?;
    Ok(Chosen { negated, entries: entries.into_iter().map(str::to_owned).collect() })
}

fn actions(object: &Object) -> Result<Chosen<String>, Malformed> {
    let chosen = list(object, "Action")?;
    match chosen.entries.iter().find(|pattern| !action::is_known(pattern)) {
        Some(_) => Err(Malformed::new("Policy has invalid action")),
        None => Ok(chosen),
    }
}

const ARN: &str = "arn:aws:s3:::";

fn resources(object: &Object, kind: Kind<'_>) -> Result<Chosen<String>, Malformed> {
    let chosen = list(object, "Resource")?;
    let fine = |pattern: &String| match (pattern.strip_prefix(ARN), kind) {
        (Some(rest), Kind::Bucket(bucket)) => within(rest, bucket),
        (Some(rest), _) => !rest.is_empty(),
        (None, _) => pattern == "*",
    };
    match chosen.entries.iter().all(fine) {
        true => Ok(chosen),
        false => Err(Malformed::new("Policy has invalid resource")),
    }
}

/// Whether a resource can lie in `bucket`; a variable may stand for anything.
fn within(resource: &str, bucket: &str) -> bool {
    let name = resource.split('/').next().unwrap_or_default();
    name.contains("${") || pattern::fits(name, bucket, pattern::Reading::PLAIN)
}
