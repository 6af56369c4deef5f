//! Names of questions and queues, users and ids: trimmed, checked, each once.

use super::model::DEFAULT_NAME;
use crate::kernel::error::{Error, Result};

const NAME_MAX: usize = 250;
const INSTRUCTION_MAX: usize = 1000;
const USERS_MAX: usize = 10;
const SCHEMA_ID_MAX: usize = 36;
const ITEM_ID_MAX: usize = 50;
/// Kept for the queue of a server without users.
const RESERVED_QUEUE: &str = "default";

pub fn schema_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid("Label schema `name` must be a non-empty string; got ''."));
    }
    length("Label schema `name`", NAME_MAX, name)?;
    if name.trim().eq_ignore_ascii_case(DEFAULT_NAME) {
        return Err(Error::invalid(format!(
            "`{name}` is reserved for the experiment's default question and cannot be used for another label schema."
        )));
    }
    Ok(())
}

pub fn instruction(text: &str) -> Result<()> {
    length("Label schema `instruction`", INSTRUCTION_MAX, text)
}

fn length(what: &str, most: usize, text: &str) -> Result<()> {
    let count = text.chars().count();
    if count > most {
        return Err(Error::invalid(format!("{what} must be at most {most} characters; got {count}.")));
    }
    Ok(())
}

/// Text without blanks around it, which must be there and not too long.
fn filled(field: &str, most: usize, text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::invalid(format!("`{field}` must be a non-empty string; got ''.")));
    }
    length(&format!("`{field}`"), most, text)?;
    Ok(text.to_owned())
}

/// The name of a queue that is not a user's own; its case is kept.
pub fn queue(name: &str) -> Result<String> {
    let name = filled("name", NAME_MAX, name)?;
    if name.to_lowercase() == RESERVED_QUEUE {
        return Err(Error::invalid(format!(
            "`{name}` is a reserved queue name and cannot be used for a custom queue."
        )));
    }
    Ok(name)
}

/// Users are known whatever the case of their names.
pub fn user(field: &str, name: &str) -> Result<String> {
    filled(field, NAME_MAX, &name.to_lowercase())
}

pub fn owner(name: &str) -> Result<String> {
    filled("new_owner", NAME_MAX, name)
}

pub fn users(names: &[String]) -> Result<Vec<String>> {
    let users = once(names, |name| user("user", name))?;
    if users.len() > USERS_MAX {
        return Err(Error::invalid(format!(
            "A review queue can have at most {USERS_MAX} assigned users; got {}.",
            users.len()
        )));
    }
    Ok(users)
}

pub fn schemas(ids: &[String]) -> Result<Vec<String>> {
    once(ids, |id| filled("schema_id", SCHEMA_ID_MAX, id))
}

pub fn items(ids: &[String]) -> Result<Vec<String>> {
    if ids.is_empty() {
        return Err(Error::invalid("`item_ids` must be a non-empty list; got []."));
    }
    once(ids, |id| filled("item_id", ITEM_ID_MAX, id))
}

/// What `clean` makes of each, in the order of their first occurrence.
fn once(names: &[String], clean: impl Fn(&str) -> Result<String>) -> Result<Vec<String>> {
    let mut kept: Vec<String> = Vec::new();
    for name in names {
        let name = clean(name)?;
        if !kept.contains(&name) {
            kept.push(name);
        }
    }
    Ok(kept)
}

/// A list as MLflow's messages write it.
pub fn shown(ids: &[&str]) -> String {
    let quoted: Vec<_> = ids.iter().map(|id| format!("'{id}'")).collect();
    format!("[{}]", quoted.join(", "))
}
