//! What may be shown of a credential.

use serde_json::{Map, Value};

/// A value shorter than this shows nothing of itself.
const SHORTEST: usize = 8;

/// The same keys; of each value its first three and last four characters.
pub fn masked(values: &Map<String, Value>) -> Map<String, Value> {
    values.iter().map(|(key, value)| (key.clone(), mask(value).into())).collect()
}

fn mask(value: &Value) -> String {
    let characters: Vec<char> = value.as_str().unwrap_or_default().chars().collect();
    if characters.len() < SHORTEST {
        return "***".to_owned();
    }
    let head: String = characters[..3].iter().collect();
    let tail: String = characters[characters.len() - 4..].iter().collect();
    format!("{head}...{tail}")
}
