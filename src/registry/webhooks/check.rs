//! What a webhook may be called and where it may point, in MLflow's words.

use crate::kernel::error::{Error, Result};

const NAME_MAX: usize = 63;
const URL_MAX: usize = 500;
const DESCRIPTION_MAX: usize = 1000;
const SECRET_MAX: usize = 1000;
const SCHEMES: [&str; 2] = ["http", "https"];

pub fn name(name: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let ends = name.bytes().next().zip(name.bytes().last());
    let fits =
        ends.is_some_and(|(first, last)| first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric());
    if fits && name.len() <= NAME_MAX && name.bytes().all(plain) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Webhook name '{name}' is invalid. It must start and end with a letter or digit, be less than 63 \
         characters long, and contain only letters, digits, dots (.), underscores (_), and hyphens (-)."
    )))
}

pub fn url(url: &str) -> Result<()> {
    if url.trim().is_empty() {
        return Err(Error::invalid(format!("Webhook URL cannot be empty or just whitespace: '{url}'")));
    }
    if let Some((scheme, _)) = url.split_once("://")
        && !SCHEMES.contains(&scheme.to_ascii_lowercase().as_str())
    {
        let schemes = SCHEMES.join(", ");
        return Err(Error::invalid(format!(
            "Invalid webhook URL scheme: '{scheme}'. Allowed schemes are: {schemes}."
        )));
    }
    let parsed = reqwest::Url::parse(url)
        .map_err(|error| Error::invalid(format!("Invalid webhook URL '{url}': {error}.")))?;
    if !parsed.has_host() || !SCHEMES.contains(&parsed.scheme()) {
        return Err(Error::invalid(format!("Webhook URL must include a hostname: '{url}'")));
    }
    within("url", url, URL_MAX)
}

pub fn description(text: &str) -> Result<()> {
    within("description", text, DESCRIPTION_MAX)
}

pub fn secret(text: &str) -> Result<()> {
    within("secret", text, SECRET_MAX)
}

fn within(what: &str, text: &str, longest: usize) -> Result<()> {
    match text.chars().count() {
        length if length <= longest => Ok(()),
        length => Err(Error::invalid(format!(
            "A webhook's {what} exceeds the maximum length of {longest} characters: it has {length}."
        ))),
    }
}
