//! Thrift's compact protocol, written: structs with their fields in order, and lists.

const INT32: u8 = 5;
const INT64: u8 = 6;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

pub fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Small numbers of either sign become small numbers.
fn zigzag(out: &mut Vec<u8>, value: i64) {
    varint(out, ((value << 1) ^ (value >> 63)) as u64);
}

fn text(out: &mut Vec<u8>, text: &str) {
    varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// A struct; its fields are put in ascending order.
pub struct Struct {
    out: Vec<u8>,
    last: u8,
}

impl Struct {
    pub fn new() -> Self {
        Self { out: Vec::new(), last: 0 }
    }

    /// Field numbers here are all below 16, so that the step from one to the next fits the byte.
    fn field(&mut self, id: u8, kind: u8) -> &mut Vec<u8> {
        self.out.push(((id - self.last) << 4) | kind);
        self.last = id;
        &mut self.out
    }

    pub fn int32(&mut self, id: u8, value: i64) -> &mut Self {
        zigzag(self.field(id, INT32), value);
        self
    }

    pub fn int64(&mut self, id: u8, value: i64) -> &mut Self {
        zigzag(self.field(id, INT64), value);
        self
    }

    pub fn text(&mut self, id: u8, value: &str) -> &mut Self {
        text(self.field(id, BINARY), value);
        self
    }

    pub fn structure(&mut self, id: u8, value: Self) -> &mut Self {
        let bytes = value.end();
        self.field(id, STRUCT).extend_from_slice(&bytes);
        self
    }

    pub fn list(&mut self, id: u8, value: List) -> &mut Self {
        let bytes = value.end();
        self.field(id, LIST).extend_from_slice(&bytes);
        self
    }

    pub fn end(mut self) -> Vec<u8> {
        self.out.push(0);
        self.out
    }
}

/// A list of values of one kind.
pub struct List {
    kind: u8,
    length: usize,
    out: Vec<u8>,
}

impl List {
    pub fn of_structs() -> Self {
        Self { kind: STRUCT, length: 0, out: Vec::new() }
    }

    pub fn of_ints(values: &[i64]) -> Self {
        let mut out = Vec::new();
        values.iter().for_each(|value| zigzag(&mut out, *value));
        Self { kind: INT32, length: values.len(), out }
    }

    pub fn of_texts(values: &[&str]) -> Self {
        let mut out = Vec::new();
        values.iter().for_each(|value| text(&mut out, value));
        Self { kind: BINARY, length: values.len(), out }
    }

    pub fn add(&mut self, value: Struct) {
        self.out.extend(value.end());
        self.length += 1;
    }

    fn end(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.out.len() + 4);
        match u8::try_from(self.length) {
            Ok(length) if length < 15 => out.push((length << 4) | self.kind),
            _ => {
                out.push(0xf0 | self.kind);
                varint(&mut out, self.length as u64);
            }
        }
        out.extend(self.out);
        out
    }
}
