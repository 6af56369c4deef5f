//! `when:` of a task: comparisons over names, joined by `and`, `or`, `not` and parentheses;
//! numbers may be added, subtracted, multiplied and divided, with spaces around the signs.
//!
//! `outputs.check.rows > 100 and params.mode == "full"`. Values that both read as numbers compare as
//! numbers, others as text; what does not exist is null, which equals nothing but null and is false.

use serde_json::Value;

/// Deeper nesting than this is refused, so that no condition exhausts the stack.
const MAX_DEPTH: usize = 50;
/// Each sign makes an operand one deeper.
const MAX_SIGNS: usize = 50;

/// A condition that was read.
#[derive(Debug)]
pub enum Condition {
    Value(Operand),
    Compare(Operand, Comparison, Operand),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

/// One side of a comparison.
#[derive(Debug)]
pub enum Operand {
    Name(String),
    Literal(Value),
    /// Numbers added, subtracted, multiplied, divided.
    Sum(Box<Operand>, Sign, Box<Operand>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    Plus,
    Minus,
    Times,
    By,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
    In,
}

impl Condition {
    /// Reads a condition; the error says what was not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader { words: words(text)?, at: 0, signs: 0 };
        let condition = reader.any(0)?;
        match reader.words.get(reader.at) {
            None => Ok(condition),
            Some(word) => Err(format!("{:?} was not expected here", word.text)),
        }
    }

    /// Whether it holds, with names looked up by `value`.
    pub fn holds(&self, value: &dyn Fn(&str) -> Option<Value>) -> bool {
        match self {
            Self::Value(operand) => is_true(&operand.value(value)),
            Self::Compare(left, how, right) => compare(&left.value(value), *how, &right.value(value)),
            Self::Not(inner) => !inner.holds(value),
            Self::And(left, right) => left.holds(value) && right.holds(value),
            Self::Or(left, right) => left.holds(value) || right.holds(value),
        }
    }

    /// Every name it looks up.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Value(one) => one.names(),
            Self::Compare(a, _, b) => a.names().into_iter().chain(b.names()).collect(),
            Self::Not(inner) => inner.names(),
            Self::And(a, b) | Self::Or(a, b) => a.names().into_iter().chain(b.names()).collect(),
        }
    }
}

impl Operand {
    fn names(&self) -> Vec<&str> {
        match self {
            Self::Name(name) => vec![name],
            Self::Literal(_) => Vec::new(),
            Self::Sum(left, _, right) => left.names().into_iter().chain(right.names()).collect(),
        }
    }

    fn value(&self, look_up: &dyn Fn(&str) -> Option<Value>) -> Value {
        match self {
            Self::Name(name) => look_up(name).unwrap_or(Value::Null),
            Self::Literal(value) => value.clone(),
            Self::Sum(left, sign, right) => sum(&left.value(look_up), *sign, &right.value(look_up)),
        }
    }
}

/// What is no number makes the whole null, which equals nothing and is false.
fn sum(left: &Value, sign: Sign, right: &Value) -> Value {
    let Some((left, right)) = number(left).zip(number(right)) else { return Value::Null };
    let value = match sign {
        Sign::Plus => left + right,
        Sign::Minus => left - right,
        Sign::Times => left * right,
        Sign::By => left / right,
    };
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !matches!(text.as_str(), "" | "0" | "false" | "False" | "null"),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

fn compare(left: &Value, how: Comparison, right: &Value) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};
    if how == Comparison::In {
        return match right {
            Value::Array(items) => items.iter().any(|item| compare(left, Comparison::Equal, item)),
            Value::String(text) => match serde_json::from_str::<Vec<Value>>(text) {
                Ok(items) => items.iter().any(|item| compare(left, Comparison::Equal, item)),
                Err(_) => text.contains(&plain(left)),
            },
            _ => false,
        };
    }
    let order = if left.is_null() || right.is_null() {
        (left == right).then_some(Equal)
    } else {
        match (number(left), number(right)) {
            (Some(left), Some(right)) => left.partial_cmp(&right),
            _ => Some(plain(left).cmp(&plain(right))),
        }
    };
    match how {
        Comparison::Equal => order == Some(Equal),
        Comparison::Unequal => order != Some(Equal),
        Comparison::Less => order == Some(Less),
        Comparison::AtMost => matches!(order, Some(Less | Equal)),
        Comparison::More => order == Some(Greater),
        Comparison::AtLeast => matches!(order, Some(Greater | Equal)),
        Comparison::In => false, // answered above
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

/// A value as a task would see it: text without quotes, everything else as JSON.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

struct Word {
    text: String,
    quoted: bool,
}

fn words(text: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' => {
                let end = rest[1..]
                    .find(first)
                    .ok_or_else(|| format!("the text that begins at {rest} has no end"))?;
                words.push(Word { text: rest[1..=end].to_owned(), quoted: true });
                rest = rest[end + 2..].trim_start();
                continue;
            }
            '(' | ')' | '*' | '/' => 1,
            '+' | '-' if rest[1..].starts_with(char::is_whitespace) => 1,
            '=' | '!' | '<' | '>' => 1 + usize::from(rest[1..].starts_with('=')),
            _ => rest
                .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '+')))
                .unwrap_or(rest.len()),
        };
        if length == 0 {
            return Err(format!("{first:?} means nothing in a condition"));
        }
        words.push(Word { text: rest[..length].to_owned(), quoted: false });
        rest = rest[length..].trim_start();
    }
    Ok(words)
}

