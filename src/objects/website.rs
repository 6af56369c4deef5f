//! Static websites: which key answers a path, and where a request is sent instead. Pure; the S3 door
//! reads the objects.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use s3s::dto::{Redirect, RoutingRule, WebsiteConfiguration};

/// Where a request is sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Sent {
    pub status: u16,
    pub location: String,
}

/// The request as far as redirects look at it.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub host: &'a str,
    /// The path without its first slash, decoded.
    pub key: &'a str,
}

/// Where every request goes, if the bucket answers none itself.
pub fn redirect_all(config: &WebsiteConfiguration, asked: Asked<'_>) -> Option<Sent> {
    let all = config.redirect_all_requests_to.as_ref()?;
    let protocol = all.protocol.as_ref().map_or("http", |protocol| protocol.as_str());
    Some(Sent { status: 301, location: format!("{protocol}://{}/{}", all.host_name, encode(asked.key)) })
}

/// The first routing rule that holds: before the object is looked for with no status, afterwards with
/// the status of the failure.
pub fn routed(config: &WebsiteConfiguration, asked: Asked<'_>, failed: Option<u16>) -> Option<Sent> {
    let rule = config.routing_rules.iter().flatten().find(|rule| holds(rule, asked.key, failed))?;
    let prefix = rule.condition.as_ref().and_then(|condition| condition.key_prefix_equals.as_deref());
    Some(sent(&rule.redirect, prefix.unwrap_or_default(), asked))
}

fn holds(rule: &RoutingRule, key: &str, failed: Option<u16>) -> bool {
    let condition = rule.condition.as_ref();
    let prefix = condition.and_then(|condition| condition.key_prefix_equals.as_deref());
    let code = condition.and_then(|condition| condition.http_error_code_returned_equals.as_deref());
    let code_holds = match (code, failed) {
        (None, None) => true,
        (Some(code), Some(failed)) => code.parse() == Ok(failed),
        _ => false,
    };
    code_holds && prefix.is_none_or(|prefix| key.starts_with(prefix))
}

fn sent(redirect: &Redirect, prefix: &str, asked: Asked<'_>) -> Sent {
    let status = redirect.http_redirect_code.as_deref().and_then(|code| code.parse().ok()).unwrap_or(301);
    let protocol = redirect.protocol.as_ref().map_or("http", |protocol| protocol.as_str());
    let host = redirect.host_name.as_deref().unwrap_or(asked.host);
    let key = match (&redirect.replace_key_with, &redirect.replace_key_prefix_with) {
        (Some(key), _) => key.clone(),
        (None, Some(new)) => format!("{new}{}", asked.key.strip_prefix(prefix).unwrap_or(asked.key)),
        (None, None) => asked.key.to_owned(),
    };
    Sent { status, location: format!("{protocol}://{host}/{}", encode(&key)) }
}

/// The key that answers a path: a folder's is its index document.
pub fn page(config: &WebsiteConfiguration, key: &str) -> String {
    let suffix = config.index_document.as_ref().map_or("", |index| index.suffix.as_str());
    if key.is_empty() || key.ends_with('/') { format!("{key}{suffix}") } else { key.to_owned() }
}

/// The index document of the folder a path without its slash may mean.
pub fn folder_page(config: &WebsiteConfiguration, key: &str) -> Option<String> {
    let suffix = &config.index_document.as_ref()?.suffix;
    (!key.is_empty() && !key.ends_with('/')).then(|| format!("{key}/{suffix}"))
}

pub fn encode(key: &str) -> String {
    const PATH: AsciiSet =
        CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'`').add(b'%').add(b'\\');
    utf8_percent_encode(key, &PATH).to_string()
}

/// What is wrong with a configuration; the sentence is for the caller.
pub fn check(config: &WebsiteConfiguration) -> Result<(), String> {
    let rules = config.routing_rules.as_deref().unwrap_or_default();
    if let Some(all) = &config.redirect_all_requests_to {
        if config.index_document.is_some() || config.error_document.is_some() || !rules.is_empty() {
            return Err(
                "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.".into()
            );
        }
        check_protocol(all.protocol.as_ref().map(|protocol| protocol.as_str()))?;
        return if all.host_name.is_empty() { Err("A HostName must be provided.".into()) } else { Ok(()) };
    }
    let Some(index) = &config.index_document else {
        return Err(
            "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty".into()
        );
    };
    if index.suffix.is_empty() || index.suffix.contains('/') {
        return Err("The IndexDocument Suffix is not well formed".into());
    }
    if config.error_document.as_ref().is_some_and(|error| error.key.is_empty()) {
        return Err("The ErrorDocument Key is not well formed".into());
    }
    if rules.len() > 50 {
        return Err("A website configuration has at most 50 routing rules.".into());
    }
    rules.iter().try_for_each(check_rule)
}

