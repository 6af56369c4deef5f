//! The columns of a Parquet file as a tree, and rows put together again from what its leaves hold.
//!
//! A leaf says of each place how much of its path is there (its depth) and at which of the lists above it the place
//! goes on (its repeats); from both follow the lists, the empty ones and the nulls.

use super::{broken, pages::Entries, thrift::Node};
use crate::kernel::error::Result;
use serde_json::{Map, Value};

/// Deeper than any table that somebody made.
const MAX_DEPTH: usize = 32;
/// What the format calls groups that stand for a map, by its old name and by its new one, and for a list.
const MAPS: [i64; 2] = [1, 2];
const LIST: i64 = 3;

/// A column that holds values.
pub struct Leaf {
    /// With the names above it.
    pub name: String,
    pub kind: i64,
    pub most_depth: u32,
    pub most_repeats: u32,
}

/// A column, or what it is made of.
pub struct Field {
    pub name: String,
    optional: bool,
    repeated: bool,
    is_list: bool,
    is_map: bool,
    shape: Shape,
}

enum Shape {
    /// The place among the leaves.
    Leaf(usize),
    Group(Vec<Field>),
}

/// The columns of the table, and the leaves in the order in which the file holds them.
pub struct Schema {
    pub columns: Vec<Field>,
    pub leaves: Vec<Leaf>,
}

impl Schema {
    pub fn of(footer: &Node) -> Result<Self> {
        let mut elements = footer.list(2).iter();
        let count = elements.next().and_then(|root| root.int(5)).unwrap_or(0);
        let mut leaves = Vec::new();
        let mut columns = Vec::new();
        for _ in 0..count {
            columns.push(field(&mut elements, &mut leaves, "", (0, 0), 0)?);
        }
        match columns.is_empty() {
            true => Err(broken("it has no columns")),
            false => Ok(Self { columns, leaves }),
        }
    }
}

fn field<'a>(
    elements: &mut impl Iterator<Item = &'a Node>,
    leaves: &mut Vec<Leaf>,
    above: &str,
    (depth, repeats): (u32, u32),
    level: usize,
) -> Result<Field> {
    let element = elements.next().ok_or_else(|| broken("a column is missing"))?;
    let own = element.text(4).ok_or_else(|| broken("a column has no name"))?;
    let name = if above.is_empty() { own.clone() } else { format!("{above}.{own}") };
    if level > MAX_DEPTH {
        return Err(broken(&format!("column {name} is nested too deep")));
    }
    let (optional, repeated) = (element.int(3) == Some(1), element.int(3) == Some(2));
    let here = (depth + u32::from(optional || repeated), repeats + u32::from(repeated));
    let shape = match element.int(5).unwrap_or(0) {
        0 => {
            let kind = element.int(1).ok_or_else(|| broken("a column has no type"))?;
            leaves.push(Leaf { name, kind, most_depth: here.0, most_repeats: here.1 });
            Shape::Leaf(leaves.len() - 1)
        }
        count => {
            let parts = (0..count).map(|_| field(elements, leaves, &name, here, level + 1));
            Shape::Group(parts.collect::<Result<_>>()?)
        }
    };
    let stands_for = element.int(6).unwrap_or(-1);
    let (is_list, is_map) = (stands_for == LIST, MAPS.contains(&stands_for));
    Ok(Field { name: own, optional, repeated, is_list, is_map, shape })
}

/// What a leaf holds, read from the beginning.
pub struct Reader {
    entries: Entries,
    most_depth: u32,
    at: usize,
    values: std::vec::IntoIter<Value>,
}

impl Reader {
    pub fn new(mut entries: Entries, leaf: &Leaf) -> Self {
        let values = std::mem::take(&mut entries.values).into_iter();
        Self { entries, most_depth: leaf.most_depth, at: 0, values }
    }

    fn depth(&self) -> Option<u32> {
        self.entries.depths.get(self.at).copied()
    }

    fn repeats(&self) -> Option<u32> {
        self.entries.repeats.get(self.at).copied()
    }

