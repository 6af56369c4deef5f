//! The configuration file: TOML, flattened to `section.key` with the line each value stands on.

use super::{Entry, Issue, Source};
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// Every value of the file, as text.
pub fn entries(path: &Path) -> Result<Vec<Entry>, Issue> {
    let text = fs_err::read_to_string(path).map_err(|error| Issue {
        message: format!("the configuration file cannot be read: {error}"),
        hint: Some("--config or CRANNOG_CONFIG names it; without them ./crannog.toml and /etc/crannog/crannog.toml are tried.".into()),
    })?;
    let table = DeTable::parse(&text).map_err(|error| Issue {
        message: format!("{} is not valid TOML:\n{error}", path.display()),
        hint: None,
    })?;
    let mut out = Vec::new();
    flatten(&Place { path, text: &text }, "", table.get_ref(), &mut out)?;
    Ok(out)
}

struct Place<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Place<'_> {
    fn source(&self, offset: usize) -> Source {
        let line = 1 + self.text.bytes().take(offset).filter(|b| *b == b'\n').count();
        Source::File { path: self.path.to_owned(), line }
    }
}

fn flatten(place: &Place<'_>, prefix: &str, table: &DeTable<'_>, out: &mut Vec<Entry>) -> Result<(), Issue> {
    for (key, value) in table {
        let name = format!("{prefix}{}", key.get_ref());
        let source = place.source(key.span().start);
        let text = match value.get_ref() {
            DeValue::Table(inner) => {
                flatten(place, &format!("{name}."), inner, out)?;
                continue;
            }
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.as_str().replace('_', ""),
            DeValue::Boolean(flag) => flag.to_string(),
            other => {
                return Err(Issue {
                    message: format!("{name} ({source}) is a {}", other.type_str()),
                    hint: Some("a setting is a text, a whole number, true or false".into()),
                });
            }
        };
        out.push((name, text, source));
    }
    Ok(())
}
