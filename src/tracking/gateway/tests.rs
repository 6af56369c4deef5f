//! What is shown of credentials, and what each provider is asked with.

use super::{mask::masked, providers};
use serde_json::json;

#[test]
fn a_mask_shows_seven_characters_or_none() {
    let values = json!({ "a": "AKIAORIGINAL1234", "b": "1234567", "c": "ключ-из-букв", "d": 12345678 });
    let shown = masked(values.as_object().unwrap());
    assert_eq!(shown["a"], "AKI...1234");
    assert_eq!(shown["b"], "***");
    assert_eq!(shown["c"], "клю...букв");
    assert_eq!(shown["d"], "***");
}

#[test]
fn providers_say_what_they_are_asked_with() {
    let openai = providers::config("openai");
    assert_eq!(openai["default_mode"], "api_key");
    assert_eq!(openai["auth_modes"][0]["secret_fields"][0]["name"], "api_key");
    assert_eq!(openai["auth_modes"][0]["config_fields"][0]["name"], "api_base");
    let bedrock = providers::config("bedrock");
    let modes: Vec<_> = bedrock["auth_modes"].as_array().unwrap().iter().map(|mode| &mode["mode"]).collect();
    assert_eq!(modes, ["api_key", "access_keys", "iam_role", "default_chain"]);
    assert!(providers::names().contains(&"openai"));
    let models = providers::models(Some("openai"));
    assert!(!models.is_empty() && models.iter().all(|model| model["provider"] == "openai"));
}
