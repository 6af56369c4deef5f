//! Patterns of policies: `*` for any text, `?` for one character, `${key}` for what the request says.

/// One element of a pattern whose variables are filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Char(char),
    Any,
    One,
}

/// What the variables of a policy stand for; none for one the request does not carry.
pub type Variables<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// How to read a pattern.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// Whether `*` and `?` stand for other characters.
    pub wildcards: bool,
    /// What `${key}` stands for; a policy of the old version has no variables.
    pub variables: Option<&'a Variables<'a>>,
}

impl Reading<'_> {
    /// Wildcards and no variables.
    pub const PLAIN: Self = Self { wildcards: true, variables: None };
}

/// Whether `value` fits `pattern`. A variable the request does not carry fits nothing.
pub fn fits(pattern: &str, value: &str, reading: Reading<'_>) -> bool {
    tokens(pattern, reading).is_some_and(|tokens| matches(&tokens, value))
}

/// The same without regard to upper and lower case, for the names of actions.
pub fn fits_action(pattern: &str, action: &str) -> bool {
    fits(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase(), Reading::PLAIN)
}

fn tokens(pattern: &str, reading: Reading<'_>) -> Option<Vec<Token>> {
    let mut tokens = Vec::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        if let (Some(variables), Some((name, after))) = (reading.variables, variable(rest)) {
            tokens.extend(filled(name, variables)?.chars().map(Token::Char));
            rest = after;
            continue;
        }
        tokens.push(match first {
            '*' if reading.wildcards => Token::Any,
            '?' if reading.wildcards => Token::One,
            other => Token::Char(other),
        });
        rest = &rest[first.len_utf8()..];
    }
    Some(tokens)
}

/// The inside of a `${...}` that `text` begins with, and what follows it.
fn variable(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("${")?.split_once('}')
}

/// `*`, `?` and `$` stand for themselves; `key, 'other'` is `other` where the request has no key.
fn filled(name: &str, variables: &Variables<'_>) -> Option<String> {
    if matches!(name, "*" | "?" | "$") {
        return Some(name.to_owned());
    }
    let (key, otherwise) = match name.split_once(',') {
        Some((key, otherwise)) => (key, Some(otherwise.trim())),
        None => (name, None),
    };
    let quoted = |text: &str| Some(text.strip_prefix('\'')?.strip_suffix('\'')?.to_owned());
    variables(key.trim()).or_else(|| quoted(otherwise?))
}

/// Glob matching that looks back to the last `*` only: linear in all but the most contrived cases, and
/// never worse than the product of the lengths.
fn matches(tokens: &[Token], value: &str) -> bool {
    let value: Vec<char> = value.chars().collect();
    let (mut at, mut token) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at < value.len() {
        match tokens.get(token) {
            Some(Token::Any) => {
                star = Some((token, at));
                token += 1;
            }
            Some(Token::One) => (token, at) = (token + 1, at + 1),
            Some(Token::Char(c)) if *c == value[at] => (token, at) = (token + 1, at + 1),
            _ => {
                let Some((star_token, star_at)) = star else { return false };
                star = Some((star_token, star_at + 1));
                (token, at) = (star_token + 1, star_at + 1);
            }
        }
    }
    tokens[token..].iter().all(|token| *token == Token::Any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_text_and_characters() {
        for (pattern, value, expected) in [
            ("*", "", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbb", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*/*.jpg", "a/b/c.jpg", true),
            ("arn:aws:s3:::b/*", "arn:aws:s3:::b", false),
            ("**", "x", true),
            ("é?", "éü", true),
        ] {
            assert_eq!(fits(pattern, value, Reading::PLAIN), expected, "{pattern} {value}");
        }
        let contrived = "*a".repeat(40);
        assert!(!fits(&contrived, &"a".repeat(39), Reading::PLAIN));
    }

    #[test]
    fn a_variable_is_filled_in_and_its_value_is_taken_literally() {
        let variables = |key: &str| (key == "aws:username").then(|| "a*".to_owned());
        let reading = Reading { wildcards: true, variables: Some(&variables) };
        assert!(fits("home/${aws:username}/*", "home/a*/x", reading));
        assert!(!fits("home/${aws:username}/*", "home/ab/x", reading));
        assert!(!fits("${aws:nothing}", "", reading));
        assert!(fits("${aws:nothing, 'none'}", "none", reading));
        assert!(fits("${*}${?}${$}", "*?$", reading));
        assert!(fits("${aws:username}", "${aws:username}", Reading::PLAIN));
    }

    #[test]
    fn actions_do_not_mind_their_case() {
        assert!(fits_action("s3:get*", "s3:GetObject"));
        assert!(!fits_action("s3:Get*", "s3:PutObject"));
    }
}
