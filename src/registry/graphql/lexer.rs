//! The words of a GraphQL document.

use super::Outcome;

#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    Name(String),
    /// An integer or a float, as it was written.
    Number(String),
    Text(String),
    /// Punctuation; `...` is one `.`.
    Mark(char),
}

impl Token {
    pub fn shown(&self) -> String {
        match self {
            Token::Name(name) => format!("Name '{name}'"),
            Token::Number(number) => format!("Number '{number}'"),
            Token::Text(text) => format!("String {text:?}"),
            Token::Mark('.') => "'...'".to_owned(),
            Token::Mark(mark) => format!("'{mark}'"),
        }
    }
}

pub fn tokens(text: &str) -> Outcome<Vec<Token>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '\u{feff}' | ',' => (None, &rest[first.len_utf8()..]),
            _ if first.is_whitespace() => (None, &rest[first.len_utf8()..]),
            '#' => (None, rest.find(['\n', '\r']).map_or("", |end| &rest[end..])),
            '"' => {
                let (text, after) = string(rest)?;
                (Some(Token::Text(text)), after)
            }
            '.' => {
                let after = rest.strip_prefix("...").ok_or_else(|| unexpected('.'))?;
                (Some(Token::Mark('.')), after)
            }
            '!' | '$' | '&' | '(' | ')' | ':' | '=' | '@' | '[' | ']' | '{' | '|' | '}' => {
                (Some(Token::Mark(first)), &rest[1..])
            }
            '_' | 'a'..='z' | 'A'..='Z' => {
                let (name, after) = split(rest, |c| c.is_ascii_alphanumeric() || c == '_');
                (Some(Token::Name(name.to_owned())), after)
            }
            '-' | '0'..='9' => {
                let (number, after) = split(rest, |c| c.is_ascii_digit() || "+-.eE".contains(c));
                (Some(Token::Number(number.to_owned())), after)
            }
            other => return Err(unexpected(other)),
        };
        out.extend(token);
        rest = after;
    }
    Ok(out)
}

fn unexpected(c: char) -> String {
    format!("Syntax Error: Unexpected character: {c:?}.")
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

/// Reads `"text"` or `"""text"""`.
fn string(text: &str) -> Outcome<(String, &str)> {
    let open = || "Syntax Error: Unterminated string.".to_owned();
    if let Some(rest) = text.strip_prefix("\"\"\"") {
        let end = rest.find("\"\"\"").ok_or_else(open)?;
        return Ok((rest[..end].trim().to_owned(), &rest[end + 3..]));
    }
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' | '\r' => break,
            '"' if !escaped => {
                // The escapes are those of JSON.
                let read = serde_json::from_str(&text[..=at]);
                let read = read.map_err(|_| "Syntax Error: Invalid character escape sequence.".to_owned())?;
                return Ok((read, &text[at + 1..]));
            }
            _ => escaped = c == '\\' && !escaped,
        }
    }
    Err(open())
}
