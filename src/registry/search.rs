//! The registry's search grammar: `name LIKE 'a%' AND tags.team = 'ops'`, turned into SQL with bound
//! values. It is smaller than the tracker's: no metrics or params, and only `AND` between comparisons.

use crate::{
    kernel::error::{Error, Result},
    tracking::search::reach::Reach,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// A search, ready to be put behind WHERE and ORDER BY. Only `values` carry text of the caller's.
#[derive(Debug)]
pub struct Query {
    pub condition: String,
    pub order: String,
    pub values: Vec<String>,
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
    /// Column and whether it is a number, for an attribute a filter may name.
    fn attribute(self, key: &str) -> Result<(&'static str, bool)> {
        match (self, key) {
            (_, "name") => Ok(("m.name", false)),
            (Self::Versions, "version_number") => Ok(("v.version", true)),
            (Self::Versions, "run_id") => Ok(("v.run_id", false)),
            (Self::Versions, "source_path") => Ok(("v.source", false)),
            (Self::Models, _) => Err(Error::invalid(format!(
                "Invalid attribute key '{key}' specified. Valid keys are '{{'name'}}'"
            ))),
            (Self::Versions, _) => Err(Error::invalid(format!(
                "Invalid attribute key '{key}' specified. Valid keys are \
                 '{{'name', 'version_number', 'run_id', 'source_path'}}'"
            ))),
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
        match (self, key) {
            (_, "name") => Ok("m.name"),
            (Self::Models, "timestamp" | "last_updated_timestamp") => Ok("m.updated_ms"),
            (Self::Versions, "version_number") => Ok("v.version"),
            (Self::Versions, "creation_timestamp") => Ok("v.created_ms"),
            (Self::Versions, "last_updated_timestamp") => Ok("v.updated_ms"),
            (Self::Models, _) => Err(Error::invalid(format!(
                "Invalid order by key '{key}' specified. Valid keys are '{{'name', 'timestamp'}}'"
            ))),
            (Self::Versions, _) => Err(Error::invalid(format!(
                "Invalid order by key '{key}' specified. Valid keys are \
                 {{'name', 'version_number', 'creation_timestamp', 'last_updated_timestamp'}}"
            ))),
        }
    }
}

impl Query {
    pub fn parse(subject: Subject, filter: &str, order_by: &[String]) -> Result<Self> {
        let mut query =
            Self { condition: String::new(), order: order(subject, order_by)?, values: Vec::new() };
        let comparisons = Comparison::parse_all(filter)?;
        let prompts = comparisons.iter().any(Comparison::asks_for_prompts);
        for comparison in &comparisons {
            if comparison.tag.as_deref() == Some(PROMPT) && !prompts {
                continue;
            }
            query.push(subject, comparison)?;
        }
        if !prompts {
            query.and(&format!(
                "NOT EXISTS (SELECT 1 FROM registered_model_tags p WHERE p.model_id = m.id \
                 AND p.key = '{PROMPT}' AND p.value = 'true')"
            ));
        }
        if query.condition.is_empty() {
            query.condition.push('1');
        }
        Ok(query)
    }

    /// Leaves out the models a caller may not see.
    pub fn narrowed(mut self, reach: &Reach) -> Self {
        if let Some((test, list)) = reach.test() {
            let list = self.bind(&list);
            self.and(&format!("m.name {test} (SELECT value FROM json_each({list}))"));
        }
        self
    }

    fn and(&mut self, sql: &str) {
        if !self.condition.is_empty() {
            self.condition.push_str(" AND ");
        }
        self.condition.push_str(sql);
    }

    /// Binds a value; answers its placeholder.
    fn bind(&mut self, value: &str) -> String {
        self.values.push(value.to_owned());
        format!("?{}", self.values.len())
    }

    fn push(&mut self, subject: Subject, comparison: &Comparison) -> Result<()> {
        match &comparison.tag {
            Some(key) => {
                let key = self.bind(key);
                let test = self.test("t.value", comparison, &["=", "!=", "LIKE", "ILIKE"], "tag")?;
                self.and(&format!("EXISTS ({} AND t.key = {key} AND {test})", subject.tags()));
            }
            None => {
                let (column, number) = subject.attribute(&comparison.key)?;
                let lists = matches!(comparison.key.as_str(), "name" | "run_id");
                let allowed: &[&str] = match (number, lists) {
                    (true, _) => &["=", "!=", "<", "<=", ">", ">="],
                    (false, true) => &["=", "!=", "LIKE", "ILIKE", "IN", "NOT IN"],
                    (false, false) => &["=", "!=", "LIKE", "ILIKE"],
                };
                let test = if number {
                    self.number_test(column, comparison, allowed)?
                } else {
                    self.test(column, comparison, allowed, "attribute")?
                };
                self.and(&test);
            }
        }
        Ok(())
    }

    fn number_test(&mut self, column: &str, comparison: &Comparison, allowed: &[&str]) -> Result<String> {
        let operator = comparison.allowed(allowed, &format!("attribute {}", comparison.key))?;
        let Operand::One(text, _) = &comparison.operand else {
            return Err(Error::invalid(format!("Expected a number for attribute '{}'.", comparison.key)));
        };
        let value: i64 = text.parse().map_err(|_| {
            Error::invalid(format!("Invalid value for numeric attribute '{}': {text:?}", comparison.key))
        })?;
        Ok(format!("{column} {operator} {value}"))
    }

    fn test(
        &mut self,
        column: &str,
        comparison: &Comparison,
        allowed: &[&str],
        what: &str,
    ) -> Result<String> {
        let operator = comparison.allowed(allowed, what)?;
        let quoted = |value: &str| {
            Error::invalid(format!(
                "Expected a quoted string value for {what} (e.g. 'my-value'). Got value {value}"
            ))
        };
        match (&comparison.operand, operator) {
            (Operand::Many(values), "IN" | "NOT IN") => {
                let places: Vec<_> = values.iter().map(|value| self.bind(value)).collect();
                Ok(format!("{column} {operator} ({})", places.join(", ")))
            }
            (Operand::Many(_), _) | (Operand::One(..), "IN" | "NOT IN") => Err(Error::invalid(format!(
                "Invalid comparison clause for '{}': a list goes with IN and NOT IN, and only there.",
                comparison.key
            ))),
            (Operand::One(value, false), _) => Err(quoted(value)),
            // SQLite's LIKE ignores case, which is MLflow's ILIKE; GLOB does not.
            (Operand::One(value, true), "LIKE") => {
                let place = self.bind(&glob(value));
                Ok(format!("{column} GLOB {place}"))
            }
            (Operand::One(value, true), operator) => {
                let operator = if operator == "ILIKE" { "LIKE" } else { operator };
                let place = self.bind(value);
                Ok(format!("{column} {operator} {place}"))
            }
        }
    }
}

/// A LIKE pattern as GLOB writes it.
fn glob(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        match c {
            '%' => out.push('*'),
            '_' => out.push('?'),
            '*' | '?' | '[' => out.extend(['[', c, ']']),
            _ => out.push(c),
        }
    }
    out
}

fn order(subject: Subject, order_by: &[String]) -> Result<String> {
    let mut seen: Vec<&str> = Vec::new();
    let mut clauses = Vec::new();
    let default = ["last_updated_timestamp DESC".to_owned()];
    let given = if order_by.is_empty() && subject == Subject::Versions { &default } else { order_by };
    for clause in given {
        let could_not =
            || Error::invalid(format!("Invalid order_by clause '{clause}'. Could not be parsed."));
        let words: Vec<&str> = clause.split_whitespace().collect();
        let (key, direction) = match words.as_slice() {
            [key] => (*key, "ASC"),
            [key, way] if way.eq_ignore_ascii_case("asc") => (*key, "ASC"),
            [key, way] if way.eq_ignore_ascii_case("desc") => (*key, "DESC"),
            [_, _] => {
                return Err(Error::invalid(format!("Invalid ordering key in order_by clause '{clause}'.")));
            }
            _ => return Err(could_not()),
        };
        let key = key.strip_prefix("attribute.").unwrap_or(key);
        let column = subject.order_column(key.trim_matches(['`', '"']))?;
        if seen.contains(&column) {
            return Err(Error::invalid(format!("`order_by` contains duplicate fields: {given:?}")));
        }
        seen.push(column);
        clauses.push(format!("{column} {direction}"));
    }
    // Ties are broken the same way every time, or pages would overlap.
    if !seen.contains(&"m.name") {
        clauses.push("m.name ASC".into());
    }
    if subject == Subject::Versions && !seen.contains(&"v.version") {
        clauses.push("v.version DESC".into());
    }
    Ok(clauses.join(", "))
}

/// `offset`, wrapped as MLflow wraps it.
pub fn page_token(offset: usize) -> String {
    STANDARD.encode(format!("{{\"offset\": {offset}}}"))
}

pub fn page_offset(token: &str) -> Result<usize> {
    if token.is_empty() {
        return Ok(0);
    }
    let wrong = || Error::invalid("Invalid page token, could not base64-decode");
    let decoded = STANDARD.decode(token).map_err(|_| wrong())?;
    let value: serde_json::Value = serde_json::from_slice(&decoded).map_err(|_| wrong())?;
    let offset = value.get("offset").and_then(|offset| match offset {
        serde_json::Value::String(text) => text.parse().ok(),
        number => number.as_u64(),
    });
    offset
        .and_then(|offset| usize::try_from(offset).ok())
        .filter(|offset| *offset < i64::MAX as usize)
        .ok_or_else(|| Error::invalid("Invalid page token: it holds no offset"))
}

/// One comparison of a filter.
#[derive(Debug)]
struct Comparison {
    /// The tag's key, when a tag is compared; else `key` is an attribute.
    tag: Option<String>,
    key: String,
    operator: String,
    operand: Operand,
}

#[derive(Debug)]
enum Operand {
    /// A value, and whether it was quoted.
    One(String, bool),
    Many(Vec<String>),
}

impl Comparison {
    fn parse_all(filter: &str) -> Result<Vec<Self>> {
        let tokens = tokens(filter)?;
        let mut rest = tokens.as_slice();
        let mut out = Vec::new();
        while !rest.is_empty() {
            if !out.is_empty() {
                match rest.split_first() {
                    Some((Token::Word(word), after)) if word.eq_ignore_ascii_case("and") => rest = after,
                    _ => return Err(invalid_clause(filter)),
                }
            }
            out.push(Self::parse(&mut rest).ok_or_else(|| invalid_clause(filter))??);
        }
        Ok(out)
    }

    /// `None` when the tokens do not make a comparison.
    fn parse(rest: &mut &[Token]) -> Option<Result<Self>> {
        let (Token::Word(identifier), after) = rest.split_first()? else { return None };
        let (operator, after) = match after {
            [Token::Operator(operator), after @ ..] => (operator.clone(), after),
            [Token::Word(not), Token::Word(word), after @ ..]
                if not.eq_ignore_ascii_case("not") && word.eq_ignore_ascii_case("in") =>
            {
                ("NOT IN".to_owned(), after)
            }
            [Token::Word(word), after @ ..] => (word.to_ascii_uppercase(), after),
            _ => return None,
        };
        let (operand, after) = match after {
            [Token::Quoted(value), after @ ..] => (Operand::One(value.clone(), true), after),
            [Token::Word(value), after @ ..] => (Operand::One(value.clone(), false), after),
            [Token::List(values), after @ ..] => (Operand::Many(values.clone()), after),
            _ => return None,
        };
        *rest = after;
        Some(Self::of(identifier, operator, operand))
    }

    fn of(identifier: &str, operator: String, operand: Operand) -> Result<Self> {
        let (entity, key) = identifier.split_once('.').unwrap_or(("attribute", identifier));
        let key = key.trim_matches(['`', '"']).to_owned();
        let tag = match entity {
            "attribute" => None,
            "tag" | "tags" => Some(key.clone()),
            _ => {
                return Err(Error::invalid(format!(
                    "Invalid entity type '{entity}'. Valid entity types are ('attribute', 'tag', 'tags')"
                )));
            }
        };
        Ok(Self { tag, key, operator, operand })
    }

    fn allowed<'a>(&self, allowed: &[&'a str], what: &str) -> Result<&'a str> {
        allowed
            .iter()
            .copied()
            .find(|known| *known == self.operator)
            .ok_or_else(|| Error::invalid(format!("Invalid comparator for {what}: {}", self.operator)))
    }

    fn asks_for_prompts(&self) -> bool {
        let Operand::One(value, _) = &self.operand else { return false };
        let wanted = match self.operator.as_str() {
            "=" => "true",
            "!=" => "false",
            _ => return false,
        };
        self.tag.as_deref() == Some(PROMPT) && value.eq_ignore_ascii_case(wanted)
    }
}

