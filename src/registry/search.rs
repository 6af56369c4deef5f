//! What registered models and their versions can be searched by: `name LIKE 'a%' AND tags.team = 'ops'`.
//! The grammar is the tracker's; here are the names it may use, and the SQL they become.

use crate::{
    kernel::error::{Error, Result},
    tracking::search::{
        filter::{self, Comparison, Op, Value},
        keyset::Order,
        order,
        reach::Reach,
        sql::{Bind, Sql},
    },
};

/// A search, ready to be put behind WHERE and ORDER BY.
#[derive(Debug)]
pub struct Query {
    pub condition: Sql,
    pub order: Order,
}

/// What is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Models,
    Versions,
}

/// Prompts live in the same tables under this tag, and are hidden from searches for models.
pub const PROMPT: &str = "mlflow.prompt.is_prompt";

impl Subject {
    /// The attributes a filter may name, with their columns.
    fn attributes(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Models => &[("name", "m.name")],
            Self::Versions => &[
                ("name", "m.name"),
                ("version_number", "v.version"),
                ("run_id", "v.run_id"),
                ("source_path", "v.source"),
            ],
        }
    }

    /// What it may be ordered by.
    fn orders(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Models => &[
                ("name", "m.name"),
                ("timestamp", "m.updated_ms"),
                // An old name of the same, which clients still send.
                ("last_updated_timestamp", "m.updated_ms"),
            ],
            Self::Versions => &[
                ("name", "m.name"),
                ("version_number", "v.version"),
                ("creation_timestamp", "v.created_ms"),
                ("last_updated_timestamp", "v.updated_ms"),
            ],
        }
    }

    fn tags(self) -> &'static str {
        match self {
            Self::Models => "SELECT 1 FROM registered_model_tags t WHERE t.model_id = m.id",
            Self::Versions => {
                "SELECT 1 FROM model_version_tags t WHERE t.model_id = v.model_id AND t.version = v.version"
            }
        }
    }

    fn order_column(self, key: &str) -> Result<&'static str> {
        column(self.orders(), key).ok_or_else(|| {
            Error::invalid(match self {
                Self::Models => format!(
                    "Invalid order by key '{key}' specified. Valid keys are '{{'name', 'timestamp'}}'"
                ),
                Self::Versions => unknown_attribute(self.orders(), key),
            })
        })
    }
}

type Columns = &'static [(&'static str, &'static str)];

fn column(columns: Columns, key: &str) -> Option<&'static str> {
    columns.iter().find(|(name, _)| *name == key).map(|(_, column)| *column)
}

fn unknown_attribute(known: Columns, key: &str) -> String {
    let known: Vec<_> = known.iter().map(|(name, _)| format!("'{name}'")).collect();
    format!("Invalid attribute key '{key}' specified. Valid keys are '{{{}}}'", known.join(", "))
}

impl Query {
    pub fn parse(subject: Subject, filter: &str, order_by: &[String]) -> Result<Self> {
        let order = order(subject, order_by)?;
        let comparisons = filter::parse_plain(filter)?;
        let prompts = comparisons.iter().any(asks_for_prompts);
        let mut condition = Sql::default();
        condition.push("1");
        for comparison in &comparisons {
            match identify(comparison)? {
                (true, PROMPT) if !prompts => {}
                (true, key) => tag(&mut condition, subject, comparison, key)?,
                (false, key) => attribute(&mut condition, subject, comparison, key)?,
            }
        }
        if !prompts {
            condition
                .push(
                    " AND NOT EXISTS (SELECT 1 FROM registered_model_tags p WHERE p.model_id = m.id \
                     AND p.value = 'true' AND p.key = ",
                )
                .text(PROMPT)
                .push(")");
        }
        Ok(Self { condition, order })
    }

    /// Leaves out the models a caller may not see.
    pub fn narrowed(mut self, reach: &Reach) -> Self {
        reach.narrow("m.name", &mut self.condition);
        self
    }
}

