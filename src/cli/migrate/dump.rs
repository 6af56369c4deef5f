//! A dump in plain form, as PostgreSQL's `pg_dump` writes it, read statement by statement: the columns of its
//! tables and their rows, from `COPY` blocks or `INSERT` statements. All else in it is passed over.

mod copied;
mod lexer;
#[cfg(test)]
mod tests;

use crate::cli::{Failure, failure::Code};
use fs_err as fs;
use lexer::{Lexer, Token, list};
use std::{
    collections::VecDeque,
    fmt::Display,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

/// PostgreSQL keeps no longer text in one field.
const LONGEST: u64 = 1 << 30;
const END: &str = "-- PostgreSQL database dump complete";

/// What a column holds, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Integer,
    Real,
    Boolean,
    Text,
}

/// One thing that a dump says.
#[derive(Debug, PartialEq)]
pub enum Said {
    /// `CREATE TABLE`.
    Table {
        schema: String,
        table: String,
        columns: Vec<(String, Type)>,
    },
    /// The rows that follow are of this table and have these columns; none named is all.
    Into {
        table: String,
        columns: Vec<String>,
    },
    Row(Vec<Option<String>>),
}

/// Whether a file is a dump that can be read; one in another form is refused with what to run.
pub fn is_dump(path: &Path) -> Result<bool, Failure> {
    let mut begin = Vec::new();
    fs::File::open(path)?.take(4096).read_to_end(&mut begin)?;
    let (text, shown) = (String::from_utf8_lossy(&begin), path.display());
    let refused = |what: &str, run: String| {
        let message = format!("{shown} is {what}");
        Err(Failure::new(Code::Usage, message).hint(format!("run `{run}`, and import what it writes")))
    };
    match begin[..] {
        [0x1f, 0x8b, ..] => refused("compressed", format!("gunzip -k {shown}")),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => refused("compressed", format!("zstd -d {shown}")),
        [b'P', b'G', b'D', b'M', b'P', ..] => {
            refused("a dump in PostgreSQL's custom form", format!("pg_restore -f dump.sql {shown}"))
        }
        [b't', b'o', b'c', b'.', b'd', b'a', b't', 0, ..] => {
            refused("a dump in PostgreSQL's tar form", format!("pg_restore -f dump.sql {shown}"))
        }
        _ if text.contains("PostgreSQL database cluster dump") => {
            refused("a dump of all databases", "pg_dump -f dump.sql DATABASE".to_owned())
        }
        _ => Ok(text.contains("PostgreSQL database dump")),
    }
}

pub struct Dump {
    path: PathBuf,
    file: BufReader<fs::File>,
    /// The number of the line that was read last.
    line: u64,
    bytes: u64,
    /// How many columns the rows of the `COPY` have that is being read, and of which table they are.
    copying: Option<(String, usize)>,
    /// What an `INSERT` said and is still to be told.
    waiting: VecDeque<Said>,
    complete: bool,
}

