//! Nested lists of JSON read straight into the values they hold, row by row: the lists themselves are never made.

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use std::fmt;

/// The leaves of a value, in order; one that is no list is a leaf itself.
#[derive(Debug, Default, PartialEq)]
pub struct Leaves(pub Vec<Value>);

impl<'de> Deserialize<'de> for Leaves {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut leaves = Vec::new();
        Sink(&mut leaves).deserialize(from)?;
        Ok(Self(leaves))
    }
}

struct Sink<'a>(&'a mut Vec<Value>);

impl Sink<'_> {
    fn put<E>(self, value: impl Into<Value>) -> Result<(), E> {
        self.0.push(value.into());
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Sink<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Sink<'_> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("values")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.put(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.put(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.put(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.put(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.put(value)
    }

    fn visit_string<E: Error>(self, value: String) -> Result<(), E> {
        self.put(value)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.put(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Sink(&mut *self.0))?.is_some() {}
        Ok(())
    }

    /// No tensor holds one: it is kept to be refused as what it is.
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut map = Map::new();
        while let Some((key, value)) = entries.next_entry::<String, Value>()? {
            map.insert(key, value);
        }
        self.put(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_of_any_depth_are_their_leaves() {
        for (text, leaves) in [
            (
                "[[1, -2.5], [], [[\"a\", null]], true]",
                vec![json!(1), json!(-2.5), json!("a"), json!(null), json!(true)],
            ),
            ("7", vec![json!(7)]),
            (
                "[{\"a\": [1]}, 18446744073709551615]",
                vec![json!({ "a": [1] }), json!(18_446_744_073_709_551_615_u64)],
            ),
            ("[]", vec![]),
        ] {
            assert_eq!(serde_json::from_str::<Leaves>(text).expect("is JSON").0, leaves);
            let value: Value = serde_json::from_str(text).expect("is JSON");
            assert_eq!(serde_json::from_value::<Leaves>(value).expect("is read").0, leaves);
        }
        let deep = "[".repeat(10_000);
        assert!(serde_json::from_str::<Leaves>(&deep).is_err());
    }
}
