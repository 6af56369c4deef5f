//! Which destinations of a configuration hear of an event, and which configurations are acceptable.

use s3s::dto::{Event, NotificationConfiguration, NotificationConfigurationFilter};
use std::collections::BTreeSet;

/// Events that happen here; each also by its family with `*`.
const KNOWN: &[&str] = &[
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectTagging:Put",
    "s3:ObjectTagging:Delete",
    "s3:ObjectAcl:Put",
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:LifecycleTransition",
];

/// Families and events Amazon has that never happen here: they may be asked for, as there.
const NEVER: &[&str] = &[
    "s3:ReducedRedundancyLostObject",
    "s3:ObjectRestore:*",
    "s3:ObjectRestore:Post",
    "s3:ObjectRestore:Completed",
    "s3:ObjectRestore:Delete",
    "s3:Replication:*",
    "s3:Replication:OperationFailedReplication",
    "s3:Replication:OperationMissedThreshold",
    "s3:Replication:OperationReplicatedAfterThreshold",
    "s3:Replication:OperationNotTracked",
    "s3:IntelligentTiering",
];

/// One line of a configuration, whatever kind of destination Amazon would call it.
struct Line<'a> {
    id: Option<&'a str>,
    arn: &'a str,
    events: &'a [Event],
    filter: Option<&'a NotificationConfigurationFilter>,
}

/// A destination that hears of an event.
#[derive(Debug, PartialEq, Eq)]
pub struct Heard {
    pub id: String,
    pub destination: Destination,
}

/// Where a notice goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Destination {
    Webhook(String),
    Pipeline(String),
}

impl Destination {
    /// Reads `arn:PARTITION:SERVICE:REGION:ACCOUNT:webhook/NAME` or `...:pipeline/NAME`.
    pub fn parse(arn: &str) -> Option<Self> {
        let mut fields = arn.splitn(6, ':');
        let (Some("arn"), Some("crannog"), Some("sqs" | "sns" | "lambda")) =
            (fields.next(), fields.next(), fields.next())
        else {
            return None;
        };
        let (kind, name) = fields.nth(2)?.split_once('/')?;
        let name = Some(name.to_owned()).filter(|name| !name.is_empty())?;
        match kind {
            "webhook" => Some(Self::Webhook(name)),
            "pipeline" => Some(Self::Pipeline(name)),
            _ => None,
        }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Pipeline(_) => "pipeline",
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Webhook(name) | Self::Pipeline(name) => name,
        }
    }

    /// From the two words it is stored as.
    pub fn of(kind: &str, name: String) -> Option<Self> {
        match kind {
            "webhook" => Some(Self::Webhook(name)),
            "pipeline" => Some(Self::Pipeline(name)),
            _ => None,
        }
    }
}

fn lines(config: &NotificationConfiguration) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    for one in config.queue_configurations.iter().flatten() {
        let (id, filter) = (one.id.as_deref(), one.filter.as_ref());
        lines.push(Line { id, arn: &one.queue_arn, events: &one.events, filter });
    }
    for one in config.topic_configurations.iter().flatten() {
        let (id, filter) = (one.id.as_deref(), one.filter.as_ref());
        lines.push(Line { id, arn: &one.topic_arn, events: &one.events, filter });
    }
    for one in config.lambda_function_configurations.iter().flatten() {
        let (id, filter) = (one.id.as_deref(), one.filter.as_ref());
        lines.push(Line { id, arn: &one.lambda_function_arn, events: &one.events, filter });
    }
    lines
}

/// Who hears of `event` (such as `s3:ObjectCreated:Put`) on `key`.
pub fn heard(config: &NotificationConfiguration, event: &str, key: &str) -> Vec<Heard> {
    let hearing = |line: &Line<'_>| {
        line.events.iter().any(|wanted| covers(wanted.as_ref(), event)) && passes(line.filter, key)
    };
    let told = lines(config).into_iter().filter(hearing).filter_map(|line| {
        let destination = Destination::parse(line.arn)?;
        Some(Heard { id: line.id.unwrap_or_default().to_owned(), destination })
    });
    told.collect()
}

/// Every destination a configuration names; the ARN itself where it names none of ours.
pub fn destinations(config: &NotificationConfiguration) -> Result<BTreeSet<Destination>, String> {
    lines(config).iter().map(|line| Destination::parse(line.arn).ok_or_else(|| line.arn.to_owned())).collect()
}

fn covers(wanted: &str, event: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(family) => event.starts_with(family),
        None => wanted == event,
    }
}

fn passes(filter: Option<&NotificationConfigurationFilter>, key: &str) -> bool {
    rules(filter).all(|(name, value)| match name.to_ascii_lowercase().as_str() {
        "prefix" => key.starts_with(value),
        "suffix" => key.ends_with(value),
        _ => false,
    })
}

/// The name and value of every rule of a filter.
fn rules(filter: Option<&NotificationConfigurationFilter>) -> impl Iterator<Item = (&str, &str)> {
    let rules = filter.and_then(|filter| filter.key.as_ref()?.filter_rules.as_ref()).into_iter().flatten();
    rules.map(|rule| {
        let name = rule.name.as_ref().map_or("", |name| name.as_str());
        (name, rule.value.as_deref().unwrap_or_default())
    })
}