    fn take(&mut self) -> Option<Value> {
        let depth = self.depth()?;
        self.at += 1;
        if depth == self.most_depth { self.values.next() } else { Some(Value::Null) }
    }
}

/// Those of the leaves of one column, the first of which has that place in the file.
pub struct Readers {
    pub first: usize,
    pub of: Vec<Reader>,
}

impl Readers {
    fn get(&self, leaf: usize) -> Option<&Reader> {
        self.of.get(leaf.checked_sub(self.first)?)
    }

    fn get_mut(&mut self, leaf: usize) -> Option<&mut Reader> {
        self.of.get_mut(leaf.checked_sub(self.first)?)
    }

    pub fn are_at_end(&self) -> bool {
        self.of.iter().all(|reader| reader.depth().is_none())
    }
}

impl Field {
    /// The leaves it is made of.
    pub fn leaves(&self) -> Vec<usize> {
        match &self.shape {
            Shape::Leaf(at) => vec![*at],
            Shape::Group(parts) => parts.iter().flat_map(Self::leaves).collect(),
        }
    }

    fn first_leaf(&self) -> Option<usize> {
        match &self.shape {
            Shape::Leaf(at) => Some(*at),
            Shape::Group(parts) => parts.first()?.first_leaf(),
        }
    }

    /// The next value of the column; none where its leaves hold no more, or do not fit together.
    pub fn next(&self, readers: &mut Readers) -> Option<Value> {
        self.read(readers, 0, 0)
    }

    fn read(&self, readers: &mut Readers, depth: u32, repeats: u32) -> Option<Value> {
        let first = self.first_leaf()?;
        let here = depth + u32::from(self.optional || self.repeated);
        if readers.get(first)?.depth()? < here {
            for leaf in self.leaves() {
                readers.get_mut(leaf)?.take()?;
            }
            return Some(if self.repeated { Value::Array(Vec::new()) } else { Value::Null });
        }
        if !self.repeated {
            return self.inner(readers, here, repeats);
        }
        let mut items = Vec::new();
        loop {
            items.push(self.inner(readers, here, repeats + 1)?);
            if readers.get(first)?.repeats().is_none_or(|next| next != repeats + 1) {
                return Some(Value::Array(items));
            }
        }
    }

    fn inner(&self, readers: &mut Readers, depth: u32, repeats: u32) -> Option<Value> {
        let parts = match &self.shape {
            Shape::Leaf(at) => return readers.get_mut(*at)?.take(),
            Shape::Group(parts) => parts,
        };
        // A list is written as a group of a repeated group of an element, or of a repeated element.
        if let [items] = &parts[..]
            && (self.is_list || self.is_map)
            && items.repeated
        {
            let found = items.read(readers, depth, repeats)?;
            return Some(if self.is_map { object(found) } else { items.unwrapped(found) });
        }
        let mut object = Map::new();
        for part in parts {
            object.insert(part.name.clone(), part.read(readers, depth, repeats)?);
        }
        Some(Value::Object(object))
    }

    /// The elements without the group that each stands in.
    fn unwrapped(&self, items: Value) -> Value {
        match (&self.shape, items) {
            (Shape::Group(parts), Value::Array(items)) if parts.len() == 1 => {
                let element = |item: Value| match item {
                    Value::Object(group) => {
                        group.into_iter().next().map(|(_, value)| value).unwrap_or_default()
                    }
                    other => other,
                };
                items.into_iter().map(element).collect()
            }
            (_, items) => items,
        }
    }
}

/// A map is a list of pairs; what is no text becomes the text of it, as keys must be.
fn object(pairs: Value) -> Value {
    let Value::Array(pairs) = pairs else { return pairs };
    let pair = |pair: Value| {
        let mut parts = match pair {
            Value::Object(parts) => parts.into_iter().map(|(_, part)| part),
            _ => return None,
        };
        let key = match parts.next()? {
            Value::String(text) => text,
            other => other.to_string(),
        };
        Some((key, parts.next().unwrap_or_default()))
    };
    Value::Object(pairs.into_iter().filter_map(pair).collect())
}
