//! Flat tables as Parquet files: one group of rows, a page for each column, packed with gzip. Written by hand as
//! they are read by hand: a few kinds of columns need no library.

use super::{
    MAGIC,
    compact::{List, Struct},
};
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

/// Parquet's numbers for what is used of it.
mod number {
    pub const INT32: i64 = 1;
    pub const INT64: i64 = 2;
    pub const DOUBLE: i64 = 5;
    pub const BYTE_ARRAY: i64 = 6;
    pub const REQUIRED: i64 = 0;
    pub const OPTIONAL: i64 = 1;
    pub const UTF8: i64 = 0;
    pub const TIMESTAMP_MILLIS: i64 = 9;
    pub const PLAIN: i64 = 0;
    pub const RLE: i64 = 3;
    pub const GZIP: i64 = 2;
    pub const DATA_PAGE: i64 = 0;
}

/// The values of a column.
pub enum Values {
    /// Milliseconds since 1970, UTC.
    Times(Vec<i64>),
    Integers(Vec<i32>),
    Doubles(Vec<f64>),
    Texts(Vec<String>),
    /// Texts of which some are missing.
    MaybeTexts(Vec<Option<String>>),
}

/// Where a column's page is, for the footer.
struct Chunk {
    offset: usize,
    /// With the page's header.
    packed: usize,
    plain: usize,
}

/// A file of these columns, all of one length.
pub fn write(columns: &[(&str, Values)]) -> Vec<u8> {
    let rows = columns.first().map_or(0, |(_, values)| values.len());
    let mut file = MAGIC.to_vec();
    let chunks: Vec<_> = columns.iter().map(|(_, values)| page(values, &mut file)).collect();
    let footer = footer(columns, &chunks, rows);
    file.extend_from_slice(&footer);
    file.extend_from_slice(&u32::try_from(footer.len()).unwrap_or(u32::MAX).to_le_bytes());
    file.extend_from_slice(MAGIC);
    file
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Times(values) => values.len(),
            Self::Integers(values) => values.len(),
            Self::Doubles(values) => values.len(),
            Self::Texts(values) => values.len(),
            Self::MaybeTexts(values) => values.len(),
        }
    }

    fn kind(&self) -> i64 {
        match self {
            Self::Times(_) => number::INT64,
            Self::Integers(_) => number::INT32,
            Self::Doubles(_) => number::DOUBLE,
            Self::Texts(_) | Self::MaybeTexts(_) => number::BYTE_ARRAY,
        }
    }

    /// What the numbers or bytes mean.
    fn meaning(&self) -> Option<i64> {
        match self {
            Self::Times(_) => Some(number::TIMESTAMP_MILLIS),
            Self::Texts(_) | Self::MaybeTexts(_) => Some(number::UTF8),
            _ => None,
        }
    }

    /// A page's content: which are there, where some are not, and the values.
    fn content(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Times(values) => values.iter().for_each(|value| out.extend(value.to_le_bytes())),
            Self::Integers(values) => values.iter().for_each(|value| out.extend(value.to_le_bytes())),
            Self::Doubles(values) => values.iter().for_each(|value| out.extend(value.to_le_bytes())),
            Self::Texts(values) => values.iter().for_each(|text| put_text(&mut out, text)),
            Self::MaybeTexts(values) => {
                let levels = levels(values);
                out.extend(length(levels.len()));
                out.extend(levels);
                values.iter().flatten().for_each(|text| put_text(&mut out, text));
            }
        }
        out
    }
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend(length(text.len()));
    out.extend_from_slice(text.as_bytes());
}

/// Runs of equal levels: 1 where there is a value, 0 where there is none.
fn levels(values: &[Option<String>]) -> Vec<u8> {
    let mut out = Vec::new();
    for run in values.chunk_by(|a, b| a.is_some() == b.is_some()) {
        super::compact::varint(&mut out, (run.len() as u64) << 1);
        out.push(u8::from(run[0].is_some()));
    }
    out
}

