//! Between the field names of the AWS command line (`AllowedOrigins`) and those of Rust
//! (`allowed_origins`). A field nobody knows is an error: a rule misspelt would quietly not hold.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// How a document spells its ids: `ID`, or `Id` as notifications do.
#[derive(Clone, Copy)]
pub enum Ids {
    Upper,
    Title,
}

/// Reads a configuration from the JSON a person wrote.
pub fn read<T: Serialize + DeserializeOwned>(document: &Value) -> Result<T, String> {
    let wanted = rename(document, &snake);
    let config: T =
        serde_json::from_value(wanted.clone()).map_err(|error| in_their_words(&error.to_string()))?;
    let known = serde_json::to_value(&config).map_err(|error| error.to_string())?;
    match unknown(&wanted, &known) {
        Some(path) => {
            Err(format!("{path} is no field of this document. Names are those of the AWS command line."))
        }
        None => Ok(config),
    }
}

/// Writes a configuration without the fields that are not set.
pub fn write<T: Serialize>(config: &T, ids: Ids) -> serde_json::Result<Value> {
    let spell = |name: &str| pascal(name, ids);
    Ok(rename(&without_nulls(serde_json::to_value(config)?), &spell))
}

fn rename(value: &Value, name: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::Object(fields) => {
            let renamed = fields.iter().map(|(key, value)| {
                let key = name(key);
                let value = whole_time(&key, value).unwrap_or_else(|| rename(value, name));
                (key, value)
            });
            Value::Object(renamed.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| rename(item, name)).collect()),
        other => other.clone(),
    }
}

/// A day without a time of day is its midnight, as the AWS command line takes it.
fn whole_time(key: &str, value: &Value) -> Option<Value> {
    let day = value.as_str().filter(|text| key == "date" && text.len() == 10)?;
    Some(Value::String(format!("{day}T00:00:00Z")))
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, without_nulls(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

/// The path of the first field that was given but not understood.
fn unknown(given: &Value, understood: &Value) -> Option<String> {
    match (given, understood) {
        (Value::Object(given), Value::Object(understood)) => given.iter().find_map(|(key, value)| {
            let name = pascal(key, Ids::Upper);
            match understood.get(key) {
                None => Some(name),
                Some(known) => unknown(value, known).map(|rest| format!("{name}.{rest}")),
            }
        }),
        (Value::Array(given), Value::Array(understood)) => {
            given.iter().zip(understood).find_map(|(one, known)| unknown(one, known))
        }
        _ => None,
    }
}

/// serde names fields between backticks, the way Rust does.
fn in_their_words(message: &str) -> String {
    let words = message.split('`').enumerate();
    let spelt = words.map(|(i, word)| if i % 2 == 1 { pascal(word, Ids::Upper) } else { word.to_owned() });
    format!("The document does not fit: {}.", spelt.collect::<Vec<_>>().join("`"))
}

fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 8);
    for (i, &letter) in letters.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|before| letters.get(before));
        let after = letters.get(i + 1);
        let begins = before.is_some_and(|c| c.is_lowercase() || c.is_ascii_digit())
            || (before.is_some_and(|c| c.is_uppercase()) && after.is_some_and(|c| c.is_lowercase()));
        if letter.is_uppercase() && begins {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

fn pascal(name: &str, ids: Ids) -> String {
    let word = |word: &str| match (word, ids) {
        ("cors" | "sse" | "kms" | "mfa" | "uri", _) | ("id", Ids::Upper) => word.to_ascii_uppercase(),
        _ => {
            let mut letters = word.chars();
            let first = letters.next().map(|c| c.to_ascii_uppercase());
            first.into_iter().chain(letters).collect()
        }
    };
    name.split('_').map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use s3s::dto::{BucketLifecycleConfiguration, CORSConfiguration, NotificationConfiguration};
    use serde_json::json;

    #[test]
    fn documents_go_there_and_back_in_the_words_of_the_aws_command_line() {
        let cors = json!({ "CORSRules": [{
            "AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "ID": "all", "MaxAgeSeconds": 5,
        }] });
        let read_back = write(&read::<CORSConfiguration>(&cors).unwrap(), Ids::Upper).unwrap();
        assert_eq!(read_back, cors);
        let rules = json!({ "QueueConfigurations": [{
            "Id": "new", "QueueArn": "arn:crannog:sqs:::webhook/w", "Events": ["s3:ObjectCreated:*"],
            "Filter": { "Key": { "FilterRules": [{ "Name": "prefix", "Value": "in/" }] } },
        }] });
        let written = write(&read::<NotificationConfiguration>(&rules).unwrap(), Ids::Title).unwrap();
        assert_eq!(serde_json::to_value(&written).unwrap()["QueueConfigurations"][0]["Id"], "new");
    }

    #[test]
    fn a_day_is_its_midnight() {
        let days = json!({ "Rules": [{ "Status": "Enabled", "Filter": { "Prefix": "" }, "Expiration": { "Date": "2027-01-01" } }] });
        let written = write(&read::<BucketLifecycleConfiguration>(&days).unwrap(), Ids::Upper).unwrap();
        let date = written["Rules"][0]["Expiration"]["Date"].as_str().unwrap_or_default();
        assert!(date.starts_with("2027-01-01T00:00:00"), "{date}");
    }

    #[test]
    fn what_does_not_fit_is_named_as_it_was_written() {
        let misspelt =
            json!({ "CORSRules": [{ "AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "MaxAge": 5 }] });
        let error = read::<CORSConfiguration>(&misspelt).unwrap_err();
        assert!(error.contains("CORSRules.MaxAge is no field"), "{error}");
        let short = json!({ "CORSRules": [{ "AllowedOrigins": ["*"] }] });
        let error = read::<CORSConfiguration>(&short).unwrap_err();
        assert!(error.contains("missing field `AllowedMethods`"), "{error}");
    }
}
