//! Flat Parquet files as tables: what pandas, Polars and Arrow write without asking for more. Read here
//! by hand, since a whole reader would cost megabytes of binary for one kind of task. Nested columns,
//! and codecs other than Snappy and gzip, are refused by name. Written by hand too, in `write`.

mod compact;
mod pages;
mod snappy;
mod thrift;
pub mod write;

use crate::{
    kernel::error::{Error, Result},
    serving::doors::scoring::payload::Frame,
};
use serde_json::Value;
use thrift::Node;

const MAGIC: &[u8] = b"PAR1";
/// pandas keeps an index that is more than a count in a column of this name.
const INDEX: &str = "__index_level_0__";

/// A column of the file.
struct Column {
    name: String,
    kind: i64,
    optional: bool,
}

fn broken(why: &str) -> Error {
    Error::invalid(format!("The Parquet file cannot be read: {why}."))
}

/// Reads a table of at most so many cells.
pub fn read(bytes: &[u8], most: usize) -> Result<Frame> {
    let footer = footer(bytes)?;
    let columns = columns(&footer)?;
    let rows =
        footer.int(3).and_then(|rows| usize::try_from(rows).ok()).ok_or_else(|| broken("it has no rows"))?;
    if rows.saturating_mul(columns.len()) > most {
        return Err(broken("it has more cells than are read into memory"));
    }
    let mut frame = Frame { names: Some(Vec::new()), columns: Vec::new(), rows };
    for (at, column) in columns.iter().enumerate().filter(|(_, column)| column.name != INDEX) {
        let mut values: Vec<Value> = Vec::new();
        for group in footer.list(4) {
            let chunk = group.list(1).get(at).and_then(|chunk| chunk.get(3));
            let chunk = chunk.ok_or_else(|| broken("a column is missing in a group of rows"))?;
            let room = rows - values.len().min(rows);
            values.extend(pages::chunk(bytes, chunk, column, room)?);
        }
        if values.len() != rows {
            return Err(broken(&format!(
                "column {} has {} values for {rows} rows",
                column.name,
                values.len()
            )));
        }
        frame.names.get_or_insert_default().push(column.name.clone());
        frame.columns.push(values);
    }
    Ok(frame)
}

fn footer(bytes: &[u8]) -> Result<Node> {
    let body = bytes.strip_prefix(MAGIC).and_then(|rest| rest.strip_suffix(MAGIC));
    let body = body.ok_or_else(|| broken("it does not begin and end as one"))?;
    let (rest, length) = body.split_last_chunk::<4>().ok_or_else(|| broken("it has no footer"))?;
    let length = u32::from_le_bytes(*length) as usize;
    let start = rest.len().checked_sub(length).ok_or_else(|| broken("its footer is longer than it"))?;
    thrift::read(&rest[start..]).map(|(node, _)| node).ok_or_else(|| broken("its footer is broken"))
}

fn columns(footer: &Node) -> Result<Vec<Column>> {
    let schema = footer.list(2);
    let mut found = Vec::new();
    for element in schema.iter().skip(1) {
        let name = element.text(4).ok_or_else(|| broken("a column has no name"))?;
        let (nested, repeated) = (element.int(5).unwrap_or(0) > 0, element.int(3) == Some(2));
        if nested || repeated {
            return Err(broken(&format!("column {name} is nested, and only flat tables are read")));
        }
        let kind = element.int(1).ok_or_else(|| broken("a column has no type"))?;
        found.push(Column { name, kind, optional: element.int(3) == Some(1) });
    }
    match found.is_empty() {
        true => Err(broken("it has no columns")),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};
    use serde_json::json;

    fn read(bytes: &[u8]) -> super::Result<super::Frame> {
        super::read(bytes, 12)
    }

    #[test]
    fn what_pandas_writes_is_read_and_what_is_cut_is_refused() {
        let bytes = BASE64_STANDARD.decode(include_str!("small.b64").trim()).expect("base64");
        let frame = read(&bytes).expect("a table");
        assert_eq!(frame.names.as_deref(), Some(&["n", "x", "word", "yes"].map(String::from)[..]));
        assert_eq!(frame.rows, 3);
        assert_eq!(frame.columns[0], [json!(1), json!(-2), json!(3)]);
        assert_eq!(frame.columns[1], [json!(0.5), json!(null), json!(1.5)]);
        assert_eq!(frame.columns[2], [json!("a"), json!("ü"), json!("a")]);
        assert_eq!(frame.columns[3], [json!(true), json!(false), json!(true)]);
        super::read(&bytes, 11).expect_err("twelve cells are more than eleven");
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).is_err(), "cut at {end}");
        }
        // Whatever byte is wrong, an answer comes: an error, or another table.
        for at in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[at] ^= 0xff;
            let _ = read(&wrong);
        }
    }
}
