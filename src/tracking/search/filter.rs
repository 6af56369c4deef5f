//! The grammar of a filter: comparisons joined by AND. What a name may be and which comparisons it
//! takes is decided by whoever compiles the comparisons.

use super::lexer::{self, Kind, Token};
use crate::kernel::error::{Error, Result};

/// One comparison of a filter.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The left side as written, e.g. metrics.`a b`.
    pub name: String,
    pub op: Op,
    pub value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Like,
    ILike,
    /// A regular expression; traces alone know it.
    RLike,
    In,
    NotIn,
    IsNull,
    IsNotNull,
}

impl Op {
    pub const NUMERIC: &[Op] = &[Op::Gt, Op::Ge, Op::Ne, Op::Eq, Op::Lt, Op::Le];
    pub const TEXT: &[Op] = &[Op::Eq, Op::Ne, Op::Like, Op::ILike];
    pub const TEXT_OR_LIST: &[Op] = &[Op::Eq, Op::Ne, Op::Like, Op::ILike, Op::In, Op::NotIn];
    pub const TEXT_OR_NULL: &[Op] = &[Op::Eq, Op::Ne, Op::Like, Op::ILike, Op::IsNull, Op::IsNotNull];

    pub fn word(self) -> &'static str {
        match self {
            Op::Eq => "=",
            Op::Ne => "!=",
            Op::Lt => "<",
            Op::Le => "<=",
            Op::Gt => ">",
            Op::Ge => ">=",
            Op::Like => "LIKE",
            Op::ILike => "ILIKE",
            Op::RLike => "RLIKE",
            Op::In => "IN",
            Op::NotIn => "NOT IN",
            Op::IsNull => "IS NULL",
            Op::IsNotNull => "IS NOT NULL",
        }
    }

    /// Refuses an operator that is not among `allowed`.
    pub fn among(self, allowed: &[Op]) -> Result<()> {
        if allowed.contains(&self) {
            return Ok(());
        }
        Err(unknown(self.word(), allowed))
    }
}

fn unknown(word: &str, allowed: &[Op]) -> Error {
    let words: Vec<_> = allowed.iter().map(|op| format!("'{}'", op.word())).collect();
    Error::invalid(format!("Invalid comparator '{word}' not one of '{{{}}}'", words.join(", ")))
}

/// The right side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(String),
    Number {
        raw: String,
        number: f64,
    },
    List(Vec<String>),
    /// A word without quotes, which no comparison takes; kept for the message.
    Bare(String),
    /// The operator takes none.
    None,
}

impl Value {
    /// The value as it was written, more or less.
    pub fn raw(&self) -> String {
        match self {
            Value::Text(text) => format!("'{text}'"),
            Value::Number { raw, .. } | Value::Bare(raw) => raw.clone(),
            Value::List(items) => format!("('{}')", items.join("', '")),
            Value::None => String::new(),
        }
    }
}

/// A filter's comparisons, all of which must hold. An empty filter has none.
pub fn parse(filter: &str) -> Result<Vec<Comparison>> {
    parse_quoting(filter, "'")
}

/// The same, for searches in which MLflow names what is wrong without quotes.
pub fn parse_plain(filter: &str) -> Result<Vec<Comparison>> {
    parse_quoting(filter, "")
}

