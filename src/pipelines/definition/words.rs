//! What the YAML reader complains of, in words for the person who wrote the file: the key, the value, what is
//! allowed there.

use super::{Problem, nearest};
use crate::pipelines::model::check_name;
use serde_saphyr::Error;

/// The text of a file; the problem tells where it is not UTF-8.
pub fn text(bytes: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let last = good.rsplit('\n').next().unwrap_or_default();
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        Problem {
            message: format!("the byte 0x{byte:02x} is not UTF-8; save the file as UTF-8"),
            line: Some(good.matches('\n').count() as u64 + 1),
            column: Some(last.chars().count() as u64 + 1),
        }
    })
}

/// The name that a text gives itself, though it may be wrong in every other way.
pub fn named(text: &str) -> Option<&str> {
    let line = text.lines().find_map(|line| line.strip_prefix("name:"))?;
    let value = line.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']);
    check_name(value).is_ok().then_some(value)
}

/// The complaint at its place in the file.
pub(super) fn problem(error: &Error, text: &str) -> Problem {
    if is_empty(text) {
        let message =
            "the file is empty: a pipeline has a name and tasks; crannog pipeline example shows one";
        return Problem { message: message.into(), line: Some(1), column: Some(1) };
    }
    let place = error.location();
    let known = |number: Option<u64>| number.filter(|number| *number > 0);
    let (line, column) = (known(place.map(|at| at.line())), known(place.map(|at| at.column())));
    let written = Written::at(text, line, column);
    Problem { message: message(error, &written), line, column }
}

/// Nothing but comments and the marks of a document.
fn is_empty(text: &str) -> bool {
    text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#') || line == "---")
}

/// Characters of a wrong value that are told.
const VALUE_SHOWN: usize = 60;

/// What stands where the reader stopped.
#[derive(Default)]
struct Written<'a> {
    key: Option<&'a str>,
    value: &'a str,
}

impl<'a> Written<'a> {
    fn at(text: &'a str, line: Option<u64>, column: Option<u64>) -> Self {
        let Some((number, column)) = line.zip(column) else { return Self::default() };
        let index = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).saturating_sub(1);
        let line = text.lines().nth(index(number)).unwrap_or_default();
        let at = line.char_indices().nth(index(column)).map_or(line.len(), |(at, _)| at);
        let (before, rest) = line.split_at(at);
        let ends = if before.contains(['{', '[']) { &[',', '}', ']'][..] } else { &[] };
        let value = rest.split(" #").next().unwrap_or_default();
        let value = value.split(|c| ends.contains(&c)).next().unwrap_or_default();
        // A value on lines of its own belongs to the key above it.
        let above = || text.lines().take(index(number)).filter(|line| !line.trim().is_empty()).last();
        let owner = match (before.trim().is_empty(), value.strip_prefix(':')) {
            (false, Some(_)) => Some(before),
            (true, _) => above().and_then(|line| line.trim_end().strip_suffix(':')),
            (false, None) => before.trim_end().strip_suffix(':'),
        };
        // Some values are complained of where their key begins.
        if let (true, None, Some((key, value))) = (before.trim().is_empty(), owner, value.split_once(": ")) {
            return Self { key: Some(key), value: value.trim() };
        }
        let key = owner.map(|owner| {
            let start = owner.rfind([' ', '{', ',', '[']).map_or(0, |at| at + 1);
            owner[start..].trim_matches(['"', '\''])
        });
        let value = value.strip_prefix(':').unwrap_or(value).trim();
        Self { key: key.filter(|key| !key.is_empty()), value }
    }

    /// `retries takes a whole number, not "x"`.
    fn takes(&self, what: &str) -> String {
        let key = self.key.unwrap_or("this place");
        let value = self.value.trim_matches(['"', '\'']);
        let quoted = value.len() < self.value.len();
        let is_list = self.value.starts_with('[') || self.value == "-" || self.value.starts_with("- ");
        let is_map = self.value.starts_with('{') || self.value.ends_with(':') || self.value.contains(": ");
        match value {
            "" => format!("{key} takes {what}"),
            _ if is_list => format!("{key} takes {what}, not a list"),
            _ if is_map && !quoted => format!("{key} takes {what}, not a map"),
            value => {
                let shown: String = value.chars().take(VALUE_SHOWN).collect();
                format!("{key} takes {what}, not {shown:?}")
            }
        }
    }
}