/// Whether a tag is compared, and the key.
fn identify(comparison: &Comparison) -> Result<(bool, &str)> {
    match filter::split_name(&comparison.name) {
        (None | Some("attribute"), key) => Ok((false, key)),
        (Some("tag" | "tags"), key) => Ok((true, key)),
        (Some(entity), _) => Err(Error::invalid(format!(
            "Invalid entity type '{entity}'. Valid entity types are ('attribute', 'tag', 'tags')"
        ))),
    }
}

fn asks_for_prompts(comparison: &Comparison) -> bool {
    let wanted = match comparison.op {
        Op::Eq => "true",
        Op::Ne => "false",
        _ => return false,
    };
    matches!(identify(comparison), Ok((true, PROMPT)))
        && matches!(&comparison.value, Value::Text(text) if text.eq_ignore_ascii_case(wanted))
}

fn allowed(comparison: &Comparison, ops: &[Op], what: &str) -> Result<()> {
    if ops.contains(&comparison.op) {
        return Ok(());
    }
    Err(Error::invalid(format!("Invalid comparator for {what}: {}", comparison.op.word())))
}

fn tag(sql: &mut Sql, subject: Subject, comparison: &Comparison, key: &str) -> Result<()> {
    allowed(comparison, Op::TEXT, "tag")?;
    let value = Value::Text(filter::text_of(comparison, "tag")?);
    sql.push(&format!(" AND EXISTS ({} AND t.key = ", subject.tags())).text(key).push(" AND ");
    sql.compare("t.value", comparison.op, &value)?.push(")");
    Ok(())
}

fn attribute(sql: &mut Sql, subject: Subject, comparison: &Comparison, key: &str) -> Result<()> {
    let known = subject.attributes();
    let column = column(known, key).ok_or_else(|| Error::invalid(unknown_attribute(known, key)))?;
    sql.push(" AND ");
    if key == "version_number" {
        allowed(comparison, Op::NUMERIC, "attribute version_number")?;
        let sign = if comparison.op == Op::Ne { "<>" } else { comparison.op.word() };
        sql.push(&format!("{column} {sign} ")).bind(Bind::Int(number(comparison, key)?));
        return Ok(());
    }
    let lists = matches!(key, "name" | "run_id");
    allowed(comparison, if lists { Op::TEXT_OR_LIST } else { Op::TEXT }, "attribute")?;
    let value = match &comparison.value {
        value @ Value::List(_) => value.clone(),
        Value::Number { raw, .. } => {
            return Err(Error::invalid(format!(
                "Expected a quoted string value or a list of quoted string values for attributes. Got value {raw}"
            )));
        }
        _ => Value::Text(filter::text_of(comparison, "attributes")?),
    };
    sql.compare(column, comparison.op, &value)?;
    Ok(())
}

fn number(comparison: &Comparison, key: &str) -> Result<i64> {
    let text = match &comparison.value {
        Value::Number { raw, .. } => raw,
        Value::Text(text) => text,
        _ => "",
    };
    text.parse().map_err(|_| {
        let raw = comparison.value.raw();
        Error::invalid(format!("Invalid value for numeric attribute '{key}': {raw}"))
    })
}

fn order(subject: Subject, order_by: &[String]) -> Result<Order> {
    let mut seen: Vec<&str> = Vec::new();
    let mut order = Order::default();
    let default = ["last_updated_timestamp DESC".to_owned()];
    let given = if order_by.is_empty() && subject == Subject::Versions { &default } else { order_by };
    for clause in given {
        let (name, ascending) = order::parse(clause)?;
        let key = match filter::split_name(&name) {
            (None | Some("attribute"), key) => key,
            _ => name.as_str(),
        };
        let column = subject.order_column(key)?;
        if seen.contains(&column) {
            return Err(Error::invalid(format!("`order_by` contains duplicate fields: {given:?}")));
        }
        seen.push(column);
        order.by(column, !ascending);
    }
    // Ties are broken the same way every time, or pages would overlap.
    if !seen.contains(&"m.name") {
        order.ascending("m.name");
    }
    if subject == Subject::Versions && !seen.contains(&"v.version") {
        order.descending("v.version");
    }
    Ok(order)
}
