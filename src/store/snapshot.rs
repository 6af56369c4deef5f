//! One moment of both databases, written into files of their own: what a backup begins with.
//!
//! Both writers are held while the moment is taken, for about a millisecond: what either had committed is in it, and
//! nothing else. So what one database says of the other holds in the files as well.

use super::{Stores, db::Held};
use crate::kernel::{
    error::{Error, Result},
    private,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};
use std::path::Path;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

/// The databases of a data directory, by their files' names.
pub const DATABASES: [&str; 2] = ["control.db", "objects.db"];
/// Pages copied between two looks at whether the server stops: 16 MiB.
const STEP: i32 = 4096;

/// Reads both databases as they were when it was taken. Their logs grow until it is written or dropped.
pub struct Snapshot(Vec<(&'static str, Connection)>);

impl Stores {
    /// Takes one moment of both databases.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        let folder = self.data_dir.clone();
        let opened = spawn_blocking(move || Snapshot::open(&folder)).await.map_err(Error::internal)??;
        let held: (Held, Held) = tokio::try_join!(self.objects.hold(), self.control.hold())?;
        // Here and not on another thread, which might have to be waited for while nobody can write.
        opened.begin()?;
        drop(held);
        Ok(opened)
    }
}

impl Snapshot {
    /// That of databases which no server has open.
    pub fn of_nobody(data_dir: &Path) -> Result<Self> {
        let opened = Self::open(data_dir)?;
        opened.begin()?;
        Ok(opened)
    }

    fn open(data_dir: &Path) -> Result<Self> {
        let opened = DATABASES.iter().map(|name| Ok((*name, open(&data_dir.join(name))?)));
        Ok(Self(opened.collect::<Result<_>>()?))
    }

    fn begin(&self) -> Result<()> {
        Ok(self
            .0
            .iter()
            .try_for_each(|(_, db)| db.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema"))?)
    }

    /// Writes the databases into `folder`, durably, for their owner only. Blocks.
    pub fn write(self, folder: &Path, stop: &CancellationToken) -> Result<()> {
        for (name, from) in self.0 {
            let path = folder.join(name);
            private::write(&path, b"")?;
            // Nobody else is there to be locked out, and not every share has locks.
            let mut to =
                Connection::open_with_flags_and_vfs(&path, OpenFlags::SQLITE_OPEN_READ_WRITE, c"unix-none")?;
            // Who finds it half written finds no manifest beside it.
            to.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
            let copy = Backup::new(&from, &mut to)?;
            loop {
                match copy.step(STEP)? {
                    StepResult::Done => break,
                    StepResult::More if stop.is_cancelled() => return Err(Error::busy("The server stops.")),
                    StepResult::More => {}
                    other => return Err(Error::internal(format!("{name} could not be copied: {other:?}"))),
                }
            }
            drop(copy);
            to.close().map_err(|(_, error)| error)?;
            fs_err::File::open(&path)?.sync_all()?;
        }
        Ok(())
    }
}

fn open(path: &Path) -> Result<Connection> {
    Ok(Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?)
}

/// A database that nobody writes to any more, opened where it lies: no log is made beside it, so that the folder may
/// be on a medium that cannot be written.
pub fn open_frozen(path: &Path) -> Result<Connection> {
    const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/');
    let path = path.to_str().ok_or_else(|| {
        Error::invalid(format!("the path {} is not UTF-8: name the folder otherwise", path.display()))
    })?;
    let uri = format!("file://{}?immutable=1", utf8_percent_encode(path, PATH));
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(Connection::open_with_flags(uri, flags)?)
}

/// What SQLite finds broken in its own file.
pub fn integrity(c: &Connection) -> Result<Vec<String>> {
    let mut statement = c.prepare("PRAGMA integrity_check(20)")?;
    let rows: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(rows.into_iter().filter(|row| row != "ok").collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(db: &Connection) -> i64 {
        db.query_row("SELECT n FROM t", [], |row| row.get(0)).expect("a number")
    }

    /// One task writes a number into the one database and then into the other; whenever a snapshot is taken, the
    /// second is never ahead.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn what_one_database_says_of_the_other_holds() {
        let dir = tempfile::tempdir().expect("a folder");
        let stores = Stores::open(&dir.path().join("data")).expect("opens");
        for db in [&stores.control, &stores.objects] {
            db.write(|c| Ok(c.execute_batch("CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (0)")?))
                .await
                .expect("a table");
        }
        let stop = CancellationToken::new();
        let writing = tokio::spawn({
            let (stores, stop) = (stores.clone(), stop.clone());
            async move {
                while !stop.is_cancelled() {
                    for db in [&stores.objects, &stores.control] {
                        db.write(|c| Ok(c.execute("UPDATE t SET n = n + 1", [])?)).await.expect("writes");
                    }
                }
            }
        });
        let mut last = 0;
        for nth in 0..20 {
            let folder = dir.path().join(format!("{nth} of ?#%20"));
            private::folder(&folder).expect("a folder");
            let snapshot = stores.snapshot().await.expect("a snapshot");
            snapshot.write(&folder, &CancellationToken::new()).expect("is written");
            let [control, objects] = DATABASES.map(|name| open_frozen(&folder.join(name)).expect("opens"));
            let (control_n, objects_n) = (number(&control), number(&objects));
            assert!(objects_n == control_n || objects_n == control_n + 1, "{objects_n} and {control_n}");
            assert!(objects_n > last || nth == 0, "the writers went on");
            last = objects_n;
            assert!(integrity(&control).expect("is asked").is_empty());
            assert_eq!(fs_err::read_dir(&folder).expect("a folder").count(), 2, "nothing lies beside them");
            stores.objects.write(|_| Ok(())).await.expect("the writer goes on");
        }
        stop.cancel();
        writing.await.expect("ends");
    }
}
