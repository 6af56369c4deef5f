//! A filter over traces as SQL. Each comparison stands by itself, but those about spans speak of one
//! and the same span.

use super::{Subject, scope, subject};
use crate::{
    kernel::error::{Error, Result},
    store::regexp,
    tracking::{
        search::{
            filter::{self, Comparison, Op, Value},
            sql::{Bind, Sql},
        },
        traces::keys,
    },
};

const PAIR_OPS: &[Op] = &[Op::Ne, Op::Eq, Op::Like, Op::ILike, Op::RLike, Op::IsNull, Op::IsNotNull];
const TEXT_OPS: &[Op] = &[Op::Ne, Op::Eq, Op::In, Op::NotIn, Op::Like, Op::ILike, Op::RLike];
const CONTENT_OPS: &[Op] = &[Op::Like, Op::ILike];
const NUMBER_OPS: &[Op] = &[Op::Gt, Op::Ge, Op::Lt, Op::Le];
/// SQLite's own limit for a pattern.
const PATTERN_MAX: usize = 50_000;

/// Attributes that take a list of values.
const LISTED: &[&str] = &["t.id", "t.state", "t.client_request_id"];

/// Appends ` AND ...` for each comparison of `filter` over `traces t`; `experiments` is where the
/// search looks.
pub fn compile_filter(text: &str, experiments: &[i64], sql: &mut Sql) -> Result<()> {
    let mut spans = Sql::default();
    for comparison in &filter::parse(text)? {
        refuse_bad_pattern(comparison)?;
        let subject = subject(&comparison.name)?;
        if let Subject::Span(part) = subject {
            spans.push(" AND ");
            span(&mut spans, comparison, part)?;
            continue;
        }
        sql.push(" AND ");
        match subject {
            Subject::Column(column, number) => attribute(sql, comparison, column, number)?,
            Subject::Tag(keys::LINKED_PROMPTS) => prompt(sql, comparison)?,
            Subject::Tag(key) => pair(sql, comparison, "trace_tags", "tag", key)?,
            Subject::Metadata(keys::SOURCE_RUN) if comparison.op == Op::Eq => run(sql, comparison)?,
            Subject::Metadata(key) => metadata(sql, comparison, key)?,
            Subject::Assessment(kind, name) => assessment(sql, comparison, kind, name, experiments)?,
            Subject::Issue(key) => issue(sql, comparison, key)?,
            Subject::Span(_) => {}
        }
    }
    if !spans.text.is_empty() {
        sql.push(" AND EXISTS (SELECT 1 FROM spans s WHERE s.trace = t.tid").append(spans).push(")");
    }
    Ok(())
}

/// A pattern that cannot be used is the caller's mistake, and is told before SQLite meets it.
fn refuse_bad_pattern(comparison: &Comparison) -> Result<()> {
    match (comparison.op, &comparison.value) {
        (Op::RLike, Value::Text(pattern)) => regexp::compile(pattern).map(drop),
        // In GLOB's alphabet a character becomes three at most.
        (Op::Like | Op::ILike, Value::Text(pattern)) if pattern.len() > PATTERN_MAX / 3 => {
            Err(Error::invalid(format!("A pattern may be {} bytes long at most.", PATTERN_MAX / 3)))
        }
        _ => Ok(()),
    }
}

fn attribute(sql: &mut Sql, comparison: &Comparison, column: &str, number: bool) -> Result<()> {
    let key = filter::split_name(&comparison.name).1;
    if !number {
        if matches!(comparison.value, Value::Number { .. }) {
            return Err(Error::invalid(
                "Only the '{'timestamp_ms', 'timestamp', 'execution_time_ms', 'execution_time', \
                 'end_time_ms', 'end_time'}' attributes support comparison with numeric values.",
            ));
        }
        if !matches!(comparison.value, Value::Text(_) | Value::List(_) | Value::None) {
            filter::text_of(comparison, "attributes")?;
        }
        if matches!(comparison.value, Value::List(_)) && !LISTED.contains(&column) {
            return Err(Error::invalid(format!(
                "The attribute '{key}' does not support comparison with a list of quoted string values."
            )));
        }
        comparison.op.among(TEXT_OPS)?;
        sql.compare(column, comparison.op, &comparison.value)?;
        return Ok(());
    }
    comparison.op.among(Op::NUMERIC)?;
    let value = match &comparison.value {
        number @ Value::Number { .. } => number.clone(),
        // MLflow takes a number in quotes for one, because its database does.
        Value::Text(raw) if raw.trim().parse::<f64>().is_ok_and(f64::is_finite) => {
            Value::Number { raw: raw.trim().to_owned(), number: raw.trim().parse().unwrap_or_default() }
        }
        other => {
            return Err(Error::invalid(format!(
                "Expected numeric value type for numeric attribute: {key}. Found {}",
                other.raw()
            )));
        }
    };
    sql.compare(column, comparison.op, &value)?;
    Ok(())
}

