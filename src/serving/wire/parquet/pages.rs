//! The pages of a column: unpacked, levels and indices read, values made.

use super::{broken, schema::Leaf, snappy, thrift};
use crate::kernel::error::Result;
use ruzstd::decoding::StreamingDecoder;
use serde_json::{Number, Value};
use std::io::Read;
use thrift::Node;

/// The largest page: writers make them of a megabyte.
const MOST_PAGE: usize = 256 << 20;

/// What a column holds: for each place how often it repeats and how much of it is there, and the values themselves,
/// of the places that have one.
#[derive(Default)]
pub struct Entries {
    pub repeats: Vec<u32>,
    pub depths: Vec<u32>,
    pub values: Vec<Value>,
}

impl Entries {
    pub fn extend(&mut self, more: Self) {
        self.repeats.extend(more.repeats);
        self.depths.extend(more.depths);
        self.values.extend(more.values);
    }
}

/// All of one column in one group of rows, at most `room` places.
pub fn chunk(bytes: &[u8], chunk: &Node, column: &Leaf, room: usize) -> Result<Entries> {
    let bad = || broken(&format!("column {} is broken", column.name));
    let codec = chunk.int(4).unwrap_or(0);
    let offset = |field| chunk.int(field).and_then(|at| usize::try_from(at).ok()).filter(|at| *at > 0);
    let mut at = offset(11).into_iter().chain(offset(9)).min().ok_or_else(bad)?;
    let wanted = chunk.int(5).and_then(|count| usize::try_from(count).ok()).ok_or_else(bad)?;
    if wanted > room {
        return Err(bad());
    }
    let (mut dictionary, mut found): (Vec<Value>, Entries) = (Vec::new(), Entries::default());
    while found.depths.len() < wanted {
        let (header, length) = thrift::read(bytes.get(at..).ok_or_else(bad)?).ok_or_else(bad)?;
        let size = |field| header.int(field).and_then(|size| usize::try_from(size).ok()).ok_or_else(bad);
        let (whole, packed) = (size(2)?, size(3)?);
        let start = at + length;
        let end = start.checked_add(packed).ok_or_else(bad)?;
        let page = Page { body: bytes.get(start..end).ok_or_else(bad)?, whole, codec, column };
        at = end;
        let left = wanted - found.depths.len();
        match (header.int(1), header.get(5), header.get(7), header.get(8)) {
            (Some(0), Some(head), _, _) => found.extend(page.first(head, &dictionary, left)?),
            (Some(2), _, Some(head), _) => dictionary = page.dictionary(head)?,
            (Some(3), _, _, Some(head)) => found.extend(page.second(head, &dictionary, left)?),
            // An index of pages, which a reader of all of them has no need of.
            (Some(1), ..) => {}
            _ => return Err(bad()),
        }
    }
    Ok(found)
}

struct Page<'a> {
    body: &'a [u8],
    /// Its length before it was packed.
    whole: usize,
    codec: i64,
    column: &'a Leaf,
}

