//! What traces can be searched by: what is said of them as a whole, their tags and metadata, their
//! spans, and what others say of them. The grammar and the comparisons are the tracker's own.

mod filter;
mod order;
#[cfg(test)]
mod tests;

pub use filter::compile_filter;
pub use order::compile_order;

use super::keys;
use crate::{
    kernel::error::{Error, Result},
    tracking::search::{
        filter::split_name,
        sql::{Bind, Sql},
    },
};

/// The traces of these experiments, as a condition on the table `alias`.
pub fn scope(alias: &str, experiments: &[i64]) -> Sql {
    let mut sql = Sql::default();
    sql.push(&format!("{alias}.experiment_id "));
    match experiments {
        // One experiment is read in the order of its index, and reading stops with the page.
        [one] => sql.push("= ").bind(Bind::Int(*one)),
        many => sql.push("IN ").list(many.iter().copied().map(Bind::Int)),
    };
    sql
}

/// What a name in a filter or an order means.
#[derive(Debug, PartialEq)]
enum Subject<'a> {
    /// A column of `traces t`, and whether it is a number.
    Column(&'static str, bool),
    Tag(&'a str),
    Metadata(&'a str),
    /// A part of a span: `name`, `type`, `status`, `content` or `attributes.<name>`.
    Span(&'a str),
    /// `feedback` or `expectation`, with the assessment's name.
    Assessment(&'static str, &'a str),
    Issue(&'a str),
}

const ATTRIBUTES: &[(&str, Subject<'static>)] = &[
    ("request_id", Subject::Column("t.id", false)),
    ("timestamp", Subject::Column("t.started_at", true)),
    ("timestamp_ms", Subject::Column("t.started_at", true)),
    ("execution_time", Subject::Column("t.duration", true)),
    ("execution_time_ms", Subject::Column("t.duration", true)),
    ("end_time", Subject::Column("(t.started_at + coalesce(t.duration, 0))", true)),
    ("end_time_ms", Subject::Column("(t.started_at + coalesce(t.duration, 0))", true)),
    ("status", Subject::Column("t.state", false)),
    ("client_request_id", Subject::Column("t.client_request_id", false)),
    ("name", Subject::Tag(keys::NAME)),
    ("run_id", Subject::Metadata(keys::SOURCE_RUN)),
    ("prompt", Subject::Tag(keys::LINKED_PROMPTS)),
    ("text", Subject::Span("content")),
];

const ENTITIES: &str = "('attribute', 'attributes', 'expectation', 'feedback', 'issue', 'metadata', \
                        'request_metadata', 'span', 'tag', 'tags', 'trace')";

fn subject(name: &str) -> Result<Subject<'_>> {
    let (entity, key) = split_name(name);
    Ok(match entity {
        None | Some("attribute" | "attributes" | "trace") => return attribute(key),
        Some("tag" | "tags") => Subject::Tag(key),
        Some("metadata" | "request_metadata") => Subject::Metadata(key),
        Some("span") => Subject::Span(key),
        Some("feedback") => Subject::Assessment("feedback", key),
        Some("expectation") => Subject::Assessment("expectation", key),
        Some("issue") => Subject::Issue(key),
        Some(other) => {
            return Err(Error::invalid(format!(
                "Invalid entity type '{other}'. Valid values are {ENTITIES}"
            )));
        }
    })
}

fn attribute(key: &str) -> Result<Subject<'static>> {
    for (name, subject) in ATTRIBUTES {
        if *name == key {
            return Ok(match subject {
                Subject::Column(column, number) => Subject::Column(column, *number),
                Subject::Tag(key) => Subject::Tag(key),
                Subject::Metadata(key) => Subject::Metadata(key),
                _ => Subject::Span("content"),
            });
        }
    }
    let known: Vec<_> = ATTRIBUTES.iter().map(|(name, _)| format!("'{name}'")).collect();
    Err(Error::invalid(format!(
        "Invalid attribute key '{key}' specified. Valid keys are '{{{}}}'",
        known.join(", ")
    )))
}