/// A tag or a piece of metadata.
fn pair(sql: &mut Sql, comparison: &Comparison, table: &str, what: &str, key: &str) -> Result<()> {
    let op = comparison.op;
    sql.push(if op == Op::IsNull { "NOT EXISTS" } else { "EXISTS" });
    sql.push(&format!(" (SELECT 1 FROM {table} p WHERE p.trace = t.tid AND p.key = ")).text(key);
    if !matches!(op, Op::IsNull | Op::IsNotNull) {
        if !matches!(comparison.value, Value::List(_)) {
            filter::text_of(comparison, what)?;
        }
        op.among(PAIR_OPS)?;
        let value = Value::Text(filter::text_of(comparison, what)?);
        sql.push(" AND ").compare("p.value", op, &value)?;
    }
    sql.push(")");
    Ok(())
}

fn metadata(sql: &mut Sql, comparison: &Comparison, key: &str) -> Result<()> {
    let compared = matches!(comparison.op, Op::Eq | Op::Ne | Op::IsNull | Op::IsNotNull);
    if matches!(key, keys::TOKEN_USAGE | keys::COST) && !compared {
        return Err(Error::invalid(format!(
            "Comparator '{}' is not supported for reserved metadata '{key}'. Only '=', '!=', 'IS NULL', \
             and 'IS NOT NULL' are supported.",
            comparison.op.word()
        )));
    }
    pair(sql, comparison, "trace_metadata", "request_metadata", key)
}

/// A trace belongs to a run it was made in, and to one it was linked to later.
fn run(sql: &mut Sql, comparison: &Comparison) -> Result<()> {
    let run_id = filter::text_of(comparison, "attributes")?;
    sql.push("(EXISTS (SELECT 1 FROM trace_links l WHERE l.trace = t.tid AND l.kind = 'run' AND l.target = ");
    sql.text(run_id).push(") OR ");
    pair(sql, comparison, "trace_metadata", "request_metadata", keys::SOURCE_RUN)?;
    sql.push(")");
    Ok(())
}

fn prompt(sql: &mut Sql, comparison: &Comparison) -> Result<()> {
    if comparison.op != Op::Eq {
        return Err(Error::invalid(format!(
            "Invalid comparator '{}' for prompts filter. Only '=' is supported with format: \
             prompt = \"name/version\"",
            comparison.op.word()
        )));
    }
    let value = filter::text_of(comparison, "attributes")?;
    if value.matches('/').count() != 1 {
        return Err(Error::invalid(format!(
            "Invalid prompts filter value '{value}'. Expected format: prompt = \"name/version\""
        )));
    }
    sql.push(
        "EXISTS (SELECT 1 FROM trace_links l WHERE l.trace = t.tid AND l.kind = 'prompt' AND l.target = ",
    );
    sql.text(value).push(")");
    Ok(())
}