struct Reader {
    words: Vec<Word>,
    at: usize,
    /// Signs of arithmetic so far.
    signs: usize,
}

impl Reader {
    fn take(&mut self, wanted: &str) -> bool {
        let found = self.words.get(self.at).is_some_and(|word| !word.quoted && word.text == wanted);
        self.at += usize::from(found);
        found
    }

    fn any(&mut self, depth: usize) -> Result<Condition, String> {
        let mut left = self.all(depth)?;
        while self.take("or") {
            left = Condition::Or(Box::new(left), Box::new(self.all(depth)?));
        }
        Ok(left)
    }

    fn all(&mut self, depth: usize) -> Result<Condition, String> {
        let mut left = self.one(depth)?;
        while self.take("and") {
            left = Condition::And(Box::new(left), Box::new(self.one(depth)?));
        }
        Ok(left)
    }

    fn one(&mut self, depth: usize) -> Result<Condition, String> {
        if depth > MAX_DEPTH {
            return Err("the condition is nested too deep".into());
        }
        if self.take("not") {
            return Ok(Condition::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.take("(") {
            let inner = self.any(depth + 1)?;
            return if self.take(")") { Ok(inner) } else { Err("a ) is missing".into()) };
        }
        let left = self.sum()?;
        let Some(how) = self.comparison() else { return Ok(Condition::Value(left)) };
        Ok(Condition::Compare(left, how, self.sum()?))
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let all = [
            ("==", Comparison::Equal),
            ("!=", Comparison::Unequal),
            ("<=", Comparison::AtMost),
            (">=", Comparison::AtLeast),
            ("<", Comparison::Less),
            (">", Comparison::More),
            ("in", Comparison::In),
        ];
        all.into_iter().find(|(text, _)| self.take(text)).map(|(_, how)| how)
    }

    fn sum(&mut self) -> Result<Operand, String> {
        self.chain(&[("+", Sign::Plus), ("-", Sign::Minus)], Self::product)
    }

    fn product(&mut self) -> Result<Operand, String> {
        self.chain(&[("*", Sign::Times), ("/", Sign::By)], Self::operand)
    }

    /// Operands joined by signs of one rank, from left to right.
    fn chain(
        &mut self,
        signs: &[(&str, Sign)],
        part: fn(&mut Self) -> Result<Operand, String>,
    ) -> Result<Operand, String> {
        let mut left = part(self)?;
        while let Some((_, sign)) = signs.iter().find(|(text, _)| self.take(text)) {
            self.signs += 1;
            if self.signs > MAX_SIGNS {
                return Err("the condition has too many signs".into());
            }
            left = Operand::Sum(Box::new(left), *sign, Box::new(part(self)?));
        }
        Ok(left)
    }

    fn operand(&mut self) -> Result<Operand, String> {
        let word = self.words.get(self.at).ok_or("the condition ends too early")?;
        self.at += 1;
        if word.quoted {
            return Ok(Operand::Literal(Value::String(word.text.clone())));
        }
        match word.text.as_str() {
            "true" | "false" | "null" => {
                Ok(Operand::Literal(serde_json::from_str(&word.text).unwrap_or_default()))
            }
            text if text.parse::<f64>().is_ok_and(f64::is_finite) => {
                Ok(Operand::Literal(Value::String(text.into())))
            }
            "and" | "or" | "not" | "in" => Err(format!("{:?} was not expected here", word.text)),
            text if text.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                Ok(Operand::Name(text.into()))
            }
            text => Err(format!("{text:?} was not expected here")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Condition;
    use serde_json::{Value, json};

    fn holds(text: &str) -> bool {
        let value = |name: &str| -> Option<Value> {
            Some(match name {
                "params.n" => json!("10"),
                "params.mode" => json!("full"),
                "outputs.a.rows" => json!(9),
                "outputs.a.list" => json!(["x", 3]),
                "params.off" => json!("false"),
                _ => return None,
            })
        };
        Condition::parse(text).expect(text).holds(&value)
    }

    #[test]
    fn conditions_hold_as_they_read() {
        for text in [
            "params.n > outputs.a.rows",
            "params.n == 10.0 and params.mode == \"full\"",
            "params.mode in '[\"full\", \"fast\"]'",
            "'x' in outputs.a.list and 3 in outputs.a.list",
            "not params.off",
            "not (params.mode == 'fast' or params.n < 10)",
            "outputs.a.nope == null",
            "params.mode != outputs.a.nope",
            "true or false and false",
            "params.n >= outputs.a.rows + 1",
            "params.n - 1 - 2 == outputs.a.rows - 2",
            "1 + 2 * 3 == 7 and 9 / 3 * 2 == 6",
            "-1 < +1 and params.n == 10 + -0",
        ] {
            assert!(holds(text), "{text}");
        }
        for text in [
            "params.mode + 1 > 0",
            "1 / 0 > 0",
            "params.off",
            "outputs.a.nope",
            "outputs.a.nope > 0",
            "params.n < 9",
            "params.mode == 'Full'",
        ] {
            assert!(!holds(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for text in [
            "1 +",
            "+ 1",
            "1 + + 1",
            "a * ",
            "",
            "a ==",
            "== 1",
            "(a",
            "a)",
            "a b",
            "a = 1",
            "'open",
            "a && b",
            "not",
            &"(".repeat(9_999),
        ] {
            assert!(Condition::parse(text).is_err(), "{text}");
        }
        assert_eq!(Condition::parse("a == b or not c").map(|c| c.names().join(" ")).as_deref(), Ok("a b c"));
    }
}
