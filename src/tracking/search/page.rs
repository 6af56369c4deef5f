//! Page tokens. A token carries the offset of the next page and, where the protocol wants it, a
//! fingerprint of the query, so that a token of another query is refused instead of misread.

use crate::kernel::error::{Error, Result};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

/// The token of the page that starts at `offset`.
pub fn encode(offset: usize) -> String {
    BASE64_STANDARD.encode(json!({ "offset": offset }).to_string())
}

/// The offset a token stands for; no token is the first page.
pub fn decode(token: &str) -> Result<usize> {
    if token.is_empty() {
        return Ok(0);
    }
    offset_in(&parsed(token)?)
}

/// A token that is good for one query only.
pub fn encode_for(offset: usize, query: &Value) -> String {
    BASE64_STANDARD.encode(json!({ "offset": offset, "query": query }).to_string())
}

/// The offset of a token made for `query`; each part of the query that differs is named.
pub fn decode_for(token: &str, query: &Value) -> Result<usize> {
    if token.is_empty() {
        return Ok(0);
    }
    let token = parsed(token)?;
    for (part, expected) in query.as_object().into_iter().flatten() {
        let found = &token["query"][part];
        if found != expected {
            return Err(Error::invalid(format!(
                "{part} in the page token does not match the requested {part}. Expected: {expected}. Found: {found}"
            )));
        }
    }
    offset_in(&token)
}

fn parsed(token: &str) -> Result<Value> {
    let bytes = BASE64_STANDARD
        .decode(token)
        .map_err(|_| Error::invalid("Invalid page token, could not base64-decode"))?;
    serde_json::from_slice(&bytes)
        .map_err(|_| Error::invalid(format!("Invalid page token, decoded value=b'{}'", bytes.escape_ascii())))
}

fn offset_in(token: &Value) -> Result<usize> {
    token
        .get("offset")
        .and_then(Value::as_u64)
        // SQLite counts offsets in signed 64 bits.
        .filter(|offset| *offset > 0 && *offset < 1 << 62)
        .and_then(|offset| usize::try_from(offset).ok())
        .ok_or_else(|| Error::invalid(format!("Invalid page token, parsed value={token}")))
}
