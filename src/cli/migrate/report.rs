//! The report at the end: how much there was, how much arrived, and each difference.

use crate::cli::{Failure, print, table};
use serde::Serialize;
use std::collections::BTreeMap;

/// Differences named one by one; more are counted.
const NAMED: usize = 100;

#[derive(Default, Serialize)]
pub struct Report {
    /// In the source, and of these alike on this side, by what they are.
    pub counts: BTreeMap<&'static str, Count>,
    /// Files whose MD5 was compared; the others were there before and compared by size.
    pub hashed: u64,
    pub copied_bytes: u64,
    /// Files that stay where they are, because only their own store's clients can read them.
    pub notes: Vec<String>,
    pub differences: Vec<String>,
    pub more: u64,
    /// What is here and not in the source: added here, or removed there since the last import.
    pub only_here: BTreeMap<&'static str, Named>,
    /// What the source has that is not part of a copy.
    pub left_out: BTreeMap<&'static str, u64>,
}

/// How many, and some of them by name.
#[derive(Clone, Default, Serialize)]
pub struct Named {
    pub count: u64,
    pub names: Vec<String>,
}

#[derive(Clone, Copy, Default, Serialize)]
pub struct Count {
    pub source: u64,
    pub alike: u64,
}

impl Report {
    pub fn count(&mut self, what: &'static str, source: usize, alike: usize) {
        let count = self.counts.entry(what).or_default();
        count.source += source as u64;
        count.alike += alike as u64;
    }

    pub fn differs(&mut self, what: String) {
        if self.differences.len() < NAMED {
            self.differences.push(what);
        } else {
            self.more += 1;
        }
    }

    pub fn only_here(&mut self, what: &'static str, name: impl FnOnce() -> String) {
        /// Names of one kind in a report.
        const NAMES: usize = 10;
        let found = self.only_here.entry(what).or_default();
        found.count += 1;
        if found.names.len() < NAMES {
            found.names.push(name());
        }
    }

    pub fn note(&mut self, what: String) {
        if self.notes.len() < NAMED {
            self.notes.push(what);
        }
    }

    pub fn tell(&self) -> Result<(), Failure> {
        let mut rows = vec![vec!["WHAT".to_owned(), "IN THE SOURCE".to_owned(), "ALIKE HERE".to_owned()]];
        rows.extend(self.counts.iter().map(|(what, count)| {
            vec![(*what).to_owned(), count.source.to_string(), count.alike.to_string()]
        }));
        print(&table(&rows))?;
        print(&format!("\n{} bytes copied; {} files compared by MD5\n", self.copied_bytes, self.hashed))?;
        for note in &self.notes {
            print(&format!("note: {note}\n"))?;
        }
        for (what, Named { count, names }) in &self.only_here {
            let more = if *count > names.len() as u64 { ", ..." } else { "" };
            let names = names.join(", ");
            print(&format!(
                "here and not in the source (added here, or removed there): {count} {what}: {names}{more}\n"
            ))?;
        }
        for (what, count) in &self.left_out {
            print(&format!("left out: {count} {what}\n"))?;
        }
        for difference in &self.differences {
            print(&format!("differs: {difference}\n"))?;
        }
        if self.more > 0 {
            print(&format!("and {} more differences\n", self.more))?;
        }
        Ok(())
    }
}
