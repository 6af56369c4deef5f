//! From the words of a GraphQL document to its operations and fragments.

use super::{
    Outcome,
    lexer::{self, Token},
};
use serde_json::Value;

/// Brackets within brackets; no query that is answered has more than a few.
const DEEPEST: usize = 100;

#[derive(Debug, Default)]
pub struct Document {
    pub operations: Vec<Operation>,
    pub fragments: Vec<Fragment>,
}

#[derive(Debug)]
pub struct Operation {
    pub kind: Kind,
    pub name: Option<String>,
    pub variables: Vec<Variable>,
    pub selections: Vec<Selection>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Query,
    Mutation,
}

#[derive(Debug)]
pub struct Variable {
    pub name: String,
    /// As it was declared, with its `!`.
    pub of: String,
    pub default: Option<Input>,
}

#[derive(Debug)]
pub struct Fragment {
    pub name: String,
    pub selections: Vec<Selection>,
}

#[derive(Debug)]
pub enum Selection {
    Field(Field),
    Spread(String, Vec<Directive>),
    Inline(Vec<Selection>, Vec<Directive>),
}

#[derive(Debug)]
pub struct Field {
    pub alias: Option<String>,
    pub name: String,
    pub arguments: Vec<(String, Input)>,
    pub directives: Vec<Directive>,
    pub selections: Vec<Selection>,
}

#[derive(Debug)]
pub struct Directive {
    pub name: String,
    pub arguments: Vec<(String, Input)>,
}

/// A value as it was written, variables unresolved.
#[derive(Clone, Debug)]
pub enum Input {
    Value(Value),
    Variable(String),
    List(Vec<Input>),
    Object(Vec<(String, Input)>),
}

pub fn document(text: &str) -> Outcome<Document> {
    let mut parser = Parser { tokens: lexer::tokens(text)?.into_iter().peekable(), depth: 0 };
    let mut document = Document::default();
    loop {
        match parser.tokens.peek() {
            Some(Token::Name(word)) if word == "fragment" => document.fragments.push(parser.fragment()?),
            Some(_) => document.operations.push(parser.operation()?),
            None if document.operations.is_empty() => {
                return Err("Syntax Error: Unexpected <EOF>.".into());
            }
            None => return Ok(document),
        }
    }
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    depth: usize,
}

impl Parser {
    fn unexpected(found: Option<&Token>) -> String {
        let found = found.map_or_else(|| "<EOF>".to_owned(), Token::shown);
        format!("Syntax Error: Unexpected {found}.")
    }

    /// Takes this mark if it comes next.
    fn takes(&mut self, mark: char) -> bool {
        self.tokens.next_if_eq(&Token::Mark(mark)).is_some()
    }

    fn needs(&mut self, mark: char) -> Outcome<()> {
        if self.takes(mark) { Ok(()) } else { Err(Self::unexpected(self.tokens.peek())) }
    }

    fn name(&mut self) -> Outcome<String> {
        match self.tokens.next() {
            Some(Token::Name(name)) => Ok(name),
            other => Err(Self::unexpected(other.as_ref())),
        }
    }

    fn operation(&mut self) -> Outcome<Operation> {
        let mut operation =
            Operation { kind: Kind::Query, name: None, variables: Vec::new(), selections: Vec::new() };
        if self.tokens.peek() != Some(&Token::Mark('{')) {
            operation.kind = match self.name()?.as_str() {
                "query" => Kind::Query,
                "mutation" => Kind::Mutation,
                other => return Err(format!("Syntax Error: Unexpected Name '{other}'.")),
            };
            if matches!(self.tokens.peek(), Some(Token::Name(_))) {
                operation.name = Some(self.name()?);
            }
            if self.takes('(') {
                while !self.takes(')') {
                    operation.variables.push(self.variable()?);
                }
            }
            self.directives()?;
        }
        operation.selections = self.selections()?;
        Ok(operation)
    }

    fn variable(&mut self) -> Outcome<Variable> {
        self.needs('$')?;
        let name = self.name()?;
        self.needs(':')?;
        let of = self.declared_type()?;
        let default = if self.takes('=') { Some(self.input()?) } else { None };
        self.directives()?;
        Ok(Variable { name, of, default })
    }