fn invalid_clause(filter: &str) -> Error {
    Error::invalid(format!("Invalid clause(s) in filter string: {filter}"))
}

#[derive(Debug)]
enum Token {
    /// An identifier, a number or a keyword; back-ticks and double quotes stay in.
    Word(String),
    Quoted(String),
    Operator(String),
    List(Vec<String>),
}

fn tokens(filter: &str) -> Result<Vec<Token>> {
    let mut out = Vec::new();
    let mut rest = filter.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '\'' | '"' => {
                let (text, after) = quoted(rest, first, filter)?;
                (Token::Quoted(text), after)
            }
            '(' => list(rest, filter)?,
            '=' | '!' | '<' | '>' => {
                let length = if rest[1..].starts_with('=') { 2 } else { 1 };
                (Token::Operator(rest[..length].to_owned()), &rest[length..])
            }
            _ => word(rest, filter)?,
        };
        out.push(token);
        rest = after.trim_start();
    }
    Ok(out)
}

/// Reads `'text'`, where a doubled quote stands for one.
fn quoted<'a>(text: &'a str, quote: char, filter: &str) -> Result<(String, &'a str)> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != quote {
            out.push(c);
        } else if chars.peek().is_some_and(|(_, next)| *next == quote) {
            out.push(quote);
            chars.next();
        } else {
            return Ok((out, &text[at + c.len_utf8()..]));
        }
    }
    Err(Error::invalid(format!("Invalid filter '{filter}': a quote is never closed.")))
}

