//! Thrift's compact protocol, as far as Parquet's headers need it: a tree of whatever is there.

/// Deeper or longer than any header of a file that is one.
const MAX_DEPTH: usize = 16;
const MAX_ITEMS: usize = 1 << 20;

/// A value; of a struct, its fields by number.
#[derive(Clone, Debug)]
pub enum Node {
    Bool(bool),
    Int(i64),
    Other,
    Bytes(Vec<u8>),
    List(Vec<Node>),
    Struct(Vec<(i64, Node)>),
}

impl Node {
    pub fn get(&self, field: i64) -> Option<&Node> {
        match self {
            Self::Struct(fields) => fields.iter().find(|(id, _)| *id == field).map(|(_, node)| node),
            _ => None,
        }
    }

    pub fn int(&self, field: i64) -> Option<i64> {
        match self.get(field)? {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    pub fn flag(&self, field: i64) -> Option<bool> {
        match self.get(field)? {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub fn text(&self, field: i64) -> Option<String> {
        match self.get(field)? {
            Self::Bytes(bytes) => String::from_utf8(bytes.clone()).ok(),
            _ => None,
        }
    }

    pub fn list(&self, field: i64) -> &[Node] {
        match self.get(field) {
            Some(Self::List(items)) => items,
            _ => &[],
        }
    }
}

/// The struct at the beginning of the bytes, and how long it is.
pub fn read(bytes: &[u8]) -> Option<(Node, usize)> {
    let mut reader = Reader { bytes, at: 0, items: 0 };
    let node = reader.structure(0)?;
    Some((node, reader.at))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    items: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn structure(&mut self, depth: usize) -> Option<Node> {
        let (mut fields, mut last) = (Vec::new(), 0i64);
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(Node::Struct(fields));
            }
            last = match head >> 4 {
                0 => self.zigzag()?,
                delta => last.checked_add(i64::from(delta))?,
            };
            let node = match head & 0x0f {
                1 => Node::Bool(true),
                2 => Node::Bool(false),
                kind => self.value(kind, depth)?,
            };
            self.items += 1;
            if self.items > MAX_ITEMS {
                return None;
            }
            fields.push((last, node));
        }
    }

    fn value(&mut self, kind: u8, depth: usize) -> Option<Node> {
        if depth > MAX_DEPTH {
            return None;
        }
        Some(match kind {
            // In a list a flag is a byte of its own.
            1 | 2 => Node::Bool(self.byte()? == 1),
            3 => Node::Int(i64::from(self.byte()? as i8)),
            4..=6 => Node::Int(self.zigzag()?),
            7 => {
                self.at = self.at.checked_add(8).filter(|at| *at <= self.bytes.len())?;
                Node::Other
            }
            8 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let end = self.at.checked_add(length)?;
                let bytes = self.bytes.get(self.at..end)?.to_vec();
                self.at = end;
                Node::Bytes(bytes)
            }
            9 | 10 => self.list(depth)?,
            12 => self.structure(depth + 1)?,
            _ => return None, // maps are in none of Parquet's headers
        })
    }

    fn list(&mut self, depth: usize) -> Option<Node> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => usize::try_from(self.varint()?).ok()?,
            short => usize::from(short),
        };
        self.items = self.items.checked_add(count).filter(|items| *items <= MAX_ITEMS)?;
        (0..count).map(|_| self.value(head & 0x0f, depth + 1)).collect::<Option<_>>().map(Node::List)
    }
}
