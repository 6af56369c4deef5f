//! Splits a filter or an `order_by` clause into tokens, each with the text it came from.

/// A token and its own words, for messages.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub kind: Kind,
    pub raw: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A bare or dotted name; parts may be in backticks or double quotes: metrics.`a b`.
    Name,
    /// A quoted string, without its quotes.
    Text(String),
    Number(f64),
    /// `=`, `!=`, `<`, ...
    Compare,
    Open,
    Close,
    Comma,
    /// Anything the grammar has no place for.
    Other,
}

pub fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { text, at: 0 };
    let mut out = Vec::new();
    while let Some(token) = lexer.next() {
        out.push(token);
    }
    out
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn next(&mut self) -> Option<Token> {
        let blank = self.rest().len() - self.rest().trim_start().len();
        self.at += blank;
        let first = self.rest().chars().next()?;
        let (kind, length) = match first {
            '(' => (Kind::Open, 1),
            ')' => (Kind::Close, 1),
            ',' => (Kind::Comma, 1),
            '=' | '!' | '<' | '>' => (Kind::Compare, self.run(|c| matches!(c, '=' | '!' | '<' | '>'))),
            '\'' => self.quoted('\''),
            '"' | '`' => match self.name() {
                // A quoted part that stands alone is a string, unless it is in backticks.
                Some(length) if first == '`' || self.rest()[..length].contains("\".") => (Kind::Name, length),
                _ => self.quoted(first),
            },
            c if c.is_ascii_digit() || matches!(c, '-' | '+' | '.') => self.number(),
            c if is_word(c) => (Kind::Name, self.name().unwrap_or_else(|| self.run(is_word))),
            c => (Kind::Other, c.len_utf8()),
        };
        let raw = self.rest()[..length].to_owned();
        self.at += length;
        Some(Token { kind, raw })
    }

    /// How many bytes from here satisfy `wanted`.
    fn run(&self, wanted: impl Fn(char) -> bool) -> usize {
        self.rest().find(|c| !wanted(c)).unwrap_or(self.rest().len())
    }

    /// The length of a dotted name whose parts may be quoted; `None` when a quote is not closed.
    fn name(&self) -> Option<usize> {
        let rest = self.rest();
        let mut end = 0;
        loop {
            let part = &rest[end..];
            end += match part.chars().next() {
                Some(quote @ ('"' | '`' | '\'')) => part[1..].find(quote)? + 2,
                _ => part.find(|c| !is_word(c)).unwrap_or(part.len()),
            };
            match rest[end..].strip_prefix('.') {
                Some(_) => end += 1,
                None => return Some(end),
            }
        }
    }

    /// A string from here to its closing quote; a doubled quote inside stands for one.
    fn quoted(&self, quote: char) -> (Kind, usize) {
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            if c != quote {
                text.push(c);
            } else if chars.peek().is_some_and(|(_, next)| *next == quote) {
                text.push(c);
                chars.next();
            } else {
                return (Kind::Text(text), at + c.len_utf8());
            }
        }
        (Kind::Other, self.rest().len())
    }

    fn number(&self) -> (Kind, usize) {
        let rest = self.rest().as_bytes();
        let digits = |from: usize| rest[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut end = usize::from(matches!(rest[0], b'-' | b'+'));
        end += digits(end);
        if rest.get(end) == Some(&b'.') {
            end += 1 + digits(end + 1);
        }
        if matches!(rest.get(end), Some(b'e' | b'E')) {
            let signed = end + 1 + usize::from(matches!(rest.get(end + 1), Some(b'-' | b'+')));
            if digits(signed) > 0 {
                end = signed + digits(signed);
            }
        }
        match self.rest()[..end].parse() {
            Ok(number) => (Kind::Number(number), end),
            Err(_) => (Kind::Other, end.max(1)),
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$' || c == '@'
}
