//! Filters, order and page of Airflow's lists, as the store understands them.

use super::{
    asked::{Asked, unfit},
    fault::Fault,
};
use crate::pipelines::store::{Field, Test, Wanted};
use http::StatusCode;

/// Rows of a page, unless asked for fewer or more.
const PAGE: usize = 50;
const PAGE_MAX: usize = 100;

/// A page of a list.
#[derive(Clone, Copy)]
pub(super) struct Page {
    pub limit: usize,
    pub offset: usize,
}

impl Page {
    pub(super) fn of(asked: &Asked) -> Result<Self, Fault> {
        let limit = asked.count("limit", PAGE)?;
        Ok(Self { limit: limit.min(PAGE_MAX), offset: asked.count("offset", 0)? })
    }

    pub(super) fn cut<T>(self, all: Vec<T>) -> Vec<T> {
        all.into_iter().skip(self.offset).take(self.limit).collect()
    }
}

/// A name of the query, and the field its four comparisons are about.
pub(super) type Ranges = &'static [(&'static str, Field)];

/// Adds what `<name>_gte`, `_gt`, `_lte` and `_lt` ask for.
pub(super) fn ranges(asked: &Asked, ranges: Ranges, wanted: &mut Wanted) -> Result<(), Fault> {
    const ENDS: [(&str, &str); 4] = [("gte", ">="), ("gt", ">"), ("lte", "<="), ("lt", "<")];
    for (name, field) in ranges {
        for (end, operator) in ENDS {
            let name = format!("{name}_{end}");
            let value = match field {
                Field::RunDuration | Field::TaskDuration => asked.number(&name)?,
                _ => asked.time(&name)?.map(|ms| ms as f64),
            };
            wanted.tests.extend(value.map(|value| (*field, Test::Compare(operator, value))));
        }
    }
    Ok(())
}

/// Adds what `<name>_pattern` and `<name>_prefix_pattern` ask for.
pub(super) fn patterns(asked: &Asked, name: &str, field: Field, wanted: &mut Wanted) {
    let any = |text: &str, before: &str| -> Vec<String> {
        text.split('|').map(|part| format!("{before}{}%", part.trim())).collect()
    };
    if let Some(text) = asked.one(&format!("{name}_pattern")).filter(|text| *text != "~") {
        wanted.tests.push((field, Test::Like(any(text, "%"))));
    }
    if let Some(text) = asked.one(&format!("{name}_prefix_pattern")).filter(|text| *text != "~") {
        wanted.tests.push((field, Test::Like(any(text, ""))));
    }
}

/// Adds that a field is one of the values given; a word that is none of `known` is refused.
pub(super) fn among(
    asked: &Asked,
    name: &str,
    field: Field,
    known: Option<&[&str]>,
    wanted: &mut Wanted,
) -> Result<(), Fault> {
    let given = asked.all(name);
    if let Some((known, word)) =
        known.zip(given.iter().find(|word| !known.is_none_or(|all| all.contains(word))))
    {
        let message = format!("Input should be one of {}", known.join(", "));
        return Err(unfit(name, "enum", &message, word));
    }
    if !given.is_empty() {
        let words =
            given.into_iter().map(|word| if matches!(word, "null" | "no_status") { "none" } else { word });
        wanted.tests.push((field, Test::In(words.map(str::to_owned).collect())));
    }
    Ok(())
}

/// Sets the order: names with `-` before them for descending, as often as wanted.
pub(super) fn order(asked: &Asked, known: Ranges, wanted: &mut Wanted) -> Result<(), Fault> {
    for name in asked.all("order_by").into_iter().flat_map(|names| names.split(',')) {
        let bare = name.trim_start_matches('-');
        let field = known.iter().find(|(one, _)| *one == bare).map(|(_, field)| *field);
        wanted.order.push((field.ok_or_else(|| no_order(bare))?, name.starts_with('-')));
    }
    Ok(())
}

pub(super) fn no_order(name: &str) -> Fault {
    let message =
        format!("Ordering with '{name}' is disallowed or the attribute does not exist on the model");
    Fault::new(StatusCode::BAD_REQUEST, message)
}

/// Whether a text fits a pattern of SQL (`%`, `_`), read without regard to case.
pub(super) fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) =
        (text.to_lowercase().chars().collect(), pattern.to_lowercase().chars().collect());
    // Where the last `%` stood and how much of the text it has swallowed so far.
    let (mut at, mut to, mut back) = (0, 0, None);
    while at < text.len() {
        match pattern.get(to) {
            Some('%') => {
                back = Some((to, at));
                to += 1;
            }
            Some(one) if *one == '_' || *one == text[at] => (at, to) = (at + 1, to + 1),
            _ => match back {
                Some((percent, swallowed)) => {
                    (at, to) = (swallowed + 1, percent + 1);
                    back = Some((percent, swallowed + 1));
                }
                None => return false,
            },
        }
    }
    pattern[to..].iter().all(|one| *one == '%')
}

/// Whether a name fits `<name>_pattern` and `<name>_prefix_pattern`, where they are asked for.
pub(super) fn fits(asked: &Asked, name: &str, text: &str) -> bool {
    let any = |key: String, before: &str| {
        let patterns = asked.one(&key).filter(|patterns| *patterns != "~");
        patterns.is_none_or(|all| all.split('|').any(|one| like(text, &format!("{before}{}%", one.trim()))))
    };
    any(format!("{name}_pattern"), "%") && any(format!("{name}_prefix_pattern"), "")
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn patterns_are_those_of_sql() {
        for (text, pattern) in
            [("nightly", "%ight%"), ("abc", "a_c"), ("aXbXc", "a%x%c"), ("", "%"), ("aab", "%ab")]
        {
            assert!(like(text, pattern), "{text} {pattern}");
        }
        for (text, pattern) in
            [("nightly", "night"), ("abc", "a_"), ("abc", "%d%"), ("", "_"), ("aba", "%ab")]
        {
            assert!(!like(text, pattern), "{text} {pattern}");
        }
    }
}
