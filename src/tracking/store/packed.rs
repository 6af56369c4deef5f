//! Points of metrics, packed: a point is mostly its value, as time and step differ little from those of
//! the point before. A batch is what one call logged, in its order and with keys; a block is a piece of
//! one metric's history.

use crate::{
    kernel::error::{Error, Result},
    tracking::model::Point,
};
use std::cmp::Ordering;

/// What one call logged, as it is written.
#[derive(Default)]
pub struct Writer {
    bytes: Vec<u8>,
    before: (i64, i64),
}

impl Writer {
    pub fn keyed(&mut self, key: i64, point: &Point) {
        varint(&mut self.bytes, key as u64);
        self.push(point);
    }

    pub fn push(&mut self, point: &Point) {
        let (timestamp, step) = self.before;
        varint(&mut self.bytes, zigzag(point.timestamp.wrapping_sub(timestamp)));
        varint(&mut self.bytes, zigzag(point.step.wrapping_sub(step)));
        self.bytes.extend_from_slice(&point.value.to_le_bytes());
        self.before = (point.timestamp, point.step);
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Packed points, as they are read.
pub struct Reader<'a> {
    bytes: &'a [u8],
    before: (i64, i64),
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, before: (0, 0) }
    }

    /// The next point of a batch, with its key.
    pub fn keyed(&mut self) -> Result<Option<(i64, Point)>> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let key = self.varint()? as i64;
        Ok(self.next()?.map(|point| (key, point)))
    }

    /// The next point of a block.
    pub fn next(&mut self) -> Result<Option<Point>> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let timestamp = self.before.0.wrapping_add(unzigzag(self.varint()?));
        let step = self.before.1.wrapping_add(unzigzag(self.varint()?));
        let (value, rest) = self.bytes.split_first_chunk::<8>().ok_or_else(broken)?;
        self.bytes = rest;
        self.before = (timestamp, step);
        Ok(Some(Point { timestamp, step, value: f64::from_le_bytes(*value) }))
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.bytes.split_first().ok_or_else(broken)?;
            self.bytes = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(broken())
    }
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

fn broken() -> Error {
    Error::internal("a packed history of a metric ends in the middle of a point")
}

/// By time, step and value; NaN has the place of 0, behind it.
pub fn order(a: &Point, b: &Point) -> Ordering {
    let value = |point: &Point| if point.value.is_nan() { 0.0 } else { point.value };
    (a.timestamp, a.step)
        .cmp(&(b.timestamp, b.step))
        .then_with(|| value(a).partial_cmp(&value(b)).unwrap_or(Ordering::Equal))
        .then_with(|| a.value.is_nan().cmp(&b.value.is_nan()))
}

/// Puts points in order, each once: a client that retries logs some twice.
pub fn settle(points: &mut Vec<Point>) {
    if points.is_sorted_by(|a, b| order(a, b) == Ordering::Less) {
        return;
    }
    points.sort_by(order);
    points.dedup_by(|a, b| order(a, b) == Ordering::Equal);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points() -> Vec<Point> {
        let values = [0.5, f64::NAN, f64::INFINITY, -0.0, f64::MIN_POSITIVE];
        let at = [(0, 0), (5, -3), (i64::MAX, i64::MIN), (1, i64::MAX), (1_700_000_000_000, 7)];
        at.iter().zip(values).map(|(&(timestamp, step), value)| Point { timestamp, step, value }).collect()
    }

    #[test]
    fn what_is_packed_comes_back_bit_for_bit() {
        let (mut block, mut batch) = (Writer::default(), Writer::default());
        for (key, point) in points().iter().enumerate() {
            block.push(point);
            batch.keyed(key as i64 * 1000, point);
        }
        let (mut reader, mut keyed) = (Reader::new(block.bytes()), Reader::new(batch.bytes()));
        for (key, point) in points().iter().enumerate() {
            let found = reader.next().unwrap().unwrap();
            assert_eq!((found.timestamp, found.step), (point.timestamp, point.step));
            assert_eq!(found.value.to_bits(), point.value.to_bits());
            let (found_key, found) = keyed.keyed().unwrap().unwrap();
            assert_eq!((found_key, found.step), (key as i64 * 1000, point.step));
        }
        assert!(reader.next().unwrap().is_none() && keyed.keyed().unwrap().is_none());
        let cut = &block.bytes()[..block.bytes().len() - 1];
        let mut reader = Reader::new(cut);
        let outcome = (0..5).try_for_each(|_| reader.next().map(|_| ()));
        assert!(outcome.is_err(), "what is cut off is an error, not a point less");
    }

    #[test]
    fn points_are_in_order_and_once() {
        let at = |timestamp, step, value| Point { timestamp, step, value };
        let mut found = vec![
            at(2, 0, 1.0),
            at(1, 1, f64::NAN),
            at(1, 1, 0.0),
            at(1, 1, f64::NAN),
            at(1, 0, 9.0),
            at(2, 0, 1.0),
        ];
        settle(&mut found);
        let shown: Vec<_> = found.iter().map(|p| (p.timestamp, p.step, p.value.to_string())).collect();
        let text = |value: &str| value.to_owned();
        assert_eq!(shown, [(1, 0, text("9")), (1, 1, text("0")), (1, 1, text("NaN")), (2, 0, text("1"))]);
    }
}