fn message(error: &Error, written: &Written<'_>) -> String {
    match error {
        Error::WithSnippet { error, .. } => message(error, written),
        Error::AliasError { error, .. } => message(error, written),
        Error::InvalidScalar { ty, .. } => written.takes(scalar(ty)),
        Error::InvalidBooleanStrict { .. } => written.takes("true or false"),
        Error::Unexpected { expected, .. } => written.takes(shape(expected)),
        Error::NullIntoString { .. } => written.takes("a text, and has none"),
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key {key:?} is there twice; keep one of them")
        }
        Error::DuplicateMappingKey { key: None, .. } => "a key is there twice; keep one of them".into(),
        Error::SerdeUnknownField { field, expected, .. } => unknown(field, expected),
        Error::SerdeMissingField { field, .. } => format!("the key {field:?} is missing"),
        Error::SerdeInvalidType { expected, .. } | Error::SerdeInvalidValue { expected, .. } => {
            written.takes(expected)
        }
        Error::MultipleDocuments { .. } => {
            "a second document begins with ---; a file holds one pipeline".into()
        }
        Error::Eof { .. } => "the file ends in the middle of something that has begun".into(),
        Error::UnknownAnchor { .. } => format!("{} names an anchor (&...) that is not there", written.value),
        Error::Budget { .. }
        | Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            "the file holds too much: lists, maps and aliases beyond what a pipeline needs".into()
        }
        other => of_the_parser(&other.to_string()),
    }
}

/// The reader's names of what a value is.
fn scalar(kind: &str) -> &'static str {
    match kind {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more and not too large",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number, not too large",
        "boolean" | "bool" => "true or false",
        _ => "a number",
    }
}

fn shape(expected: &str) -> &'static str {
    match expected {
        "sequence start" => "a list, like [a, b]",
        "mapping start" => "a map of keys and values",
        "string scalar" | "string" | "scalar" => "a text",
        _ => "something else",
    }
}

/// Keys that people write beside the one they belong inside of.
const HOMES: [(&str, &str); 10] = [
    ("soft_fail", "wait_for"),
    ("interval", "wait_for"),
    ("object", "wait_for"),
    ("time", "wait_for"),
    ("script", "python"),
    ("code", "python"),
    ("venv", "python"),
    ("args", "python"),
    ("url", "http"),
    ("method", "http"),
];

/// With where it belongs, or the nearest known word.
fn unknown(field: &str, known: &[&str]) -> String {
    let listed: Vec<String> = known.iter().map(|word| format!("`{word}`")).collect();
    let home = HOMES.iter().find(|(key, home)| *key == field && known.contains(home));
    let hint = match home {
        Some((_, home)) => format!("; write it inside {home}"),
        None => nearest(field, known.iter().copied()),
    };
    format!("unknown field `{field}`, expected one of {}{hint}", listed.join(", "))
}

/// The parser's own words, without the position it may append: ours is given apart.
fn of_the_parser(message: &str) -> String {
    let first = message.lines().next().unwrap_or(message);
    let cut = [" at line ", " (line ", ", line "].iter().filter_map(|mark| first.rfind(mark)).min();
    let plain = first[..cut.unwrap_or(first.len())].trim_start_matches("error: ");
    match plain.contains("recursion limit") {
        true => "lists and maps lie too deep inside each other here".to_owned(),
        false => plain.replace("scalar", "text"),
    }
}

#[cfg(test)]
mod tests {
    use super::{named, text};
    use crate::pipelines::definition::Definition;

