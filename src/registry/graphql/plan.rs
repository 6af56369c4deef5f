//! From a document to what one request asks for: the operation is chosen, variables, fragments and
//! directives are gone, and every field is known to the schema.

use super::{
    Outcome,
    parse::{Directive, Document, Field, Fragment, Input, Kind as Way, Operation, Selection},
    schema::{self, Kind, Root, Type},
};
use serde_json::{Map, Value};

#[derive(Debug)]
pub struct Plan {
    pub roots: Vec<Asked>,
}

/// A root field.
#[derive(Debug)]
pub struct Asked {
    pub key: String,
    /// `None` for `__typename`.
    pub root: Option<(Root, Map<String, Value>)>,
    pub nodes: Vec<Node>,
    pub type_name: &'static str,
}

/// A field below the root.
#[derive(Debug)]
pub struct Node {
    /// What it is called in the answer.
    pub key: String,
    pub name: String,
    /// `None` for `__typename`.
    pub kind: Option<Kind>,
    pub nodes: Vec<Node>,
}

pub fn plan(document: &Document, name: Option<&str>, variables: &Map<String, Value>) -> Outcome<Plan> {
    let operation = choose(&document.operations, name)?;
    let scope = Scope { fragments: &document.fragments, variables: declared(operation, variables)? };
    let (type_name, find): (_, fn(&str) -> Option<Root>) = match operation.kind {
        Way::Query => ("Query", schema::query),
        Way::Mutation => ("Mutation", schema::mutation),
    };
    let mut roots = Vec::new();
    for field in scope.fields(&operation.selections)? {
        let key = field.alias.clone().unwrap_or_else(|| field.name.clone());
        if field.name == "__typename" {
            roots.push(Asked { key, root: None, nodes: Vec::new(), type_name });
            continue;
        }
        let root = find(&field.name).ok_or_else(|| unknown(&field.name, type_name))?;
        let input = scope.input_of(field, &root)?;
        let nodes = scope.below(root.output, field)?;
        roots.push(Asked { key, root: Some((root, input)), nodes, type_name });
    }
    Ok(Plan { roots })
}

fn unknown(field: &str, on: &str) -> String {
    format!("Cannot query field '{field}' on type '{on}'.")
}

fn choose<'a>(operations: &'a [Operation], name: Option<&str>) -> Outcome<&'a Operation> {
    match (name, operations) {
        (None, [one]) => Ok(one),
        (None, _) => Err("Must provide operation name if query contains multiple operations.".into()),
        (Some(name), _) => operations
            .iter()
            .find(|operation| operation.name.as_deref() == Some(name))
            .ok_or_else(|| format!("Unknown operation named '{name}'.")),
    }
}

/// The variables of an operation: what was given, else what it says by default.
fn declared(operation: &Operation, given: &Map<String, Value>) -> Outcome<Map<String, Value>> {
    let none = Scope { fragments: &[], variables: Map::new() };
    let mut out = Map::new();
    for variable in &operation.variables {
        let value = match (given.get(&variable.name), &variable.default) {
            (Some(value), _) => value.clone(),
            (None, Some(default)) => none.value(default)?,
            (None, None) => Value::Null,
        };
        if value.is_null() && variable.of.ends_with('!') {
            return Err(format!(
                "Variable '${}' of required type '{}' was not provided.",
                variable.name, variable.of
            ));
        }
        out.insert(variable.name.clone(), value);
    }
    Ok(out)
}

struct Scope<'a> {
    fragments: &'a [Fragment],
    variables: Map<String, Value>,
}

