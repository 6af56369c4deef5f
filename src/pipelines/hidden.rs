//! `{{ secrets.NAME }}`: variables opened for a task, and kept out of everything that is shown.

use super::{secrets::variable_purpose, store};
use crate::{
    auth,
    kernel::error::{Error, Result},
    store::Db,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// What stands where a secret was.
pub const HIDDEN: &str = "***";
/// A shorter one would hide half of every text, and is none.
const SHORTEST: usize = 4;

/// Opens the variables that texts name; one that is not there is named.
pub async fn open<'a>(
    db: &Db,
    auth: &auth::Service,
    names: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for name in names {
        let wanted = name.to_owned();
        let row = db.read(move |db| store::variable_list(db, Some(&wanted))).await?.pop();
        let row = row.ok_or_else(|| {
            Error::invalid(format!(
                "There is no variable {name:?} for {{{{ secrets.{name} }}}}: set it with `crannog pipeline variable set {name}`."
            ))
        })?;
        found.insert(name.to_owned(), auth.secret_open(&variable_purpose(name), &row.sealed)?);
    }
    Ok(found)
}

/// A text without any of the secrets.
pub fn hide(text: &str, secrets: &BTreeMap<String, String>) -> String {
    let long = secrets.values().filter(|secret| secret.len() >= SHORTEST);
    long.fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), HIDDEN))
}

/// The same for every text in a value.
pub fn hide_in(value: Value, secrets: &BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) => Value::String(hide(&text, secrets)),
        Value::Array(items) => items.into_iter().map(|item| hide_in(item, secrets)).collect(),
        Value::Object(fields) => {
            let hidden =
                fields.into_iter().map(|(name, field)| (hide(&name, secrets), hide_in(field, secrets)));
            Value::Object(hidden.collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::{hide, hide_in};
    use serde_json::json;

    #[test]
    fn a_secret_is_hidden_wherever_it_comes_back() {
        let secrets = [("token".to_owned(), "s3cret".to_owned()), ("no".to_owned(), "x".to_owned())].into();
        assert_eq!(hide("a s3cret box", &secrets), "a *** box");
        let value = json!({ "s3cret": ["x", { "a": "is s3cret." }], "n": 3 });
        assert_eq!(hide_in(value, &secrets), json!({ "***": ["x", { "a": "is ***." }], "n": 3 }));
    }
}