fn parse_quoting(filter: &str, quote: &'static str) -> Result<Vec<Comparison>> {
    let mut tokens = lexer::tokens(filter);
    if tokens.is_empty() && !filter.is_empty() {
        return Err(Error::invalid(format!("Invalid filter '{filter}'. Could not be parsed.")));
    }
    // One closing semicolon is harmless; a second statement is not a filter.
    if tokens.last().is_some_and(|token| token.raw == ";") {
        tokens.pop();
    }
    if tokens.iter().any(|token| token.raw == ";") {
        return Err(Error::invalid(format!(
            "Search filter contained multiple expression '{filter}'. Provide AND-ed expression list."
        )));
    }
    let mut parser = Parser { tokens: &tokens, at: 0, quote };
    let mut comparisons = Vec::new();
    while parser.at < tokens.len() {
        comparisons.push(parser.comparison()?);
        match parser.tokens.get(parser.at) {
            None => break,
            Some(token) if is_word(token, "AND") => parser.at += 1,
            Some(_) => return Err(parser.stray()),
        }
        if parser.at == tokens.len() {
            return Err(Error::invalid(format!(
                "Invalid clause(s) in filter string: {quote}AND{quote} has nothing after it"
            )));
        }
    }
    Ok(comparisons)
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    /// What a word is put between in messages.
    quote: &'static str,
}

impl Parser<'_> {
    fn comparison(&mut self) -> Result<Comparison> {
        let start = self.at;
        let name = match self.tokens.get(self.at) {
            Some(Token { kind: Kind::Name, raw }) if !is_keyword(raw) => raw.clone(),
            Some(token) if self.tokens.get(self.at + 1).is_some_and(|next| next.kind == Kind::Compare) => {
                return Err(Error::invalid(format!(
                    "Invalid comparison clause. Expected 'Identifier' found '{}'",
                    token.raw
                )));
            }
            _ => return Err(self.stray()),
        };
        self.at += 1;
        let op = match self.operator()? {
            Some(op) => op,
            None => {
                self.at = start;
                return Err(self.stray());
            }
        };
        let value = match op {
            Op::IsNull | Op::IsNotNull => Value::None,
            _ => self.value(start)?,
        };
        Ok(Comparison { name, op, value })
    }

    fn operator(&mut self) -> Result<Option<Op>> {
        let words: [&str; 3] =
            std::array::from_fn(|i| self.tokens.get(self.at + i).map_or("", |token| token.raw.as_str()));
        let upper = words.map(str::to_ascii_uppercase);
        let (op, length) = match [upper[0].as_str(), upper[1].as_str(), upper[2].as_str()] {
            ["=", ..] => (Op::Eq, 1),
            ["!=", ..] => (Op::Ne, 1),
            ["<", ..] => (Op::Lt, 1),
            ["<=", ..] => (Op::Le, 1),
            [">", ..] => (Op::Gt, 1),
            [">=", ..] => (Op::Ge, 1),
            ["LIKE", ..] => (Op::Like, 1),
            ["ILIKE", ..] => (Op::ILike, 1),
            ["RLIKE", ..] => (Op::RLike, 1),
            ["IN", ..] => (Op::In, 1),
            ["NOT", "IN", _] => (Op::NotIn, 2),
            ["IS", "NOT", "NULL"] => (Op::IsNotNull, 3),
            ["IS", "NULL", _] => (Op::IsNull, 2),
            ["NOT", other @ ("LIKE" | "ILIKE" | "RLIKE"), _] => {
                return Err(unknown(&format!("NOT {other}"), Op::TEXT));
            }
            _ => match self.tokens.get(self.at) {
                Some(Token { kind: Kind::Compare, raw }) => return Err(unknown(raw, Op::NUMERIC)),
                _ => return Ok(None),
            },
        };
        self.at += length;
        Ok(Some(op))
    }

    /// The right side of the comparison that began at `start`.
    fn value(&mut self, start: usize) -> Result<Value> {
        let Some(token) = self.tokens.get(self.at) else {
            self.at = start;
            return Err(self.stray());
        };
        self.at += 1;
        match &token.kind {
            Kind::Text(text) => Ok(Value::Text(text.clone())),
            Kind::Number(number) => Ok(Value::Number { raw: token.raw.clone(), number: *number }),
            Kind::Name => Ok(Value::Bare(token.raw.clone())),
            Kind::Open => self.list(),
            _ => {
                self.at -= 1;
                Err(self.stray())
            }
        }
    }

    fn list(&mut self) -> Result<Value> {
        let ill_formed = || {
            Error::invalid(
                "While parsing a list in the query, expected a non-empty list of string values, \
                 but got ill-formed list.",
            )
        };
        let first = self.at;
        let mut items = Vec::new();
        loop {
            match self.tokens.get(self.at).map(|token| &token.kind) {
                Some(Kind::Text(text)) => items.push(text.clone()),
                Some(Kind::Number(_)) => {
                    return Err(Error::invalid(format!(
                        "While parsing a list in the query, expected string value, punctuation, or \
                         whitespace, but got different type in list: {}",
                        self.list_text(first)
                    )));
                }
                Some(Kind::Close) if items.is_empty() => {
                    return Err(Error::invalid(
                        "While parsing a list in the query, expected a non-empty list of string values, \
                         but got empty list",
                    ));
                }
                // A comma may follow the last item.
                Some(Kind::Close) => break,
                _ => return Err(ill_formed()),
            }
            self.at += 1;
            match self.tokens.get(self.at).map(|token| &token.kind) {
                Some(Kind::Comma) => self.at += 1,
                Some(Kind::Close) => break,
                _ => return Err(ill_formed()),
            }
        }
        self.at += 1;
        Ok(Value::List(items))
    }

    /// The list whose first item is at `first`, as it was written.
    fn list_text(&self, first: usize) -> String {
        let inside = self.tokens[first..].iter().take_while(|token| token.kind != Kind::Close);
        let words: Vec<_> =
            inside.filter(|token| token.kind != Kind::Comma).map(|token| &*token.raw).collect();
        format!("({})", words.join(", "))
    }

    /// The error for what is left when no comparison begins here.
    fn stray(&self) -> Error {
        let rest = &self.tokens[self.at..];
        // Two comparisons joined by a wrong word: the word is what is wrong.
        let wrong = if is_word(&rest[0], "OR") || is_word(&rest[0], "NOT") { &rest[..1] } else { rest };
        let wrong: Vec<_> = wrong.iter().map(|token| format!("{0}{1}{0}", self.quote, token.raw)).collect();
        Error::invalid(format!("Invalid clause(s) in filter string: {}", wrong.join(", ")))
    }
}