fn page(values: &Values, file: &mut Vec<u8>) -> Chunk {
    let content = values.content();
    let packed = gzip(&content);
    let mut data = Struct::new();
    data.int32(1, values.len() as i64).int32(2, number::PLAIN).int32(3, number::RLE).int32(4, number::RLE);
    let mut header = Struct::new();
    header.int32(1, number::DATA_PAGE).int32(2, content.len() as i64).int32(3, packed.len() as i64);
    header.structure(5, data);
    let (offset, header) = (file.len(), header.end());
    file.extend_from_slice(&header);
    file.extend_from_slice(&packed);
    Chunk { offset, packed: header.len() + packed.len(), plain: header.len() + content.len() }
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Neither can fail: it writes to memory.
    let _ = encoder.write_all(content);
    encoder.finish().unwrap_or_default()
}

fn footer(columns: &[(&str, Values)], chunks: &[Chunk], rows: usize) -> Vec<u8> {
    let mut schema = List::of_structs();
    let mut root = Struct::new();
    root.text(4, "schema").int32(5, columns.len() as i64);
    schema.add(root);
    for (name, values) in columns {
        let mut element = Struct::new();
        let optional = matches!(values, Values::MaybeTexts(_));
        element.int32(1, values.kind()).int32(3, if optional { number::OPTIONAL } else { number::REQUIRED });
        element.text(4, name);
        if let Some(meaning) = values.meaning() {
            element.int32(6, meaning);
        }
        schema.add(element);
    }
    let mut group = Struct::new();
    let mut list = List::of_structs();
    columns.iter().zip(chunks).for_each(|((name, values), chunk)| list.add(chunk_of(name, values, chunk)));
    let total: usize = chunks.iter().map(|chunk| chunk.plain).sum();
    group.list(1, list).int64(2, total as i64).int64(3, rows as i64);
    let mut groups = List::of_structs();
    groups.add(group);
    let mut footer = Struct::new();
    footer.int32(1, 1).list(2, schema).int64(3, rows as i64).list(4, groups).text(6, "crannog");
    footer.end()
}

fn chunk_of(name: &str, values: &Values, chunk: &Chunk) -> Struct {
    let mut about = Struct::new();
    about.int32(1, values.kind()).list(2, List::of_ints(&[number::PLAIN, number::RLE]));
    about.list(3, List::of_texts(&[name])).int32(4, number::GZIP).int64(5, values.len() as i64);
    about.int64(6, chunk.plain as i64).int64(7, chunk.packed as i64).int64(9, chunk.offset as i64);
    let mut column = Struct::new();
    column.int64(2, chunk.offset as i64).structure(3, about);
    column
}

#[cfg(test)]
mod tests {
    use super::{super::read, *};
    use serde_json::{Value, json};

    #[test]
    fn what_is_written_is_read() {
        for rows in [0usize, 1, 7, 1000] {
            let texts = |row: usize| format!("{row} ü {}", "x".repeat(row % 50));
            let maybe = |row: usize| (row % 3 != 1).then(|| texts(row));
            let columns = [
                ("n", Values::Integers((0..rows).map(|row| row as i32 - 3).collect())),
                ("x", Values::Doubles((0..rows).map(|row| row as f64 / 8.0).collect())),
                ("word", Values::Texts((0..rows).map(texts).collect())),
                ("maybe", Values::MaybeTexts((0..rows).map(maybe).collect())),
            ];
            let frame = read(&write(&columns), 1 << 20).expect("is a table");
            assert_eq!(frame.rows, rows);
            let wanted: [Vec<Value>; 4] = [
                (0..rows).map(|row| json!(row as i64 - 3)).collect(),
                (0..rows).map(|row| json!(row as f64 / 8.0)).collect(),
                (0..rows).map(|row| json!(texts(row))).collect(),
                (0..rows).map(|row| json!(maybe(row))).collect(),
            ];
            assert_eq!(frame.columns, wanted);
        }
    }
}
