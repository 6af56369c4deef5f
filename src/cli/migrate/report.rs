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
        print(&self.text())
    }

    fn text(&self) -> String {
        let mut rows = vec![vec!["WHAT".to_owned(), "IN THE SOURCE".to_owned(), "ALIKE HERE".to_owned()]];
        rows.extend(self.counts.iter().map(|(what, count)| {
            vec![(*what).to_owned(), count.source.to_string(), count.alike.to_string()]
        }));
        let mut lines = vec![format!(
            "{}\n{} bytes copied; {} files compared by MD5",
            table(&rows),
            self.copied_bytes,
            self.hashed
        )];
        lines.extend(self.notes.iter().map(|note| format!("note: {note}")));
        lines.extend(self.only_here.iter().map(|(what, Named { count, names })| {
            let more = if *count > names.len() as u64 { ", ..." } else { "" };
            let names = names.join(", ");
            format!(
                "here and not in the source (added here, or removed there): {count} {what}: {names}{more}"
            )
        }));
        lines.extend(self.left_out.iter().map(|(what, count)| format!("left out: {count} {what}")));
        lines.extend(self.differences.iter().map(|difference| format!("differs: {difference}")));
        if self.more > 0 {
            lines.push(format!("and {} more differences", self.more));
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_counts_names_and_says_what_was_left_out() {
        let mut report = Report { hashed: 2, copied_bytes: 10, ..Report::default() };
        report.count("runs", 3, 2);
        report.count("runs", 1, 1);
        report.count("files", 2, 2);
        report.note("the files of r stay at s3://b".into());
        report.only_here("tags", || "t of run r".into());
        report.left_out.insert("traces", 7);
        report.differs("run r".into());
        let wanted = "\
WHAT   IN THE SOURCE  ALIKE HERE
files  2              2
runs   4              3

10 bytes copied; 2 files compared by MD5
note: the files of r stay at s3://b
here and not in the source (added here, or removed there): 1 tags: t of run r
left out: 7 traces
differs: run r
";
        assert_eq!(report.text(), wanted);
    }

    #[test]
    fn however_much_differs_the_report_stays_short_and_counts_all() {
        let mut report = Report::default();
        for at in 0..NAMED + 5 {
            report.differs(format!("run {at}"));
            report.note(format!("note {at}"));
            report.only_here("runs", || format!("r{at}"));
        }
        assert_eq!((report.differences.len(), report.more, report.notes.len()), (NAMED, 5, NAMED));
        assert_eq!((report.only_here["runs"].count, report.only_here["runs"].names.len()), (105, 10));
        let text = report.text();
        assert!(text.contains(": 105 runs: r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, ...\n"), "{text}");
        assert!(text.ends_with("differs: run 99\nand 5 more differences\n"), "{text}");
        let json = serde_json::to_value(&report).expect("it is JSON");
        assert_eq!((&json["more"], &json["only_here"]["runs"]["count"]), (&5.into(), &105.into()));
    }
}
