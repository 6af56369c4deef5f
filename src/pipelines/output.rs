//! What a task gives to later ones: the file `$CRANNOG_OUTPUT`, a JSON object or `name=value` lines.
//!
//! In lines a value that is a JSON list or object is taken as one; everything else stays text, since
//! `1.10` may be a version.

use crate::kernel::error::Result;
use serde_json::{Map, Value};
use std::{
    io::{ErrorKind, Read},
    path::Path,
};

/// What is kept in the database and read with its run; more goes to a bucket.
pub const SMALL: usize = 256 << 10;
/// The most a task may give.
const MAX_BYTES: u64 = 64 << 20;

/// Reads the file. The inner error is the task's fault, in plain words; none means it gave nothing.
pub fn read(path: &Path) -> Result<Result<Option<Value>, String>> {
    let mut bytes = Vec::new();
    match fs_err::File::open(path) {
        Ok(file) => file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Ok(None)),
        Err(error) => return Err(error.into()),
    };
    if bytes.len() as u64 > MAX_BYTES {
        return Ok(Err(format!(
            "its output is larger than {} MiB: put results of that size into a bucket and give their address",
            MAX_BYTES >> 20
        )));
    }
    Ok(parse(&bytes))
}

fn parse(bytes: &[u8]) -> Result<Option<Value>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "its output is not UTF-8 text".to_owned())?.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if text.starts_with('{') {
        let object: Map<String, Value> = serde_json::from_str(text)
            .map_err(|error| format!("its output begins like JSON, but is not a JSON object: {error}"))?;
        return Ok(Some(Value::Object(object)));
    }
    let mut object = Map::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (name, value) = line.split_once('=').ok_or_else(|| {
            format!("its output has the line {line:.80?}, which is neither name=value nor a JSON object")
        })?;
        let value = value.trim();
        let json = value.starts_with(['[', '{']).then(|| serde_json::from_str(value).ok()).flatten();
        object.insert(name.trim().to_owned(), json.unwrap_or_else(|| value.into()));
    }
    Ok(Some(Value::Object(object)))
}

#[cfg(test)]
mod tests {
    use super::parse;
    use serde_json::json;

    #[test]
    fn lines_and_json_are_read_and_rubbish_is_named() {
        let given = b"rows=7\nversion = 1.10\nfiles=[\"a\", \"b\"]\n\nodd=[not json\nurl=http://x/?a=b\n";
        let expected = json!({"rows": "7", "version": "1.10", "files": ["a", "b"], "odd": "[not json", "url": "http://x/?a=b"});
        assert_eq!(parse(given), Ok(Some(expected)));
        assert_eq!(parse(b"{\"rows\": 7}\n"), Ok(Some(json!({"rows": 7}))));
        assert_eq!(parse(b" \n"), Ok(None));
        assert!(parse(b"{\"rows\": ").is_err_and(|why| why.contains("JSON object")));
        assert!(parse(b"just words").is_err_and(|why| why.contains("just words")));
        assert!(parse(b"\xff=1").is_err_and(|why| why.contains("UTF-8")));
    }
}
