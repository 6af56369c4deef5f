//! Parquet files as tables: what pandas, Polars and Arrow write without asking for more. Read here by hand, since a
//! whole reader would cost megabytes of binary for one kind of task. Lists and structs become those of JSON; a column
//! packed or encoded in a way that is not known here is refused by name. Written by hand too, in `write`.

mod compact;
mod pages;
mod schema;
mod snappy;
mod thrift;
pub mod write;

use crate::{
    kernel::error::{Error, Result},
    serving::doors::scoring::payload::Frame,
};
use pages::Entries;
use schema::{Leaf, Reader, Readers, Schema};
use serde_json::Value;
use thrift::Node;

const MAGIC: &[u8] = b"PAR1";
/// pandas keeps an index that is more than a count in a column of this name.
const INDEX: &str = "__index_level_0__";

fn broken(why: &str) -> Error {
    Error::invalid(format!("The Parquet file cannot be read: {why}."))
}

/// Reads a table of at most so many cells.
pub fn read(bytes: &[u8], most: usize) -> Result<Frame> {
    let footer = footer(bytes)?;
    let schema = Schema::of(&footer)?;
    let rows =
        footer.int(3).and_then(|rows| usize::try_from(rows).ok()).ok_or_else(|| broken("it has no rows"))?;
    if rows.saturating_mul(schema.leaves.len()) > most {
        return Err(broken("it has more cells than are read into memory"));
    }
    let mut frame = Frame { names: Some(Vec::new()), columns: Vec::new(), rows };
    let mut room = most;
    for column in schema.columns.iter().filter(|column| column.name != INDEX) {
        let leaves = column.leaves();
        let first = leaves.first().copied().unwrap_or_default();
        let mut readers = Readers { first, of: Vec::new() };
        for at in leaves {
            let leaf = &schema.leaves[at];
            let entries = leaf_entries(bytes, &footer, (at, leaf), room)?;
            room -= entries.depths.len().min(room);
            readers.of.push(Reader::new(entries, leaf));
        }
        let values: Option<Vec<Value>> = (0..rows).map(|_| column.next(&mut readers)).collect();
        let values = values.filter(|_| readers.are_at_end());
        let values = values.ok_or_else(|| {
            broken(&format!(
                "column {} has another number of values than the table has rows, {rows}",
                column.name
            ))
        })?;
        frame.names.get_or_insert_default().push(column.name.clone());
        frame.columns.push(values);
    }
    Ok(frame)
}

/// What a leaf holds in all groups of rows, at most so many places.
fn leaf_entries(bytes: &[u8], footer: &Node, (at, leaf): (usize, &Leaf), room: usize) -> Result<Entries> {
    let mut found = Entries::default();
    for group in footer.list(4) {
        let chunk = group.list(1).get(at).and_then(|chunk| chunk.get(3));
        let chunk = chunk.ok_or_else(|| broken("a column is missing in a group of rows"))?;
        found.extend(pages::chunk(bytes, chunk, leaf, room - found.depths.len().min(room))?);
    }
    Ok(found)
}

fn footer(bytes: &[u8]) -> Result<Node> {
    let body = bytes.strip_prefix(MAGIC).and_then(|rest| rest.strip_suffix(MAGIC));
    let body = body.ok_or_else(|| broken("it does not begin and end as one"))?;
    let (rest, length) = body.split_last_chunk::<4>().ok_or_else(|| broken("it has no footer"))?;
    let length = u32::from_le_bytes(*length) as usize;
    let start = rest.len().checked_sub(length).ok_or_else(|| broken("its footer is longer than it"))?;
    thrift::read(&rest[start..]).map(|(node, _)| node).ok_or_else(|| broken("its footer is broken"))
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
        whatever_byte_is_wrong_an_answer_comes(&bytes);
    }

    /// An error, or another table.
    fn whatever_byte_is_wrong_an_answer_comes(bytes: &[u8]) {
        for at in 0..bytes.len() {
            let mut wrong = bytes.to_vec();
            wrong[at] ^= 0xff;
            let _ = super::read(&wrong, 1000);
        }
    }

    /// Written by pyarrow, packed with Zstandard, in two groups of rows; with pages of both versions.
    #[test]
    fn lists_and_structs_are_those_of_json() {
        for text in [include_str!("nested1.b64"), include_str!("nested2.b64")] {
            let bytes = BASE64_STANDARD.decode(text.trim()).expect("base64");
            let frame = super::read(&bytes, 1000).expect("a table");
            let names = ["n", "list", "point", "deep", "map"].map(String::from);
            assert_eq!((frame.names.as_deref(), frame.rows), (Some(&names[..]), 3));
            assert_eq!(frame.columns[0], [json!(1), json!(null), json!(3)]);
            assert_eq!(frame.columns[1], [json!([1, 2]), json!([]), json!(null)]);
            let points = [json!({"x": 0.5, "tags": ["a", "b"]}), json!(null), json!({"x": null, "tags": []})];
            assert_eq!(frame.columns[2], points);
            let deep = [json!([[{"k": "a"}], []]), json!(null), json!([[{"k": null}, {"k": "b"}]])];
            assert_eq!(frame.columns[3], deep);
            assert_eq!(frame.columns[4], [json!({"a": 1}), json!({}), json!({"b": 2, "c": 3})]);
            assert!(super::read(&bytes, 20).is_err(), "there are more places than twenty");
            whatever_byte_is_wrong_an_answer_comes(&bytes);
        }
    }
}