fn is_word(token: &Token, word: &str) -> bool {
    token.kind == Kind::Name && token.raw.eq_ignore_ascii_case(word)
}

fn is_keyword(raw: &str) -> bool {
    ["AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", "ILIKE", "RLIKE"]
        .iter()
        .any(|word| raw.eq_ignore_ascii_case(word))
}

/// Splits `entity.key` at its first dot and takes the quotes off both; no dot means no entity.
pub fn split_name(name: &str) -> (Option<&str>, &str) {
    match name.split_once('.') {
        // A dot inside quotes separates nothing.
        Some((entity, key)) if !name.starts_with(['`', '"']) || entity[1..].ends_with(['`', '"']) => {
            (Some(bare(entity)), bare(key))
        }
        _ => (None, bare(name)),
    }
}

fn bare(part: &str) -> &str {
    for quote in ['`', '"', '\''] {
        if let Some(inner) = part.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner;
        }
    }
    part
}

/// A text value, or MLflow's complaint about the lack of one.
pub fn text_of(comparison: &Comparison, what: &str) -> Result<String> {
    match &comparison.value {
        Value::Text(text) => Ok(text.clone()),
        Value::Bare(word) => Err(unquoted(word)),
        other => {
            let example = if what == "attributes" { "" } else { " (e.g. 'my-value')" };
            let other = other.raw();
            Err(Error::invalid(format!(
                "Expected a quoted string value for {what}{example}. Got value {other}"
            )))
        }
    }
}

pub fn unquoted(word: &str) -> Error {
    Error::invalid(format!(
        "Parameter value is either not quoted or unidentified quote types used for string value {word}. \
         Use either single or double quotes."
    ))
}
