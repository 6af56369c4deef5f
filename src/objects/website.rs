//! Static websites: which configurations are acceptable.

use s3s::dto::{RoutingRule, WebsiteConfiguration};

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
    use s3s::dto::{Condition, ErrorDocument, IndexDocument, Redirect};

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
