//! Parameters of a run: what values one takes, and the words in which a wrong one is refused.

use chrono::{DateTime, NaiveDate};

/// The longest value, which ends up in a task's environment.
const MAX_VALUE: usize = 64 << 10;

/// A parameter as defined.
#[derive(Clone, Debug)]
pub struct Param {
    pub name: String,
    pub kind: Kind,
    /// None: a run must give the value.
    pub default: Option<String>,
    pub description: String,
    /// When not empty, the only values.
    pub choices: Vec<String>,
    pub minimum: Option<f64>,
    pub maximum: Option<f64>,
    pub pattern: Option<String>,
}

/// What kind of value it takes. Values are text all the same: a task sees them in its environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whatever is given.
    Any,
    String,
    Integer,
    Number,
    Boolean,
    Date,
    Datetime,
    /// A JSON list.
    Array,
}

impl Kind {
    pub const ALL: [(&str, Self); 8] = [
        ("any", Self::Any),
        ("string", Self::String),
        ("integer", Self::Integer),
        ("number", Self::Number),
        ("boolean", Self::Boolean),
        ("date", Self::Date),
        ("datetime", Self::Datetime),
        ("array", Self::Array),
    ];

    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("any", |(name, _)| name)
    }

    fn takes(self, value: &str) -> bool {
        match self {
            Self::Any | Self::String => true,
            Self::Integer => value.parse::<i64>().is_ok(),
            Self::Number => value.parse::<f64>().is_ok_and(f64::is_finite),
            Self::Boolean => matches!(value, "true" | "false"),
            Self::Date => NaiveDate::parse_from_str(value, "%Y-%m-%d").is_ok(),
            Self::Datetime => DateTime::parse_from_rfc3339(value).is_ok(),
            Self::Array => serde_json::from_str::<Vec<serde_json::Value>>(value).is_ok(),
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::Any | Self::String => "text",
            Self::Integer => "a whole number like 3",
            Self::Number => "a number like 0.5",
            Self::Boolean => "true or false",
            Self::Date => "a date like 2026-01-31",
            Self::Datetime => "a time like 2026-01-31T08:00:00Z",
            Self::Array => "a JSON list like [1, 2]",
        }
    }
}

impl Param {
    /// Whether a value is one it takes; the error names the value and says what is taken.
    pub fn check(&self, value: &str) -> Result<(), String> {
        if value.contains('\0') || value.len() > MAX_VALUE {
            return Err(format!("parameter {:?} holds a zero byte or is longer than 64 KiB", self.name));
        }
        let wrong = |why: String| Err(format!("parameter {:?} cannot be {value:?}: {why}", self.name));
        if !self.kind.takes(value) {
            return wrong(format!("it takes {}", self.kind.example()));
        }
        if !self.choices.is_empty() && !self.choices.iter().any(|choice| choice == value) {
            return wrong(format!("it is one of {}", self.choices.join(", ")));
        }
        let number = value.parse::<f64>().ok();
        if let Some(least) = self.minimum.filter(|least| number.is_none_or(|number| number < *least)) {
            return wrong(format!("the least is {least}"));
        }
        if let Some(most) = self.maximum.filter(|most| number.is_none_or(|number| number > *most)) {
            return wrong(format!("the most is {most}"));
        }
        match &self.pattern {
            Some(pattern) if !whole(pattern).is_ok_and(|whole| whole.is_match(value)) => {
                wrong(format!("it must match {pattern}"))
            }
            _ => Ok(()),
        }
    }
}

/// The pattern, for the whole value.
pub(super) fn whole(pattern: &str) -> Result<regex::Regex, regex::Error> {
    regex::Regex::new(&format!("^(?:{pattern})$"))
}

#[cfg(test)]
mod tests {
    use super::{Kind, Param};

    fn param(kind: Kind) -> Param {
        Param {
            name: "p".into(),
            kind,
            default: None,
            description: String::new(),
            choices: vec![],
            minimum: None,
            maximum: None,
            pattern: None,
        }
    }

    #[test]
    fn every_kind_takes_its_values_and_names_the_ones_it_refuses() {
        for (kind, good, bad) in [
            (Kind::Integer, "-3", "3.5"),
            (Kind::Number, "1e-3", "NaN"),
            (Kind::Boolean, "true", "True"),
            (Kind::Date, "2024-02-29", "2025-02-29"),
            (Kind::Datetime, "2025-01-01T00:00:00+01:00", "2025-01-01"),
            (Kind::Array, "[1, \"a\"]", "{}"),
        ] {
            assert_eq!(param(kind).check(good), Ok(()), "{kind:?}");
            let error = param(kind).check(bad).expect_err(bad);
            assert!(error.contains(bad) && error.contains("\"p\""), "{error}");
        }
    }

    #[test]
    fn bounds_choices_and_patterns_hold() {
        let bounded = Param { minimum: Some(0.0), maximum: Some(1.0), ..param(Kind::Number) };
        assert!(bounded.check("0").is_ok() && bounded.check("1").is_ok());
        assert!(bounded.check("-0.1").is_err_and(|why| why.contains("least")));
        assert!(bounded.check("1.1").is_err_and(|why| why.contains("most")));
        let chosen = Param { choices: vec!["a".into(), "b".into()], ..param(Kind::String) };
        assert!(chosen.check("c").is_err_and(|why| why.contains("one of a, b")));
        // The whole value, not a piece of it.
        let shaped = Param { pattern: Some("a|b".into()), ..param(Kind::String) };
        assert!(shaped.check("b").is_ok() && shaped.check("xb").is_err() && shaped.check("ax").is_err());
        assert!(param(Kind::Any).check("a\0b").is_err());
    }
}