fn check_rule(rule: &RoutingRule) -> Result<(), String> {
    let redirect = &rule.redirect;
    if redirect.replace_key_with.is_some() && redirect.replace_key_prefix_with.is_some() {
        return Err("You can only define ReplaceKeyPrefix or ReplaceKey but not both.".into());
    }
    check_protocol(redirect.protocol.as_ref().map(|protocol| protocol.as_str()))?;
    let within = |code: &str, range: std::ops::RangeInclusive<u16>| {
        code.parse().is_ok_and(|code: u16| range.contains(&code))
    };
    if redirect.http_redirect_code.as_ref().is_some_and(|code| !within(code, 301..=399)) {
        return Err("The provided HTTP redirect code is not valid. Valid codes are 3XX except 300.".into());
    }
    let failed =
        rule.condition.as_ref().and_then(|condition| condition.http_error_code_returned_equals.as_ref());
    if failed.is_some_and(|code| !within(code, 400..=599)) {
        return Err("The provided HTTP error code is not valid. Valid codes are 4XX or 5XX.".into());
    }
    Ok(())
}

fn check_protocol(protocol: Option<&str>) -> Result<(), String> {
    match protocol {
        None | Some("http" | "https") => Ok(()),
        Some(_) => Err("Invalid protocol, protocol can be http or https.".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use s3s::dto::{Condition, ErrorDocument, IndexDocument, RedirectAllRequestsTo};

    fn site() -> WebsiteConfiguration {
        WebsiteConfiguration {
            index_document: Some(IndexDocument { suffix: "index.html".into() }),
            error_document: Some(ErrorDocument { key: "oops.html".into() }),
            ..Default::default()
        }
    }

    fn rule(prefix: Option<&str>, code: Option<&str>, redirect: Redirect) -> RoutingRule {
        let condition = Condition {
            key_prefix_equals: prefix.map(str::to_owned),
            http_error_code_returned_equals: code.map(str::to_owned),
        };
        RoutingRule { condition: Some(condition), redirect }
    }

    const ASKED: Asked<'_> = Asked { host: "h:9000", key: "docs/a b" };

    #[test]
    fn a_folder_is_answered_by_its_index() {
        assert_eq!(page(&site(), ""), "index.html");
        assert_eq!(page(&site(), "docs/"), "docs/index.html");
        assert_eq!(page(&site(), "docs"), "docs");
        assert_eq!(folder_page(&site(), "docs"), Some("docs/index.html".into()));
        assert_eq!(folder_page(&site(), "docs/"), None);
    }

    #[test]
    fn rules_send_on_by_prefix_and_by_failure() {
        let by_prefix = Redirect { replace_key_prefix_with: Some("new/".into()), ..Default::default() };
        let by_code = Redirect {
            host_name: Some("other".into()),
            protocol: Some("https".to_owned().into()),
            http_redirect_code: Some("302".into()),
            replace_key_with: Some("404.html".into()),
            ..Default::default()
        };
        let rules = vec![rule(Some("docs/"), None, by_prefix), rule(None, Some("404"), by_code)];
        let config = WebsiteConfiguration { routing_rules: Some(rules), ..site() };
        let there = Sent { status: 301, location: "http://h:9000/new/a%20b".into() };
        assert_eq!(routed(&config, ASKED, None), Some(there));
        let lost = Sent { status: 302, location: "https://other/404.html".into() };
        assert_eq!(routed(&config, ASKED, Some(404)), Some(lost));
        assert_eq!(routed(&config, ASKED, Some(403)), None);
        assert_eq!(routed(&config, Asked { key: "x", ..ASKED }, None), None);
    }

    #[test]
    fn a_site_can_be_elsewhere() {
        let all = RedirectAllRequestsTo { host_name: "example".into(), protocol: None };
        let config = WebsiteConfiguration { redirect_all_requests_to: Some(all), ..Default::default() };
        assert!(check(&config).is_ok());
        assert_eq!(redirect_all(&config, ASKED).unwrap().location, "http://example/docs/a%20b");
        assert!(check(&WebsiteConfiguration { index_document: site().index_document, ..config }).is_err());
    }

    #[test]
    fn a_configuration_is_checked() {
        assert!(check(&site()).is_ok());
        assert!(check(&WebsiteConfiguration::default()).is_err());
        let index = Some(IndexDocument { suffix: "a/b".into() });
        assert!(check(&WebsiteConfiguration { index_document: index, ..site() }).is_err());
        let with = |rule| check(&WebsiteConfiguration { routing_rules: Some(vec![rule]), ..site() });
        assert!(with(rule(None, Some("200"), Redirect::default())).is_err());
        let code = Redirect { http_redirect_code: Some("200".into()), ..Default::default() };
        assert!(with(rule(None, None, code)).is_err());
        let protocol = Redirect { protocol: Some("ftp".to_owned().into()), ..Default::default() };
        assert!(with(rule(None, None, protocol)).is_err());
    }
}
