//! Page tokens. A token names the place of the last row of its page, by the values that the rows are
//! ordered by, so that the next page starts behind it whatever came or went meanwhile. With them goes a
//! fingerprint of the query: a token of another query is refused instead of misread.

use super::sql::Bind;
use crate::{
    kernel::error::{Error, Result},
    tracking::model::Page,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Where a row stands: the value of each key of the order.
pub type Place = Vec<Bind>;

/// What a token is good for: a kind of search, and the parts of the query that must be the same for
/// every page of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    search: &'static str,
    parts: Vec<(&'static str, String)>,
}

impl Asked {
    pub fn of(search: &'static str) -> Self {
        Self { search, parts: Vec::new() }
    }

    /// Adds a part, by the name its caller knows it by.
    pub fn by(mut self, name: &'static str, value: &impl Serialize) -> Self {
        let text = serde_json::to_vec(value).unwrap_or_default();
        self.parts.push((name, hex::encode(&Sha256::digest(text)[..6])));
        self
    }

    fn check(&self, token: &Token) -> Result<()> {
        if token.search != self.search {
            return Err(Error::invalid(format!(
                "Invalid page token: it is of a search for {}, and this is one for {}",
                token.search, self.search
            )));
        }
        for (index, (name, expected)) in self.parts.iter().enumerate() {
            if token.query.get(index) != Some(expected) {
                let verb = if name.ends_with('s') { "do" } else { "does" };
                return Err(Error::invalid(format!(
                    "{name} in the page token {verb} not match the requested {}. A page token is good for the \
                     query that it was given for.",
                    lower(name)
                )));
            }
        }
        Ok(())
    }
}

/// A name as it is written inside a sentence.
fn lower(name: &str) -> String {
    let (first, rest) = name.split_at(name.chars().next().map_or(0, char::len_utf8));
    format!("{}{rest}", first.to_lowercase())
}

#[derive(Deserialize, Serialize)]
struct Token {
    search: String,
    query: Vec<String>,
    after: Place,
}

/// Which page of a query is asked for, and how long it may be.
#[derive(Clone, Debug)]
pub struct Ask {
    asked: Asked,
    pub limit: usize,
    after: Option<Place>,
}

impl Ask {
    /// The page that `token` stands for; no token is the first page.
    pub fn new(asked: Asked, limit: usize, token: &str) -> Result<Self> {
        let after = if token.is_empty() {
            None
        } else {
            let token = parsed(token)?;
            asked.check(&token)?;
            Some(token.after)
        };
        Ok(Self { asked, limit, after })
    }

    /// The place behind which the page starts, in an order of that many keys.
    pub fn after(&self, keys: usize) -> Result<Option<&[Bind]>> {
        match &self.after {
            Some(place) if place.len() != keys => Err(misfit()),
            place => Ok(place.as_deref()),
        }
    }

    /// The token of the page behind `place`.
    pub fn next(&self, place: Place) -> String {
        let query = self.asked.parts.iter().map(|(_, part)| part.clone()).collect();
        let token = Token { search: self.asked.search.to_owned(), query, after: place };
        BASE64_STANDARD.encode(serde_json::to_vec(&token).unwrap_or_default())
    }

    /// Cuts what does not belong to this page, and makes the token of the next from the last row of it.
    pub fn page<T>(&self, mut found: Vec<T>, place: impl FnOnce(&T) -> Place) -> Page<T> {
        let more = found.len() > self.limit;
        found.truncate(self.limit);
        let next = found.last().filter(|_| more).map(|last| self.next(place(last)));
        Page { items: found, next }
    }
}

/// The error for a place that is none in this order.
pub fn misfit() -> Error {
    Error::invalid("Invalid page token, it does not fit the order of the search")
}

fn parsed(token: &str) -> Result<Token> {
    let bytes = BASE64_STANDARD
        .decode(token)
        .map_err(|_| Error::invalid("Invalid page token, could not base64-decode"))?;
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|_| {
        Error::invalid(format!("Invalid page token, decoded value=b'{}'", bytes.escape_ascii()))
    })?;
    Token::deserialize(&value)
        .map_err(|_| Error::invalid(format!("Invalid page token, parsed value={value}")))
}
