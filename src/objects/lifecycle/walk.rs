//! Finds out where each version stands, from a walk over all versions by key and from new to old.

use super::{
    super::model::Version,
    rules::{Candidate, Standing},
};

/// A version as the walk comes by it.
#[derive(Clone, Debug)]
pub struct Row {
    pub key: String,
    pub seq: i64,
    pub latest: bool,
    pub version: Version,
    pub marker: bool,
    pub size: u64,
    pub etag: String,
    pub modified_ms: i64,
    /// None is STANDARD.
    pub class: Option<String>,
    pub tags: Vec<(String, String)>,
}

impl Row {
    pub fn candidate(&self, standing: Standing) -> Candidate<'_> {
        Candidate {
            key: &self.key,
            size: self.size,
            tags: &self.tags,
            storage_class: self.class.as_deref().unwrap_or("STANDARD"),
            modified_ms: self.modified_ms,
            marker: self.marker,
            standing,
        }
    }
}

/// Remembers as much as the next row needs. A current version is given out with the row behind it,
/// which tells whether it is alone.
#[derive(Default)]
pub struct Walk {
    current: Option<Row>,
    /// Key, time and number among the noncurrent ones of the row before.
    before: Option<(String, i64, usize)>,
}

impl Walk {
    /// Takes the next row; gives those whose standing is known now.
    pub fn step(&mut self, row: Row) -> Vec<(Row, Standing)> {
        let mut known = Vec::new();
        if let Some(current) = self.current.take() {
            let alone = current.key != row.key;
            known.push((current, Standing::Current { alone }));
        }
        let before = self.before.take().filter(|(key, ..)| *key == row.key);
        let key = row.key.clone();
        match before {
            Some((_, since_ms, newer)) if !row.latest => {
                self.before = Some((key, row.modified_ms, newer + 1));
                known.push((row, Standing::Noncurrent { since_ms, newer }));
            }
            _ => {
                self.before = Some((key, row.modified_ms, 0));
                self.current = Some(row);
            }
        }
        known
    }

    /// The last row of all.
    pub fn end(&mut self) -> Option<(Row, Standing)> {
        self.current.take().map(|row| (row, Standing::Current { alone: true }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, seq: i64, latest: bool) -> Row {
        Row {
            key: key.into(),
            seq,
            latest,
            version: Version::Id(seq),
            marker: false,
            size: 0,
            etag: String::new(),
            modified_ms: seq * 10,
            class: None,
            tags: Vec::new(),
        }
    }

    #[test]
    fn every_row_comes_out_once_with_its_standing() {
        let mut walk = Walk::default();
        let rows = [row("a", 3, true), row("a", 2, false), row("a", 1, false), row("b", 9, true)];
        let mut seen: Vec<_> = rows.into_iter().flat_map(|row| walk.step(row)).collect();
        seen.extend(walk.end());
        let seen: Vec<_> =
            seen.iter().map(|(row, standing)| (row.key.as_str(), row.seq, *standing)).collect();
        let noncurrent = |since_ms, newer| Standing::Noncurrent { since_ms, newer };
        assert_eq!(
            seen,
            [
                ("a", 3, Standing::Current { alone: false }),
                ("a", 2, noncurrent(30, 0)),
                ("a", 1, noncurrent(20, 1)),
                ("b", 9, Standing::Current { alone: true }),
            ]
        );
        assert!(walk.end().is_none());
    }
}
