//! What a query may ask at most: one request must not become a thousand. The bounds and their words are
//! MLflow's.

use super::{
    Outcome,
    parse::{Document, Field, Fragment, Selection},
};

const DEPTH: usize = 10;
const SELECTIONS: usize = 1000;
const ROOT_FIELDS: usize = 10;
const ALIASES: usize = 10;

pub fn check(document: &Document) -> Outcome<()> {
    let mut scan = Scan { fragments: &document.fragments, selections: 0, root_fields: 0, aliases: 0 };
    for operation in &document.operations {
        scan.level(&operation.selections, 1)?;
    }
    too_many(scan.root_fields, ROOT_FIELDS, "root fields")?;
    too_many(scan.aliases, ALIASES, "aliases")
}

fn too_many(count: usize, most: usize, what: &str) -> Outcome<()> {
    if count <= most {
        return Ok(());
    }
    Err(format!("GraphQL queries should have at most {most} {what}, got {count} {what}."))
}

struct Scan<'a> {
    fragments: &'a [Fragment],
    selections: usize,
    root_fields: usize,
    /// The most on one level.
    aliases: usize,
}

impl<'a> Scan<'a> {
    fn level(&mut self, selections: &'a [Selection], depth: usize) -> Outcome<()> {
        if depth > DEPTH {
            return Err(format!("Query exceeds maximum depth of {DEPTH}"));
        }
        let mut fields = Vec::new();
        self.fields(selections, &mut Vec::new(), &mut fields)?;
        self.aliases = self.aliases.max(fields.iter().filter(|field| field.alias.is_some()).count());
        if depth == 1 {
            self.root_fields += fields.len();
        }
        fields
            .iter()
            .filter(|field| !field.selections.is_empty())
            .try_for_each(|field| self.level(&field.selections, depth + 1))
    }

    /// The fields of one level, those of its fragments among them.
    fn fields(
        &mut self,
        selections: &'a [Selection],
        spread: &mut Vec<&'a str>,
        out: &mut Vec<&'a Field>,
    ) -> Outcome<()> {
        for selection in selections {
            match selection {
                Selection::Field(field) => {
                    self.selections += 1;
                    if self.selections > SELECTIONS {
                        return Err(format!("Query exceeds maximum total selections of {SELECTIONS}"));
                    }
                    out.push(field);
                }
                Selection::Inline(inner, _) => self.fields(inner, spread, out)?,
                Selection::Spread(name, _) if spread.contains(&name.as_str()) => {}
                Selection::Spread(name, _) => {
                    spread.push(name);
                    let found = self.fragments.iter().find(|fragment| fragment.name == *name);
                    if let Some(fragment) = found {
                        self.fields(&fragment.selections, spread, out)?;
                    }
                }
            }
        }
        Ok(())
    }
}