impl<'a> Scope<'a> {
    /// The fields of one level, those of its fragments among them.
    fn fields(&self, selections: &'a [Selection]) -> Outcome<Vec<&'a Field>> {
        let mut out = Vec::new();
        self.collect(selections, &mut Vec::new(), &mut out)?;
        Ok(out)
    }

    fn collect(
        &self,
        selections: &'a [Selection],
        spread: &mut Vec<&'a str>,
        out: &mut Vec<&'a Field>,
    ) -> Outcome<()> {
        for selection in selections {
            match selection {
                Selection::Field(field) if self.wanted(&field.directives)? => out.push(field),
                Selection::Inline(inner, directives) if self.wanted(directives)? => {
                    self.collect(inner, spread, out)?;
                }
                Selection::Spread(name, directives) if self.wanted(directives)? => {
                    let fragment = self.fragments.iter().find(|fragment| fragment.name == *name);
                    let fragment = fragment.ok_or_else(|| format!("Unknown fragment '{name}'."))?;
                    if !spread.contains(&name.as_str()) {
                        spread.push(name);
                        self.collect(&fragment.selections, spread, out)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn wanted(&self, directives: &[Directive]) -> Outcome<bool> {
        for directive in directives {
            let on = match directive.name.as_str() {
                "include" => true,
                "skip" => false,
                other => return Err(format!("Unknown directive '@{other}'.")),
            };
            let condition = directive.arguments.iter().find(|(name, _)| name == "if").map(|(_, value)| value);
            match condition.map(|value| self.value(value)).transpose()? {
                Some(Value::Bool(condition)) if condition == on => {}
                Some(Value::Bool(_)) => return Ok(false),
                _ => return Err(format!("Directive '@{}' needs a Boolean 'if'.", directive.name)),
            }
        }
        Ok(true)
    }

    fn value(&self, input: &Input) -> Outcome<Value> {
        Ok(match input {
            Input::Value(value) => value.clone(),
            Input::Variable(name) => {
                let known = self.variables.get(name).cloned();
                known.ok_or_else(|| format!("Variable '${name}' is not defined."))?
            }
            Input::List(items) => {
                Value::Array(items.iter().map(|item| self.value(item)).collect::<Outcome<_>>()?)
            }
            Input::Object(pairs) => {
                let pair = |(name, value): &(String, Input)| Ok((name.clone(), self.value(value)?));
                Value::Object(pairs.iter().map(pair).collect::<Outcome<_>>()?)
            }
        })
    }

    fn input_of(&self, field: &Field, root: &Root) -> Outcome<Map<String, Value>> {
        let mut input = Map::new();
        for (name, value) in &field.arguments {
            if name != "input" {
                return Err(format!("Unknown argument '{name}' on field '{}'.", field.name));
            }
            let Value::Object(given) = self.value(value)? else {
                return Err(format!("Expected an object for argument 'input' of field '{}'.", field.name));
            };
            input = given;
        }
        match input.keys().find(|name| !root.input.contains(&name.as_str())) {
            Some(name) => Err(format!("Field '{name}' is not defined by the input of '{}'.", field.name)),
            None => Ok(input),
        }
    }

    fn below(&self, of: &'static Type, field: &'a Field) -> Outcome<Vec<Node>> {
        let selected = self.fields(&field.selections)?;
        if selected.is_empty() {
            return Err(format!(
                "Field '{}' of type '{}' must have a selection of subfields.",
                field.name, of.name
            ));
        }
        selected.into_iter().map(|field| self.node(of, field)).collect()
    }

    fn node(&self, of: &'static Type, field: &'a Field) -> Outcome<Node> {
        let key = field.alias.clone().unwrap_or_else(|| field.name.clone());
        let name = field.name.clone();
        if name == "__typename" {
            return Ok(Node { key, name, kind: None, nodes: Vec::new() });
        }
        let kind = of.field(&name).ok_or_else(|| unknown(&name, of.name))?;
        let nodes = match kind {
            Kind::One(inner) | Kind::Many(inner) => self.below(inner, field)?,
            _ if field.selections.is_empty() => Vec::new(),
            _ => return Err(format!("Field '{name}' must not have a selection: it has no subfields.")),
        };
        Ok(Node { key, name, kind: Some(kind), nodes })
    }
}