/// Reads `('a', 'b')`.
fn list<'a>(text: &'a str, filter: &str) -> Result<(Token, &'a str)> {
    let wrong = || {
        Error::invalid(format!(
            "While parsing a list in the filter '{filter}': expected quoted string values."
        ))
    };
    let mut values = Vec::new();
    let mut rest = text[1..].trim_start();
    loop {
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"')).ok_or_else(wrong)?;
        let (value, after) = quoted(rest, quote, filter)?;
        values.push(value);
        rest = after.trim_start();
        match rest.chars().next() {
            Some(',') => rest = rest[1..].trim_start(),
            Some(')') => return Ok((Token::List(values), &rest[1..])),
            _ => return Err(wrong()),
        }
        // A single value is written `('a',)` by Python.
        if let Some(after) = rest.strip_prefix(')') {
            return Ok((Token::List(values), after));
        }
    }
}

fn word<'a>(text: &'a str, filter: &str) -> Result<(Token, &'a str)> {
    let mut closing = None;
    for (at, c) in text.char_indices() {
        match closing {
            Some(quote) if c == quote => closing = None,
            Some(_) => {}
            None if c == '`' || c == '"' => closing = Some(c),
            None if c.is_whitespace() || "=!<>()',;".contains(c) => {
                return if at == 0 {
                    Err(invalid_clause(filter))
                } else {
                    Ok((Token::Word(text[..at].into()), &text[at..]))
                };
            }
            None => {}
        }
    }
    match closing {
        Some(_) => Err(Error::invalid(format!("Invalid filter '{filter}': a quote is never closed."))),
        None => Ok((Token::Word(text.to_owned()), "")),
    }
}
