//! Cross-origin rules: whether a bucket's configuration lets a browser's page ask, and what it is told.

use s3s::dto::{CORSConfiguration, CORSRule};

/// What one rule grants to one request.
#[derive(Debug, PartialEq, Eq)]
pub struct Grant {
    /// `*`, or the origin itself, to which credentials may then be sent.
    pub origin: String,
    pub methods: String,
    pub headers: Option<String>,
    pub expose: Option<String>,
    pub max_age_s: Option<i32>,
}

impl Grant {
    pub fn any_origin(&self) -> bool {
        self.origin == "*"
    }
}

/// The first rule that lets `origin` send a request of this method with these headers.
pub fn grant(config: &CORSConfiguration, origin: &str, method: &str, headers: &[&str]) -> Option<Grant> {
    config.cors_rules.iter().find_map(|rule| {
        let matching = rule.allowed_origins.iter().find(|pattern| matches(pattern, origin))?;
        let method = rule.allowed_methods.iter().any(|allowed| allowed == method);
        (method && headers.iter().all(|header| allows_header(rule, header))).then(|| Grant {
            origin: if matching == "*" { "*".to_owned() } else { origin.to_owned() },
            methods: rule.allowed_methods.join(", "),
            headers: (!headers.is_empty()).then(|| headers.join(", ").to_ascii_lowercase()),
            expose: rule.expose_headers.as_ref().filter(|list| !list.is_empty()).map(|list| list.join(", ")),
            max_age_s: rule.max_age_seconds,
        })
    })
}

fn allows_header(rule: &CORSRule, header: &str) -> bool {
    let header = header.to_ascii_lowercase();
    rule.allowed_headers.iter().flatten().any(|allowed| matches(&allowed.to_ascii_lowercase(), &header))
}

/// A pattern has at most one `*`, which stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => {
            text.len() >= head.len() + tail.len() && text.starts_with(head) && text.ends_with(tail)
        }
    }
}

/// Header names of a preflight's `Access-Control-Request-Headers`.
pub fn header_names(list: &str) -> Vec<&str> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect()
}

/// What is wrong with a configuration; the sentence is for the caller.
pub fn check(config: &CORSConfiguration) -> Result<(), String> {
    if config.cors_rules.len() > 100 {
        return Err("A CORS configuration has at most 100 rules.".into());
    }
    config.cors_rules.iter().try_for_each(check_rule)
}

fn check_rule(rule: &CORSRule) -> Result<(), String> {
    if rule.id.as_ref().is_some_and(|id| id.len() > 255) {
        return Err("The ID of a CORS rule has at most 255 characters.".into());
    }
    for method in &rule.allowed_methods {
        if !["GET", "PUT", "HEAD", "POST", "DELETE"].contains(&method.as_str()) {
            return Err(format!(
                "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
            ));
        }
    }
    for origin in &rule.allowed_origins {
        one_wildcard("AllowedOrigin", origin)?;
    }
    for header in rule.allowed_headers.iter().flatten() {
        one_wildcard("AllowedHeader", header)?;
    }
    for header in rule.expose_headers.iter().flatten() {
        if header.contains('*') {
            return Err(format!(
                "ExposeHeader \"{header}\" contains wildcard. We currently do not support wildcard for ExposeHeader."
            ));
        }
    }
    Ok(())
}

fn one_wildcard(field: &str, pattern: &str) -> Result<(), String> {
    match pattern.matches('*').count() {
        0 | 1 => Ok(()),
        _ => Err(format!("{field} \"{pattern}\" can not have more than one wildcard.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(methods: &[&str], origins: &[&str]) -> CORSRule {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        CORSRule { allowed_methods: list(methods), allowed_origins: list(origins), ..CORSRule::default() }
    }

    fn config(rules: Vec<CORSRule>) -> CORSConfiguration {
        CORSConfiguration { cors_rules: rules }
    }

    fn origin(config: &CORSConfiguration, origin: &str, method: &str) -> Option<String> {
        grant(config, origin, method, &[]).map(|grant| grant.origin)
    }

    #[test]
    fn an_origin_is_matched_with_one_wildcard_anywhere() {
        let config = config(vec![
            rule(&["GET"], &["*suffix"]),
            rule(&["GET"], &["start*end"]),
            rule(&["GET"], &["prefix*"]),
            rule(&["PUT"], &["*.put"]),
        ]);
        for (asked, method, granted) in [
            ("foo.suffix", "GET", true),
            ("foo.bar", "GET", false),
            ("foo.suffix.get", "GET", false),
            ("startend", "GET", true),
            ("start12end", "GET", true),
            ("0start12end", "GET", false),
            ("starend", "GET", false),
            ("prefix.suffix", "GET", true),
            ("foo.put", "GET", false),
            ("foo.put", "PUT", true),
        ] {
            let expected = granted.then(|| asked.to_owned());
            assert_eq!(origin(&config, asked, method), expected, "{asked} {method}");
        }
    }

    #[test]
    fn the_plain_wildcard_is_told_as_it_is() {
        let config = config(vec![rule(&["GET", "HEAD"], &["*"])]);
        let grant = grant(&config, "https://a.example", "HEAD", &[]).unwrap();
        assert!(grant.any_origin());
        assert_eq!(grant.methods, "GET, HEAD");
    }

    #[test]
    fn every_header_of_a_preflight_must_be_allowed() {
        let mut one = rule(&["PUT"], &["*"]);
        one.allowed_headers = Some(vec!["x-amz-*".into(), "Content-Type".into()]);
        let config = config(vec![one]);
        let asked = header_names("X-Amz-Date, content-type,");
        assert_eq!(asked.len(), 2);
        let granted = grant(&config, "o", "PUT", &asked).unwrap();
        assert_eq!(granted.headers.as_deref(), Some("x-amz-date, content-type"));
        assert_eq!(grant(&config, "o", "PUT", &["x-amz-date", "cookie"]), None);
        assert_eq!(grant(&config, "o", "PUT", &[]).unwrap().headers, None);
    }

    #[test]
    fn a_configuration_is_checked() {
        assert!(check(&config(vec![rule(&["GET"], &["http://*.example"])])).is_ok());
        assert!(check(&config(vec![rule(&["PATCH"], &["*"])])).unwrap_err().ends_with("PATCH"));
        assert!(check(&config(vec![rule(&["GET"], &["*.a.*"])])).is_err());
        let mut exposing = rule(&["GET"], &["*"]);
        exposing.expose_headers = Some(vec!["x-*".into()]);
        assert!(check(&config(vec![exposing])).is_err());
        assert!(check(&config(vec![rule(&["GET"], &["*"]); 101])).is_err());
    }
}
