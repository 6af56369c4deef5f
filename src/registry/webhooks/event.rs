//! What a webhook can be told of.

use crate::kernel::error::{Error, Result};

/// Something that happens to an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    pub entity: &'static str,
    pub action: &'static str,
}

/// The protocol's names and numbers; a word of ours is a name in lower case.
pub const ENTITIES: &[(&str, i64)] = &[
    ("REGISTERED_MODEL", 1),
    ("MODEL_VERSION", 2),
    ("MODEL_VERSION_TAG", 3),
    ("MODEL_VERSION_ALIAS", 4),
    ("PROMPT", 5),
    ("PROMPT_VERSION", 6),
    ("PROMPT_TAG", 7),
    ("PROMPT_VERSION_TAG", 8),
    ("PROMPT_ALIAS", 9),
    ("BUDGET_POLICY", 10),
];
pub const ACTIONS: &[(&str, i64)] =
    &[("CREATED", 1), ("UPDATED", 2), ("DELETED", 3), ("SET", 4), ("EXCEEDED", 5)];

/// Every event there is. A budget is never exceeded here, since there is no gateway; MLflow's clients may
/// ask for it all the same.
const KNOWN: &[Event] = &[
    Event::new("registered_model", "created"),
    Event::new("model_version", "created"),
    Event::new("model_version_tag", "deleted"),
    Event::new("model_version_tag", "set"),
    Event::new("model_version_alias", "created"),
    Event::new("model_version_alias", "deleted"),
    Event::new("prompt", "created"),
    Event::new("prompt_version", "created"),
    Event::new("prompt_tag", "deleted"),
    Event::new("prompt_tag", "set"),
    Event::new("prompt_version_tag", "deleted"),
    Event::new("prompt_version_tag", "set"),
    Event::new("prompt_alias", "created"),
    Event::new("prompt_alias", "deleted"),
    Event::new("budget_policy", "exceeded"),
];

impl Event {
    pub const fn new(entity: &'static str, action: &'static str) -> Self {
        Self { entity, action }
    }

    /// Reads the words it is stored by.
    pub fn of(entity: &str, action: &str) -> Option<Self> {
        KNOWN.iter().copied().find(|event| event.entity == entity && event.action == action)
    }

    /// Reads the words of a request.
    pub fn parse(entity: &str, action: &str) -> Result<Self> {
        Self::of(entity, action).ok_or_else(|| {
            let valid: Vec<_> = KNOWN
                .iter()
                .filter(|event| event.entity == entity)
                .map(|event| format!("'{}'", event.action))
                .collect();
            Error::invalid(format!(
                "Invalid action '{action}' for entity '{entity}'. Valid actions are: [{}]",
                valid.join(", ")
            ))
        })
    }
}
