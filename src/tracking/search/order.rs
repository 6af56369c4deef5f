//! One `order_by` clause: a name, then perhaps ASC or DESC.

use super::lexer::{self, Kind, Token};
use crate::kernel::error::{Error, Result};

/// Splits a clause into its name as written and whether it ascends.
pub fn parse(clause: &str) -> Result<(String, bool)> {
    let unparsed = || Error::invalid(format!("Invalid order_by clause '{clause}'. Could not be parsed."));
    match lexer::tokens(clause).as_slice() {
        [Token { kind: Kind::Name | Kind::Text(_), raw }] => Ok((raw.clone(), true)),
        [Token { kind: Kind::Name | Kind::Text(_), raw }, Token { kind: Kind::Name, raw: direction }] => {
            match direction.to_ascii_lowercase().as_str() {
                "asc" => Ok((raw.clone(), true)),
                "desc" => Ok((raw.clone(), false)),
                _ => Err(Error::invalid(format!("Invalid ordering key in order_by clause '{clause}'."))),
            }
        }
        _ => Err(unparsed()),
    }
}