fn span(sql: &mut Sql, comparison: &Comparison, part: &str) -> Result<()> {
    let among = |ops: &[Op]| {
        comparison
            .op
            .among(ops)
            .map_err(|error| Error::invalid(error.message.replacen("Invalid", &format!("span.{part}"), 1)))
    };
    if !matches!(comparison.value, Value::List(_) | Value::None) {
        filter::text_of(comparison, "span")?;
    }
    if let Some(name) = part.strip_prefix("attributes.") {
        let name = name.trim_matches('`');
        if name.is_empty() {
            return Err(Error::invalid("Span attribute name cannot be empty after 'attributes.'"));
        }
        among(TEXT_OPS)?;
        sql.push("EXISTS (SELECT 1 FROM json_each(s.content, '$.attributes') j WHERE j.key = ").text(name);
        // Attributes are kept as texts of JSON: a text is compared without its quotes.
        sql.push(" AND ").compare(
            "CASE WHEN json_valid(j.value) AND json_type(j.value) = 'text' \
             THEN json_extract(j.value, '$') ELSE j.value END",
            comparison.op,
            &comparison.value,
        )?;
        sql.push(")");
        return Ok(());
    }
    let (column, ops) = match part {
        "name" => ("s.name", TEXT_OPS),
        "type" => ("s.type", TEXT_OPS),
        "status" => ("s.status", TEXT_OPS),
        "content" => ("s.content", CONTENT_OPS),
        other => {
            return Err(Error::invalid(format!(
                "Invalid span attribute '{other}'. Supported attributes: name, status, type, \
                 attributes.<attribute_name>."
            )));
        }
    };
    among(ops)?;
    sql.compare(column, comparison.op, &comparison.value)?;
    Ok(())
}

/// What was said of the trace, or of the whole conversation it belongs to.
fn assessment(
    sql: &mut Sql,
    comparison: &Comparison,
    kind: &str,
    name: &str,
    experiments: &[i64],
) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid("Assessment field name cannot be empty"));
    }
    let mut said = Sql::default();
    said.push("a.kind = ").text(kind).push(" AND a.name = ").text(name).push(" AND a.valid");
    assessed_value(&mut said, comparison, kind)?;
    if comparison.op == Op::IsNull {
        sql.push("NOT ");
    }
    sql.push("(t.tid IN (SELECT a.trace FROM assessments a WHERE ").append(said.clone());
    sql.push(
        ") OR t.tid IN (SELECT m.trace FROM trace_metadata m WHERE m.key = 'mlflow.trace.session' AND \
         m.value IN (SELECT c.value FROM assessments a JOIN traces x ON x.tid = a.trace \
         JOIN trace_metadata c ON c.trace = a.trace AND c.key = 'mlflow.trace.session' WHERE ",
    );
    sql.append(scope("x", experiments)).push(" AND ").append(said);
    sql.push(" AND instr(a.metadata, '\"mlflow.trace.session\":') > 0)))");
    Ok(())
}

fn assessed_value(sql: &mut Sql, comparison: &Comparison, kind: &str) -> Result<()> {
    let op = comparison.op;
    let wrong = |what: &str| {
        let got = comparison.value.raw();
        Err(Error::invalid(format!("Expected a {what}. Got value {got}")))
    };
    match (&comparison.value, NUMBER_OPS.contains(&op)) {
        (_, _) if matches!(op, Op::IsNull | Op::IsNotNull) => Ok(()),
        (value @ Value::Number { .. }, true) => {
            sql.push(" AND a.numeric AND ").compare("a.number", op, value)?;
            Ok(())
        }
        (_, true) => wrong(&format!("numeric value for {kind} when using comparator '{}'", op.word())),
        (Value::Text(text), false) => {
            op.among(PAIR_OPS)?;
            match op {
                // A value is kept as JSON: a text in quotes, a flag or a number without.
                Op::Eq | Op::Ne => {
                    let quoted = serde_json::Value::from(text.as_str()).to_string();
                    sql.push(if op == Op::Eq { " AND a.value IN " } else { " AND a.value NOT IN " });
                    sql.list([Bind::Text(text.clone()), Bind::Text(quoted)]);
                }
                _ => {
                    sql.push(" AND ").compare("a.value", op, &comparison.value)?;
                }
            }
            Ok(())
        }
        (_, false) => wrong(&format!("quoted string value for {kind} (e.g. 'my-value')")),
    }
}

fn issue(sql: &mut Sql, comparison: &Comparison, key: &str) -> Result<()> {
    if key != "id" {
        return Err(Error::invalid(format!("Invalid issue attribute '{key}'. Supported attributes: id")));
    }
    let id = filter::text_of(comparison, "issue")?;
    comparison.op.among(&[Op::Eq]).map_err(|_| {
        Error::invalid(format!("issue.id comparator '{}' not one of '{{'='}}'", comparison.op.word()))
    })?;
    sql.push("t.tid IN (SELECT a.trace FROM assessments a WHERE a.kind = 'issue' AND a.name = ");
    sql.text(id).push(")");
    Ok(())
}
