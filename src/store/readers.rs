//! The connections that read, and the snapshots they keep: from one question to the next, and no longer than until the
//! next commit.

use super::writer::run;
use rusqlite::Connection;

/// The connections that read, and what they must know of the writer.
pub struct Readers {
    idle: Vec<Reader>,
    /// How often it has committed.
    commits: u64,
    /// It is about to, or does: the log begins anew only where nobody idle holds an old snapshot then.
    committing: bool,
}

/// All that one question reads is of one moment. The next may be answered from the same, as long as nothing was
/// committed since: to take a snapshot and give it back costs as much as to look up a row.
pub struct Reader {
    db: Connection,
    /// The commits its snapshot has, when it holds one.
    since: Option<u64>,
}

impl Reader {
    pub fn new(db: Connection) -> Self {
        Self { db, since: None }
    }

    pub fn db(&self) -> &Connection {
        &self.db
    }

    /// Holds a snapshot with these commits, or a later one.
    pub fn see(&mut self, commits: u64) -> rusqlite::Result<()> {
        if self.since == Some(commits) && !self.db.is_autocommit() {
            return Ok(());
        }
        self.forget();
        run(&self.db, "BEGIN")?;
        self.since = Some(commits);
        Ok(())
    }

    pub fn forget(&mut self) {
        self.since = None;
        if !self.db.is_autocommit() {
            // It has written nothing: there is nothing to lose.
            let _ = run(&self.db, "COMMIT").or_else(|_| self.db.execute_batch("ROLLBACK"));
        }
    }
}

impl Readers {
    pub fn new(idle: Vec<Reader>) -> Self {
        Self { idle, commits: 0, committing: false }
    }

    /// One that is idle, and how many commits there are to see.
    pub fn take(&mut self) -> (Option<Reader>, u64) {
        (self.idle.pop(), self.commits)
    }

    /// So many of those that are idle.
    pub fn take_many(&mut self, count: usize) -> Vec<Reader> {
        self.idle.split_off(self.idle.len() - count)
    }

    /// A snapshot stays only where the next question may be answered from it.
    pub fn put_back(&mut self, mut reader: Reader) {
        if self.committing || reader.since != Some(self.commits) {
            reader.forget();
        }
        self.idle.push(reader);
    }

    pub fn commit_begins(&mut self) {
        self.committing = true;
        self.idle.iter_mut().for_each(Reader::forget);
    }

    pub fn commit_ends(&mut self) {
        self.committing = false;
        self.commits += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_kept_between_commits_only() {
        let db = Connection::open_in_memory().expect("opens");
        let mut readers = Readers::new(vec![Reader::new(db)]);
        let held = |readers: &Readers| {
            let reader = &readers.idle[0];
            assert_eq!(reader.since.is_some(), !reader.db.is_autocommit());
            reader.since
        };
        let begin = |readers: &mut Readers| {
            let (reader, commits) = readers.take();
            let mut reader = reader.expect("a reader");
            reader.see(commits).expect("a snapshot");
            reader
        };
        let reader = begin(&mut readers);
        readers.put_back(reader);
        assert_eq!(held(&readers), Some(0));
        readers.commit_begins();
        assert_eq!(held(&readers), None, "it stood in the way");
        let reader = begin(&mut readers);
        readers.put_back(reader);
        assert_eq!(held(&readers), None, "and would again");
        let reader = begin(&mut readers);
        readers.commit_ends();
        readers.put_back(reader);
        assert_eq!(held(&readers), None, "it is old");
        let reader = begin(&mut readers);
        readers.put_back(reader);
        assert_eq!(held(&readers), Some(1));
    }
}