/// What is wrong with a configuration; the sentence is for the caller.
pub fn check(config: &NotificationConfiguration) -> Result<(), String> {
    let lines = lines(config);
    if lines.len() > 100 {
        return Err("A bucket has at most 100 notification configurations.".into());
    }
    let mut ids = BTreeSet::new();
    for line in &lines {
        if line.id.is_some_and(|id| !id.is_empty() && !ids.insert(id)) {
            return Err("Same ID used for multiple configurations. IDs must be unique".into());
        }
        if line.events.is_empty() {
            return Err("A notification configuration names at least one event.".into());
        }
        for event in line.events {
            check_event(event.as_ref())?;
        }
        check_filter(line.filter)?;
    }
    Ok(())
}

fn check_event(event: &str) -> Result<(), String> {
    let family = event.strip_suffix(":*").filter(|family| family.contains(':'));
    let known =
        |family: &str| KNOWN.iter().any(|known| known.rsplit_once(':').is_some_and(|(f, _)| f == family));
    if KNOWN.contains(&event) || NEVER.contains(&event) || family.is_some_and(known) {
        return Ok(());
    }
    Err(format!("The event '{event}' is not supported for notifications"))
}

fn check_filter(filter: Option<&NotificationConfigurationFilter>) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for (name, value) in rules(filter) {
        let name = name.to_ascii_lowercase();
        if name != "prefix" && name != "suffix" {
            return Err("filter rule name must be either prefix or suffix".into());
        }
        if value.len() > 1024 {
            return Err("Size of filter rule value cannot exceed 1024 bytes".into());
        }
        if !names.insert(name) {
            return Err("Cannot specify more than one prefix or suffix rule in a filter.".into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use s3s::dto::{FilterRule, FilterRuleName, QueueConfiguration, S3KeyFilter, TopicConfiguration};

    fn filter(rules: &[(&str, &str)]) -> Option<NotificationConfigurationFilter> {
        let rule = |(name, value): &(&str, &str)| FilterRule {
            name: Some(FilterRuleName::from((*name).to_owned())),
            value: Some((*value).to_owned()),
        };
        let filter_rules = Some(rules.iter().map(rule).collect());
        Some(NotificationConfigurationFilter { key: Some(S3KeyFilter { filter_rules }) })
    }

    fn queue(events: &[&str], rules: &[(&str, &str)]) -> NotificationConfiguration {
        let queue = QueueConfiguration {
            events: events.iter().map(|event| Event::from((*event).to_owned())).collect(),
            filter: filter(rules),
            id: Some("q".into()),
            queue_arn: "arn:crannog:sqs:::webhook/hook".into(),
        };
        NotificationConfiguration { queue_configurations: Some(vec![queue]), ..Default::default() }
    }

    #[test]
    fn a_destination_is_named_by_its_arn() {
        let webhook = Some(Destination::Webhook("a".into()));
        assert_eq!(Destination::parse("arn:crannog:sqs:::webhook/a"), webhook);
        assert_eq!(Destination::parse("arn:crannog:sns:us-crannog-1:crannog:webhook/a"), webhook);
        let pipeline = Some(Destination::Pipeline("train".into()));
        assert_eq!(Destination::parse("arn:crannog:lambda:::pipeline/train"), pipeline);
        for other in ["arn:aws:sqs:eu-west-1:1:q", "arn:crannog:sqs:::webhook/", "webhook/a", ""] {
            assert_eq!(Destination::parse(other), None, "{other}");
        }
    }

    #[test]
    fn an_event_is_heard_by_name_or_family_where_the_key_passes() {
        let config = queue(&["s3:ObjectCreated:*"], &[("Prefix", "in/"), ("suffix", ".csv")]);
        let told = heard(&config, "s3:ObjectCreated:Put", "in/a.csv");
        assert_eq!(told, [Heard { id: "q".into(), destination: Destination::Webhook("hook".into()) }]);
        assert_eq!(heard(&config, "s3:ObjectCreated:Put", "in/a.txt"), []);
        assert_eq!(heard(&config, "s3:ObjectRemoved:Delete", "in/a.csv"), []);
        let exact = queue(&["s3:ObjectRemoved:Delete"], &[]);
        assert_eq!(heard(&exact, "s3:ObjectRemoved:Delete", "x").len(), 1);
        assert_eq!(heard(&exact, "s3:ObjectRemoved:DeleteMarkerCreated", "x"), []);
    }

    #[test]
    fn a_configuration_is_checked() {
        assert!(check(&queue(&["s3:ObjectCreated:*", "s3:ObjectTagging:Put"], &[])).is_ok());
        assert!(check(&queue(&["s3:LifecycleTransition", "s3:ObjectRestore:*"], &[])).is_ok());
        assert!(check(&queue(&["s3:*"], &[])).is_err());
        assert!(check(&queue(&["s3:ObjectCreated"], &[])).is_err());
        assert!(check(&queue(&["s3:ObjectCreated:Patch"], &[])).is_err());
        assert!(check(&queue(&[], &[])).is_err());
        assert!(check(&queue(&["s3:ObjectCreated:*"], &[("infix", "a")])).is_err());
        assert!(check(&queue(&["s3:ObjectCreated:*"], &[("prefix", "a"), ("Prefix", "b")])).is_err());
        let mut twice = queue(&["s3:ObjectCreated:*"], &[]);
        twice.topic_configurations = Some(vec![TopicConfiguration {
            events: vec![Event::from("s3:ObjectRemoved:*".to_owned())],
            filter: None,
            id: Some("q".into()),
            topic_arn: "arn:aws:sns:::t".into(),
        }]);
        assert!(check(&twice).is_err());
        assert_eq!(destinations(&twice), Err("arn:aws:sns:::t".into()));
    }
}
