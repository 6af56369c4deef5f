//! The words of SQL statements, line by line: names, numbers, texts and signs. Comments go; the text of a
//! function between dollars does too.

/// A word of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A keyword, a name, also one in double quotes, or a number.
    Word(String),
    /// What was between single quotes.
    Text(String),
    Sign(char),
}

/// What the end of a line was in the middle of.
#[derive(Default)]
enum Inside {
    #[default]
    Nothing,
    /// A text; whether a backslash escapes in it.
    Text(bool),
    Name,
    /// A text between two of this mark.
    Dollars(String),
    Comment(u32),
}

#[derive(Default)]
pub struct Lexer {
    tokens: Vec<Token>,
    inside: Inside,
    /// The text or the name so far.
    open: String,
}

impl Lexer {
    /// Whether no statement has begun.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty() && matches!(self.inside, Inside::Nothing)
    }

    /// Takes in a line with its end; answers the statement when its semicolon came.
    pub fn feed(&mut self, line: &str) -> Option<Vec<Token>> {
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let after = &rest[first.len_utf8()..];
            rest = match std::mem::take(&mut self.inside) {
                Inside::Nothing => match self.outside(first, rest, after) {
                    Some(rest) => rest,
                    None => return Some(std::mem::take(&mut self.tokens)),
                },
                Inside::Text(escapes) => self.text(escapes, first, after),
                Inside::Name => self.name(first, after),
                Inside::Dollars(mark) => match rest.find(&mark) {
                    Some(at) => &rest[at + mark.len()..],
                    None => {
                        self.inside = Inside::Dollars(mark);
                        ""
                    }
                },
                Inside::Comment(depth) => {
                    let (depth, rest) = match (first, after.chars().next()) {
                        ('*', Some('/')) => (depth - 1, &after[1..]),
                        ('/', Some('*')) => (depth + 1, &after[1..]),
                        _ => (depth, after),
                    };
                    self.inside = if depth == 0 { Inside::Nothing } else { Inside::Comment(depth) };
                    rest
                }
            };
        }
        None
    }

    /// One step where nothing is open; none at the end of the statement.
    fn outside<'a>(&mut self, first: char, rest: &'a str, after: &'a str) -> Option<&'a str> {
        let numeric = |c: char| c.is_ascii_digit();
        match first {
            ';' => return None,
            '\'' => self.inside = Inside::Text(false),
            '"' => self.inside = Inside::Name,
            '-' if after.starts_with('-') => return Some(""),
            '/' if after.starts_with('*') => {
                self.inside = Inside::Comment(1);
                return Some(&after[1..]);
            }
            '$' => {
                let end = after.find(|c: char| !c.is_alphanumeric() && c != '_');
                if let Some(end) = end.filter(|end| after[*end..].starts_with('$')) {
                    self.inside = Inside::Dollars(rest[..end + 2].to_owned());
                    return Some(&after[end + 1..]);
                }
                self.tokens.push(Token::Sign(first));
            }
            'E' | 'e' if after.starts_with('\'') => {
                self.inside = Inside::Text(true);
                return Some(&after[1..]);
            }
            _ if numeric(first) || first == '-' && after.starts_with(numeric) => {
                let mut before = first;
                let ends = |c: char| {
                    let more =
                        c.is_ascii_digit() || ".eE".contains(c) || "+-".contains(c) && "eE".contains(before);
                    before = c;
                    !more
                };
                let end = after.find(ends).unwrap_or(after.len());
                self.tokens.push(Token::Word(format!("{first}{}", &after[..end])));
                return Some(&after[end..]);
            }
            _ if first.is_alphabetic() || first == '_' => {
                let end =
                    rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').unwrap_or(rest.len());
                self.tokens.push(Token::Word(rest[..end].to_owned()));
                return Some(&rest[end..]);
            }
            _ if first.is_whitespace() => {}
            _ => self.tokens.push(Token::Sign(first)),
        }
        Some(after)
    }

    fn text<'a>(&mut self, escapes: bool, first: char, after: &'a str) -> &'a str {
        let mut rest = after;
        if first == '\'' && !after.starts_with('\'') {
            self.tokens.push(Token::Text(std::mem::take(&mut self.open)));
            return rest;
        }
        let taken = match (first, after.chars().next()) {
            ('\'', _) => {
                rest = &after[1..];
                '\''
            }
            ('\\', Some(next)) if escapes => {
                rest = &after[next.len_utf8()..];
                match next {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    other => other,
                }
            }
            _ => first,
        };
        self.open.push(taken);
        self.inside = Inside::Text(escapes);
        rest
    }

    fn name<'a>(&mut self, first: char, after: &'a str) -> &'a str {
        if first == '"' && !after.starts_with('"') {
            self.tokens.push(Token::Word(std::mem::take(&mut self.open)));
            return after;
        }
        self.open.push(first);
        self.inside = Inside::Name;
        if first == '"' { &after[1..] } else { after }
    }
}

/// The parts of a list between its commas, whose bracket was opened before, and what follows its end.
pub fn list(tokens: &[Token]) -> (Vec<&[Token]>, &[Token]) {
    let (mut parts, mut begin, mut depth) = (Vec::new(), 0, 0_u32);
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('(' | '[') => depth += 1,
            Token::Sign(')') if depth == 0 => {
                parts.extend(Some(&tokens[begin..at]).filter(|part| !part.is_empty()));
                return (parts, &tokens[at + 1..]);
            }
            Token::Sign(')' | ']') => depth = depth.saturating_sub(1),
            Token::Sign(',') if depth == 0 => {
                parts.push(&tokens[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(Some(&tokens[begin..]).filter(|part| !part.is_empty()));
    (parts, &[])
}