impl Page<'_> {
    fn bad(&self) -> crate::kernel::error::Error {
        broken(&format!("column {} is broken", self.column.name))
    }

    fn unpack(&self, body: &[u8], size: usize) -> Result<Vec<u8>> {
        if size > MOST_PAGE {
            return Err(self.bad());
        }
        match self.codec {
            0 => Ok(body.to_vec()),
            1 => snappy::unpack(body, size).ok_or_else(|| self.bad()),
            2 => {
                let mut out = Vec::new();
                let read = flate2::read::MultiGzDecoder::new(body).take(size as u64).read_to_end(&mut out);
                read.map(|_| out).map_err(|_| self.bad())
            }
            6 => {
                let mut out = Vec::new();
                let decoder = StreamingDecoder::new(body).map_err(|_| self.bad())?;
                decoder.take(size as u64).read_to_end(&mut out).map_err(|_| self.bad())?;
                Ok(out)
            }
            other => {
                let names = [(3, "LZO"), (4, "Brotli"), (5, "LZ4"), (7, "LZ4")];
                let name =
                    names.iter().find(|(codec, _)| *codec == other).map_or("something", |(_, name)| name);
                Err(broken(&format!(
                    "column {} is packed with {name}; write it with compression=\"zstd\", \"snappy\" or none",
                    self.column.name
                )))
            }
        }
    }

    fn dictionary(&self, head: &Node) -> Result<Vec<Value>> {
        let count = head.int(1).and_then(|count| usize::try_from(count).ok()).ok_or_else(|| self.bad())?;
        self.plain(&self.unpack(self.body, self.whole)?, count)
    }

    /// A page of the first version: levels and values are packed together.
    fn first(&self, head: &Node, dictionary: &[Value], left: usize) -> Result<Entries> {
        let count = self.count(head, left)?;
        let body = self.unpack(self.body, self.whole)?;
        let (repeats, rest) = self.told(&body, self.column.most_repeats, count)?;
        let (depths, rest) = self.told(rest, self.column.most_depth, count)?;
        let values = self.values(rest, head.int(2), &depths, dictionary)?;
        Ok(Entries { repeats, depths, values })
    }

    /// Levels behind their length, and what follows them; where there is one level alone, nothing is written of it.
    fn told<'b>(&self, body: &'b [u8], most: u32, count: usize) -> Result<(Vec<u32>, &'b [u8])> {
        if most == 0 {
            return Ok((vec![0; count], body));
        }
        let (length, rest) = body.split_first_chunk::<4>().ok_or_else(|| self.bad())?;
        let length = u32::from_le_bytes(*length) as usize;
        let (levels, rest) = rest.split_at_checked(length).ok_or_else(|| self.bad())?;
        Ok((self.levels(levels, most, count)?, rest))
    }

    fn levels(&self, packed: &[u8], most: u32, count: usize) -> Result<Vec<u32>> {
        if most == 0 {
            return Ok(vec![0; count]);
        }
        let width = (u32::BITS - most.leading_zeros()) as usize;
        let found = hybrid(packed, width, count).ok_or_else(|| self.bad())?;
        match found.iter().all(|level| *level <= most) {
            true => Ok(found),
            false => Err(self.bad()),
        }
    }

    /// A page of the second version: the levels are apart and never packed.
    fn second(&self, head: &Node, dictionary: &[Value], left: usize) -> Result<Entries> {
        let count = self.count(head, left)?;
        let length = |field| head.int(field).and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        let (deep, repeated) = (length(5), length(6));
        let (before, rest) =
            self.body.split_at_checked(deep.saturating_add(repeated)).ok_or_else(|| self.bad())?;
        let repeats = self.levels(&before[..repeated], self.column.most_repeats, count)?;
        let depths = self.levels(&before[repeated..], self.column.most_depth, count)?;
        let packed = head.flag(7).unwrap_or(true);
        let size = self.whole.checked_sub(before.len()).ok_or_else(|| self.bad())?;
        let body = if packed && !rest.is_empty() { self.unpack(rest, size)? } else { rest.to_vec() };
        let values = self.values(&body, head.int(4), &depths, dictionary)?;
        Ok(Entries { repeats, depths, values })
    }

    fn count(&self, head: &Node, left: usize) -> Result<usize> {
        let count = head.int(1).and_then(|count| usize::try_from(count).ok());
        count.filter(|count| *count <= left && *count > 0).ok_or_else(|| self.bad())
    }

    fn values(
        &self,
        body: &[u8],
        encoding: Option<i64>,
        depths: &[u32],
        dictionary: &[Value],
    ) -> Result<Vec<Value>> {
        let there = depths.iter().filter(|depth| **depth == self.column.most_depth).count();
        match encoding {
            Some(0) => self.plain(body, there),
            Some(2 | 8) => self.indexed(body, there, dictionary),
            Some(3) if self.column.kind == 0 => {
                let bits = body.get(4..).and_then(|body| hybrid(body, 1, there)).ok_or_else(|| self.bad())?;
                Ok(bits.into_iter().map(|bit| Value::Bool(bit == 1)).collect())
            }
            _ => Err(broken(&format!(
                "column {} is encoded in a way that is not read here; write it with use_dictionary or plain",
                self.column.name
            ))),
        }
    }

    fn indexed(&self, body: &[u8], count: usize, dictionary: &[Value]) -> Result<Vec<Value>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let (width, rest) =
            body.split_first().filter(|(width, _)| **width <= 32).ok_or_else(|| self.bad())?;
        let places = hybrid(rest, usize::from(*width), count).ok_or_else(|| self.bad())?;
        let value = |place: u32| dictionary.get(place as usize).cloned().ok_or_else(|| self.bad());
        places.into_iter().map(value).collect()
    }

    fn plain(&self, body: &[u8], count: usize) -> Result<Vec<Value>> {
        let float = |value: f64| Number::from_f64(value).map_or(Value::Null, Value::Number);
        let found: Option<Vec<Value>> = match self.column.kind {
            0 => (0..count).map(|at| Some(Value::Bool(body.get(at / 8)? >> (at % 8) & 1 == 1))).collect(),
            1 => fixed(body, count, |bytes| i64::from(i32::from_le_bytes(bytes)).into()),
            2 => fixed(body, count, |bytes| i64::from_le_bytes(bytes).into()),
            4 => fixed(body, count, |bytes| float(f64::from(f32::from_le_bytes(bytes)))),
            5 => fixed(body, count, |bytes| float(f64::from_le_bytes(bytes))),
            6 => texts(body, count),
            _ => {
                let name = &self.column.name;
                return Err(broken(&format!("column {name} is of a type that is not read here")));
            }
        };
        found.ok_or_else(|| self.bad())
    }
}