    fn told(text: &str) -> String {
        let problems = Definition::parse(text).expect_err(text);
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_wrong_value_is_named_with_its_key_and_what_is_allowed() {
        let task = |key: &str| format!("name: p\ntasks:\n  - {{id: a, run: x, {key}}}\n");
        for (key, said) in [
            (
                "retries: x",
                "line 3, column 30: retries takes a whole number, 0 or more and not too large, not \"x\"",
            ),
            ("retries: -1", "retries takes a whole number, 0 or more and not too large, not \"-1\""),
            ("priority: high", "priority takes a whole number, not too large, not \"high\""),
            ("depends_on_past: maybe", "depends_on_past takes true or false, not \"maybe\""),
            ("retry_backoff: fast", "retry_backoff takes a number, not \"fast\""),
            ("needs: a", "line 3, column 28: needs takes a list, like [a, b], not \"a\""),
            ("env: 3", "env takes a map of keys and values, not \"3\""),
            ("pool: [a]", "pool takes a text, not a list"),
            ("pool: {a: 1}", "pool takes a text, not a map"),
        ] {
            let found = told(&task(key));
            assert!(found.contains(said), "{key}: {found}");
        }
        let block = told("name: p\ntasks:\n  - id: a\n    run: x\n    retries: two # or so\n");
        for (given, said) in [
            ("env:\n      - A", "line 6, column 7: env takes a map of keys and values, not a list"),
            ("needs:\n      b: c", "needs takes a list, like [a, b], not a map"),
        ] {
            let found = told(&format!("name: p\ntasks:\n  - id: a\n    run: x\n    {given}\n"));
            assert!(found.contains(said), "{given}: {found}");
        }
        assert!(told("name:\ntasks: []\n").ends_with("name takes a text, and has none"));
        for (key, home) in
            [("soft_fail: true", "wait_for"), ("interval: 5s", "wait_for"), ("venv: v", "python")]
        {
            let found = told(&task(key));
            assert!(found.ends_with(&format!("; write it inside {home}")), "{key}: {found}");
        }
        assert!(
            block.contains("line 5, column 14: retries takes") && block.ends_with("not \"two\""),
            "{block}"
        );
    }

    #[test]
    fn no_word_of_the_library_is_left() {
        let twice = told("name: p\nname: q\ntasks: []\n");
        assert_eq!(twice, "line 2, column 1: the key \"name\" is there twice; keep one of them");
        for empty in ["", "\n", "# nothing\n---\n"] {
            assert!(told(empty).starts_with("line 1, column 1: the file is empty"), "{empty:?}");
        }
        let list = told("name: p\nparams: [a]\ntasks: []\n");
        assert!(
            list.contains("params takes a map of parameter names") && list.ends_with("not a list"),
            "{list}"
        );
        assert!(told("tasks: []\n").contains("the key \"name\" is missing"));
        assert!(told("name: p\ntasks: []\n---\nname: q\n").contains("one pipeline"));
        let deep = format!("name: p\ntasks:\n  - id: a\n    run: x\n    for_each: {}", "[".repeat(100_000));
        let deep = told(&deep);
        assert!(deep.contains("too deep") && deep.contains("line 5"), "{deep}");
        for one in [twice, deep, told("name: [1\n"), told("name: 'a\n"), told("name: p\ntasks: *x\n")] {
            for jargon in ["Options", "sequence start", "u32", "recursion", "scalar", "Option<"] {
                assert!(!one.contains(jargon), "{jargon} in {one}");
            }
        }
    }

    #[test]
    fn the_name_is_found_in_a_text_that_is_wrong() {
        assert_eq!(named("# x\nname: 'nightly' # so\ntasks: ["), Some("nightly"));
        for text in ["", "tasks: []\n  name: x", "name: a b\n", "name: [x]\n", "name:\n"] {
            assert_eq!(named(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_byte_that_is_not_utf8_has_its_place() {
        assert_eq!(text("name: ä\n".as_bytes()), Ok("name: ä\n"));
        let problem = text(b"name: p\ndescription: caf\xe9\n").expect_err("Latin-1");
        assert_eq!((problem.line, problem.column), (Some(2), Some(17)));
        assert!(problem.message.contains("0xe9") && problem.message.contains("UTF-8"), "{problem}");
    }
}
