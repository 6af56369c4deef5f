//! SQLite's `REGEXP`: the operator is in its grammar, the function behind it is the caller's to give.

use crate::kernel::error::{Error, Result};
use regex::{Regex, RegexBuilder};
use rusqlite::{Connection, functions::FunctionFlags};

/// What a compiled pattern may take in memory.
const SIZE_MAX: usize = 1 << 20;

/// Compiles a pattern of a caller; the error says what is wrong with it.
pub fn compile(pattern: &str) -> Result<Regex> {
    RegexBuilder::new(pattern)
        .size_limit(SIZE_MAX)
        .build()
        .map_err(|error| Error::invalid(format!("Invalid regular expression '{pattern}': {error}")))
}

/// Gives a connection the function: `text REGEXP pattern` holds if the pattern is found in the text.
pub(super) fn register(db: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    db.create_scalar_function("regexp", 2, flags, |arguments| {
        type Failure = Box<dyn std::error::Error + Send + Sync>;
        // The pattern is compiled once for a statement, not once for a row.
        let pattern = arguments.get_or_create_aux(0, |value| -> std::result::Result<_, Failure> {
            Ok(compile(value.as_str()?)?)
        })?;
        let text: Option<String> = arguments.get(1)?;
        Ok(text.is_some_and(|text| pattern.is_match(&text)))
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_searched_for_a_pattern() {
        let db = Connection::open_in_memory().unwrap();
        register(&db).unwrap();
        let found = |text: Option<&str>, pattern: &str| -> bool {
            db.query_row("SELECT ?1 REGEXP ?2", (text, pattern), |row| row.get(0)).unwrap()
        };
        assert!(found(Some("gpt-4o"), "^gpt-[0-9]"));
        assert!(!found(Some("a gpt-4o"), "^gpt"));
        assert!(!found(None, "."));
        assert!(compile("(").is_err());
        assert!(compile(&"(a{1000}){1000}".repeat(9)).is_err());
    }
}