fn fixed<const N: usize>(body: &[u8], count: usize, value: impl Fn([u8; N]) -> Value) -> Option<Vec<Value>> {
    let end = count.checked_mul(N)?;
    let chunks = body.get(..end)?.chunks_exact(N);
    chunks.map(|chunk| chunk.try_into().ok().map(&value)).collect()
}

fn texts(mut body: &[u8], count: usize) -> Option<Vec<Value>> {
    let mut found = Vec::new();
    for _ in 0..count {
        let (length, rest) = body.split_first_chunk::<4>()?;
        let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        found.push(std::str::from_utf8(text).ok()?.into());
        body = rest;
    }
    Some(found)
}

/// Parquet's mix of runs and packed bits.
fn hybrid(bytes: &[u8], width: usize, count: usize) -> Option<Vec<u32>> {
    let mut found = Vec::new();
    let mut at = 0;
    while found.len() < count {
        let (mut head, mut shift) = (0u64, 0);
        loop {
            let byte = *bytes.get(at)?;
            at += 1;
            head |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
            if shift > 56 {
                return None;
            }
        }
        let left = count - found.len();
        let times = usize::try_from(head >> 1).ok()?;
        if head & 1 == 0 {
            let wide = width.div_ceil(8);
            let value = bytes
                .get(at..at + wide)?
                .iter()
                .rev()
                .fold(0u32, |value, byte| value << 8 | u32::from(*byte));
            at += wide;
            if times == 0 {
                return None;
            }
            found.extend(std::iter::repeat_n(value, times.min(left)));
        } else {
            let length = times.checked_mul(width)?;
            let end = at.checked_add(length)?.min(bytes.len());
            let packed = bytes.get(at..end)?;
            let held = (packed.len() * 8).checked_div(width).unwrap_or(left);
            let many = times.checked_mul(8)?.min(left).min(held);
            if many == 0 {
                return None;
            }
            found.extend((0..many).map(|index| bits(packed, index * width, width)));
            at = end;
        }
    }
    Some(found)
}

/// `width` bits from a place on, the lowest first.
fn bits(bytes: &[u8], from: usize, width: usize) -> u32 {
    let bit = |at: usize| u32::from(bytes.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1));
    (0..width).fold(0, |value, at| value | bit(from + at) << at)
}