impl Dump {
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let file = BufReader::with_capacity(1 << 18, fs::File::open(path)?);
        let (path, waiting) = (path.to_owned(), VecDeque::new());
        Ok(Self { path, file, line: 0, bytes: 0, copying: None, waiting, complete: false })
    }

    /// How much was read.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn broken(&self, what: impl Display) -> Failure {
        Failure::failed(format!("{}, line {}: {what}", self.path.display(), self.line))
    }

    fn cut_off(&self, what: impl Display) -> Failure {
        self.broken(format!("the dump is cut off: {what}")).hint("make the dump again")
    }

    /// The next thing said of a table that is wanted; none at the end.
    pub fn next(&mut self, wanted: impl Fn(&str) -> bool) -> Result<Option<Said>, Failure> {
        loop {
            if let Some(said) = self.waiting.pop_front() {
                return Ok(Some(said));
            }
            if let Some((table, columns)) = self.copying.take() {
                let Some(values) = self.copied(&table, columns)? else { continue };
                let told = wanted(&table);
                self.copying = Some((table, columns));
                if told {
                    return Ok(Some(Said::Row(values)));
                }
                continue;
            }
            match self.statement()? {
                Some(statement) => self.take_in(&statement, &wanted)?,
                None if self.complete => return Ok(None),
                None => return Err(self.cut_off(format!("{END:?} is not at its end"))),
            }
        }
    }

    /// The next line with its end; none at the end of the file.
    fn read_line(&mut self) -> Result<Option<String>, Failure> {
        let mut line = Vec::new();
        let read = self.file.by_ref().take(LONGEST).read_until(b'\n', &mut line)? as u64;
        if read == 0 {
            return Ok(None);
        }
        (self.line, self.bytes) = (self.line + 1, self.bytes + read);
        if read == LONGEST {
            return Err(self.broken("the line is longer than a gigabyte"));
        }
        let utf8 = |_| self.broken("this is not UTF-8").hint("make the dump again, with `pg_dump -E UTF8`");
        String::from_utf8(line).map(Some).map_err(utf8)
    }

    /// One row of a `COPY`; none at its end.
    fn copied(&mut self, table: &str, columns: usize) -> Result<Option<Vec<Option<String>>>, Failure> {
        let Some(line) = self.read_line()? else {
            return Err(self.cut_off(format!("the rows of table {table} have no end")));
        };
        let line = line.trim_end_matches(['\n', '\r']);
        if line == "\\." {
            return Ok(None);
        }
        let values = copied::values(line);
        if values.len() == columns {
            return Ok(Some(values));
        }
        let found = values.len();
        Err(self.broken(format!("a row of table {table} has {found} columns where {columns} were expected")))
    }

    /// The words of the next statement; comments and psql's commands between statements go.
    fn statement(&mut self) -> Result<Option<Vec<Token>>, Failure> {
        let (mut lexer, mut length) = (Lexer::default(), 0);
        loop {
            let Some(line) = self.read_line()? else {
                return match lexer.is_empty() {
                    true => Ok(None),
                    false => Err(self.cut_off("a statement has no end")),
                };
            };
            if lexer.is_empty() {
                self.complete |= line.starts_with(END);
                if line.starts_with('\\') {
                    continue;
                }
            }
            length += line.len() as u64;
            if length > LONGEST {
                return Err(self.broken("the statement is longer than a gigabyte"));
            }
            if let Some(statement) = lexer.feed(&line) {
                return Ok(Some(statement));
            }
        }
    }

    fn take_in(&mut self, statement: &[Token], wanted: &impl Fn(&str) -> bool) -> Result<(), Failure> {
        let is = |token: &Token, word: &str| matches!(token, Token::Word(found) if found.eq_ignore_ascii_case(word));
        match statement {
            [create, table, rest @ ..] if is(create, "CREATE") && is(table, "TABLE") => {
                let (schema, table, rest) = self.name(rest)?;
                // Without a list it is made like another one; what has no columns of its own is passed over.
                if let [Token::Sign('('), rest @ ..] = rest
                    && wanted(&table)
                {
                    let columns = list(rest).0.into_iter().filter_map(column).collect();
                    self.waiting.push_back(Said::Table { schema, table, columns });
                }
            }
            [copy, rest @ ..] if is(copy, "COPY") => {
                let (_, table, rest) = self.name(rest)?;
                let [Token::Sign('('), rest @ ..] = rest else {
                    return Err(
                        self.broken(format!("the rows of table {table} come without the names of columns"))
                    );
                };
                let columns: Vec<_> = list(rest).0.into_iter().filter_map(word).collect();
                self.copying = Some((table.clone(), columns.len()));
                if wanted(&table) {
                    self.waiting.push_back(Said::Into { table, columns });
                }
            }
            [insert, into, rest @ ..] if is(insert, "INSERT") && is(into, "INTO") => {
                let (_, table, rest) = self.name(rest)?;
                if wanted(&table) {
                    self.insert(table, rest)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A table's name with its schema, or an empty one, and what follows it.
    fn name<'a>(&self, tokens: &'a [Token]) -> Result<(String, String, &'a [Token]), Failure> {
        match tokens {
            [Token::Word(schema), Token::Sign('.'), Token::Word(table), rest @ ..] => {
                Ok((schema.clone(), table.clone(), rest))
            }
            [Token::Word(table), rest @ ..] => Ok((String::new(), table.clone(), rest)),
            _ => Err(self.broken("the name of a table was expected")),
        }
    }

    /// `[(columns)] ... VALUES (...), (...)`, after the table's name.
    fn insert(&mut self, table: String, mut rest: &[Token]) -> Result<(), Failure> {
        let mut columns = Vec::new();
        if let [Token::Sign('('), names @ ..] = rest {
            let (names, after) = list(names);
            columns = names.into_iter().filter_map(word).collect();
            rest = after;
        }
        self.waiting.push_back(Said::Into { table, columns });
        while let [token, after @ ..] = rest {
            rest = after;
            if *token == Token::Sign('(') {
                let (values, after) = list(rest);
                let values = values.into_iter().map(|value| self.value(value)).collect::<Result<_, _>>()?;
                self.waiting.push_back(Said::Row(values));
                rest = after;
            }
        }
        Ok(())
    }

    fn value(&self, tokens: &[Token]) -> Result<Option<String>, Failure> {
        match tokens {
            [Token::Word(word)] if word == "NULL" || word == "DEFAULT" => Ok(None),
            [Token::Word(text) | Token::Text(text)] => Ok(Some(text.clone())),
            _ => Err(self.broken(format!("{tokens:?} is not a value"))),
        }
    }
}

fn word(part: &[Token]) -> Option<String> {
    match part {
        [Token::Word(word)] => Some(word.clone()),
        _ => None,
    }
}

/// A column of `CREATE TABLE`; none where a part of its list is a constraint.
fn column(part: &[Token]) -> Option<(String, Type)> {
    let [Token::Word(name), Token::Word(kind), ..] = part else { return None };
    let kind = match kind.as_str() {
        _ if ["CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "EXCLUDE", "LIKE"].contains(&name.as_str()) => {
            return None;
        }
        "smallint" | "integer" | "bigint" => Type::Integer,
        "real" | "double" | "numeric" => Type::Real,
        "boolean" => Type::Boolean,
        _ => Type::Text,
    };
    Some((name.clone(), kind))
}
