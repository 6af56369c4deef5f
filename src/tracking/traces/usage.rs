//! Tokens and their cost: what a text says of them, and what a tree of spans comes to.

use super::{
    json::{self, dumps},
    keys,
};
use serde_json::{Map, Number, Value};
use std::collections::HashMap;

/// The counts in a text of JSON, written in one way only; `None` if it has none.
pub fn tokens_in(text: &str) -> Option<String> {
    settled(text, &keys::TOKENS, |value| whole(value).map(Value::from))
}

/// The dollars in a text of JSON, written in one way only; `None` if it has none.
pub fn costs_in(text: &str) -> Option<String> {
    settled(text, &keys::COSTS, |value| Number::from_f64(number(value)?).map(Value::Number))
}

fn settled(text: &str, known: &[&str], read: impl Fn(&Value) -> Option<Value>) -> Option<String> {
    let Value::Object(given) = json::loads(text) else { return None };
    let found = known.iter().filter_map(|key| Some(((*key).to_owned(), read(given.get(*key)?)?)));
    let found: Map<_, _> = found.collect();
    (!found.is_empty()).then(|| dumps(&found))
}

fn whole(value: &Value) -> Option<i64> {
    let double = number(value)?;
    value.as_i64().or_else(|| (double.fract() == 0.0 && double.abs() < 9e15).then_some(double as i64))
}

/// A finite number, as such or in a text.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
    .filter(|number| number.is_finite())
}

/// One span of the tree that is added up.
pub struct Node {
    pub id: String,
    pub parent: Option<String>,
    /// The span's own object of numbers, as JSON text.
    pub data: Option<String>,
}

/// The sum of `keys` over the tree. A span's numbers stand for everything below it: frameworks write
/// the sum of the children on the parent as well. Of `optional` keys only those that occur are told.
pub fn total(nodes: &[Node], keys: &[&str], optional: &[&str], costs: bool) -> Option<String> {
    let ids: HashMap<&str, usize> =
        nodes.iter().enumerate().map(|(index, node)| (node.id.as_str(), index)).collect();
    let mut children: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut open = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        match node.parent.as_deref().and_then(|parent| ids.get(parent)) {
            Some(parent) => children.entry(*parent).or_default().push(index),
            None => open.push(index),
        }
    }
    let mut sums: Vec<(&str, Option<f64>)> = keys.iter().map(|key| (*key, Some(0.0))).collect();
    sums.extend(optional.iter().map(|key| (*key, None)));
    let mut found = false;
    // Spans that name each other as parents are in no tree and are never reached.
    while let Some(index) = open.pop() {
        match nodes[index].data.as_deref().map(json::loads) {
            Some(Value::Object(data)) => {
                found = true;
                for (key, sum) in &mut sums {
                    if let Some(add) = data.get(*key).and_then(number) {
                        *sum = Some(sum.unwrap_or(0.0) + add);
                    }
                }
            }
            _ => open.extend(children.remove(&index).unwrap_or_default()),
        }
    }
    let shown = |value: f64| if costs { Value::from(value) } else { Value::from(value as i64) };
    let sums: Map<_, _> =
        sums.into_iter().filter_map(|(key, sum)| Some((key.to_owned(), shown(sum?)))).collect();
    found.then(|| dumps(&sums))
}

pub fn total_tokens(nodes: &[Node]) -> Option<String> {
    total(nodes, &keys::TOKENS[..3], &keys::TOKENS[3..], false)
}

pub fn total_costs(nodes: &[Node]) -> Option<String> {
    total(nodes, &keys::COSTS, &[], true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str, parent: Option<&str>, data: Option<&str>) -> Node {
        Node { id: id.into(), parent: parent.map(Into::into), data: data.map(Into::into) }
    }

    #[test]
    fn a_parents_sum_is_not_added_to_its_childrens() {
        let usage = r#"{"input_tokens": 2, "output_tokens": 3, "total_tokens": 5}"#;
        let cached = r#"{"input_tokens": 1, "total_tokens": 1, "cache_read_input_tokens": 7}"#;
        let tree = [
            node("a", None, None),
            node("b", Some("a"), Some(usage)),
            node("c", Some("b"), Some(usage)),
            node("d", Some("a"), Some(cached)),
            node("e", Some("elsewhere"), Some(usage)),
        ];
        assert_eq!(
            total_tokens(&tree).unwrap(),
            r#"{"input_tokens": 5, "output_tokens": 6, "total_tokens": 11, "cache_read_input_tokens": 7}"#
        );
        assert_eq!(total_tokens(&tree[..1]), None);
        let circle = [node("a", Some("b"), Some(usage)), node("b", Some("a"), Some(usage))];
        assert_eq!(total_tokens(&circle), None);
        let costs = [node("a", None, Some(r#"{"input_cost": 0.5, "total_cost": 0.5}"#))];
        assert_eq!(
            total_costs(&costs).unwrap(),
            r#"{"input_cost": 0.5, "output_cost": 0.0, "total_cost": 0.5}"#
        );
    }

    #[test]
    fn texts_are_settled() {
        assert_eq!(tokens_in(r#"{"output_tokens":"3","x":1}"#).unwrap(), r#"{"output_tokens": 3}"#);
        assert_eq!(costs_in(r#"{"total_cost":1}"#).unwrap(), r#"{"total_cost": 1.0}"#);
        for nothing in ["", "[]", "{}", r#"{"input_tokens": 1.5}"#, r#"{"input_tokens": true}"#] {
            assert_eq!(tokens_in(nothing), None, "{nothing}");
        }
    }
}