    fn declared_type(&mut self) -> Outcome<String> {
        self.deeper(|parser| {
            let inner = if parser.takes('[') {
                let inner = parser.declared_type()?;
                parser.needs(']')?;
                format!("[{inner}]")
            } else {
                parser.name()?
            };
            Ok(if parser.takes('!') { format!("{inner}!") } else { inner })
        })
    }

    fn fragment(&mut self) -> Outcome<Fragment> {
        self.name()?;
        let name = self.name()?;
        self.type_condition()?;
        self.directives()?;
        Ok(Fragment { name, selections: self.selections()? })
    }

    /// `on Type`: what the type is follows from where the fragment stands, for there are no interfaces.
    fn type_condition(&mut self) -> Outcome<()> {
        match self.name()?.as_str() {
            "on" => self.name().map(drop),
            other => Err(format!("Syntax Error: Expected 'on', found Name '{other}'.")),
        }
    }

    fn selections(&mut self) -> Outcome<Vec<Selection>> {
        self.deeper(|parser| {
            parser.needs('{')?;
            let mut out = Vec::new();
            while !parser.takes('}') {
                out.push(parser.selection()?);
            }
            if out.is_empty() { Err("Syntax Error: Expected Name, found '}'.".into()) } else { Ok(out) }
        })
    }

    fn selection(&mut self) -> Outcome<Selection> {
        if !self.takes('.') {
            return self.field().map(Selection::Field);
        }
        if let Some(Token::Name(word)) = self.tokens.peek()
            && word != "on"
        {
            let name = self.name()?;
            return Ok(Selection::Spread(name, self.directives()?));
        }
        if matches!(self.tokens.peek(), Some(Token::Name(_))) {
            self.type_condition()?;
        }
        let directives = self.directives()?;
        Ok(Selection::Inline(self.selections()?, directives))
    }

    fn field(&mut self) -> Outcome<Field> {
        let mut name = self.name()?;
        let mut alias = None;
        if self.takes(':') {
            alias = Some(std::mem::replace(&mut name, self.name()?));
        }
        let arguments = self.arguments()?;
        let directives = self.directives()?;
        let nested = self.tokens.peek() == Some(&Token::Mark('{'));
        let selections = if nested { self.selections()? } else { Vec::new() };
        Ok(Field { alias, name, arguments, directives, selections })
    }

    fn arguments(&mut self) -> Outcome<Vec<(String, Input)>> {
        if self.takes('(') { self.pairs(')') } else { Ok(Vec::new()) }
    }

    fn pairs(&mut self, end: char) -> Outcome<Vec<(String, Input)>> {
        let mut out = Vec::new();
        while !self.takes(end) {
            let name = self.name()?;
            self.needs(':')?;
            out.push((name, self.input()?));
        }
        Ok(out)
    }

    fn directives(&mut self) -> Outcome<Vec<Directive>> {
        let mut out = Vec::new();
        while self.takes('@') {
            out.push(Directive { name: self.name()?, arguments: self.arguments()? });
        }
        Ok(out)
    }

    fn input(&mut self) -> Outcome<Input> {
        self.deeper(|parser| match parser.tokens.next() {
            Some(Token::Mark('$')) => Ok(Input::Variable(parser.name()?)),
            Some(Token::Mark('{')) => Ok(Input::Object(parser.pairs('}')?)),
            Some(Token::Mark('[')) => {
                let mut items = Vec::new();
                while !parser.takes(']') {
                    items.push(parser.input()?);
                }
                Ok(Input::List(items))
            }
            Some(Token::Text(text)) => Ok(Input::Value(text.into())),
            Some(Token::Number(number)) => {
                let read = serde_json::from_str(&number);
                read.map(Input::Value).map_err(|_| format!("Syntax Error: Invalid number {number}."))
            }
            Some(Token::Name(word)) => Ok(Input::Value(match word.as_str() {
                "true" => true.into(),
                "false" => false.into(),
                "null" => Value::Null,
                // The name of an enumeration's value.
                _ => word.into(),
            })),
            other => Err(Self::unexpected(other.as_ref())),
        })
    }

    /// Bounds how deep this calls itself.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("Syntax Error: Document is nested too deeply.".into());
        }
        let out = read(self);
        self.depth -= 1;
        out
    }
}
