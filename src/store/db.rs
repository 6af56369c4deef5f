//! One SQLite database: one writer thread with group commit, and a pool of read-only connections.
//!
//! A write is a closure. The writer runs each in a savepoint, commits many in one transaction and
//! answers after the commit, so that an answer is durable and the price of the fsync is shared.
//! The queue is bounded: a caller finding it full is told to come again, and memory stays bounded.

use super::{
    ahead::Ahead,
    migrate::{self, Migration},
    percentile,
    readers::{Reader, Readers},
    regexp,
    writer::{Job, job, lock, write_loop},
};
use crate::kernel::error::{Error, Result};
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Semaphore, mpsc};

/// Writes that may wait; past this the caller hears `Busy`.
const QUEUE: usize = 4096;
const READERS: usize = 4;
const SHRINK: &str = "PRAGMA shrink_memory";

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug)]
pub enum Durability {
    /// A power cut. For everything a user would miss.
    Full,
    /// A crash of the process. For samples and logs, where the last second may go with the power.
    Normal,
}

/// As long as this lives, nothing is committed.
pub(super) struct Held(
    #[expect(dead_code, reason = "what it does is to be dropped")] std::sync::mpsc::Sender<()>,
);

/// A handle to one database. Clones share it.
#[derive(Clone)]
pub struct Db(Arc<Inner>);

struct Inner {
    jobs: mpsc::Sender<Job>,
    readers: Arc<Mutex<Readers>>,
    free: Arc<Semaphore>,
    /// Reads and writes so far.
    asked: AtomicU64,
}

impl Db {
    /// Opens or creates the database at `path` and brings its schema up to date.
    pub fn open(path: &Path, durability: Durability, migrations: &[Migration]) -> Result<Self> {
        let mut writer = Connection::open(path)?;
        configure(&writer, durability)?;
        migrate::apply(&mut writer, migrations)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut readers = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            let reader = Connection::open_with_flags(path, flags)?;
            prepare_for_use(&reader)?;
            readers.push(Reader::new(reader));
        }
        let readers = Arc::new(Mutex::new(Readers::new(readers)));
        let shared = Arc::clone(&readers);
        let (jobs, queue) = mpsc::channel(QUEUE);
        let name = path.file_stem().map_or_else(|| "db".into(), |stem| stem.to_string_lossy().into_owned());
        let log = matches!(durability, Durability::Full).then(|| Ahead::of(path));
        std::thread::Builder::new()
            .name(format!("write-{name}"))
            .spawn(move || write_loop(&writer, queue, log, shared))?;
        Ok(Self(Arc::new(Inner {
            jobs,
            readers,
            free: Arc::new(Semaphore::new(READERS)),
            asked: AtomicU64::new(0),
        })))
    }

    /// How often it was read or written since it was opened.
    pub fn asked(&self) -> u64 {
        self.0.asked.load(Ordering::Relaxed)
    }

    /// Has the connections that are free now give back the memory they keep pages in.
    pub async fn rest(&self) -> Result<()> {
        let mut permits = Vec::new();
        while let Ok(permit) = Arc::clone(&self.0.free).try_acquire_owned() {
            permits.push(permit);
        }
        let shared = Arc::clone(&self.0);
        let shrink = move || -> Result<()> {
            let free = lock(&shared.readers).take_many(permits.len());
            let outcome = free.iter().try_for_each(|reader| reader.db().execute_batch(SHRINK));
            free.into_iter().for_each(|reader| lock(&shared.readers).put_back(reader));
            // The permits go last: who holds one finds a reader.
            drop(permits);
            Ok(outcome?)
        };
        tokio::task::spawn_blocking(shrink).await.map_err(Error::internal)??;
        self.write(|db| Ok(db.execute_batch(SHRINK)?)).await
    }

    /// Runs `work` on the writer thread and answers once its effects are committed. An error from
    /// `work` undoes what it did and nothing else.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (job, receiver) = job(work);
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        self.0.jobs.try_send(job).map_err(|_| {
            Error::busy(
                "The server has more writes waiting than it accepts. Send the request again in a second.",
            )
        })?;
        receiver.await.map_err(|_| Error::internal("a write was dropped before it was committed"))?
    }

    /// Lets the writer commit nothing more until what this answers is dropped. Do not wait for a write meanwhile.
    pub(super) async fn hold(&self) -> Result<Held> {
        let (release, released) = std::sync::mpsc::channel();
        let (arrived, arrival) = tokio::sync::oneshot::channel();
        let db = self.clone();
        let held = tokio::spawn(async move {
            let wait = move |_: &Connection| {
                let _ = arrived.send(());
                // Nothing is ever sent: it ends when the other side is dropped, however that comes.
                let _ = released.recv();
                Ok(())
            };
            db.write(wait).await
        });
        match arrival.await {
            Ok(()) => Ok(Held(release)),
            Err(_) => match held.await.map_err(Error::internal)? {
                Err(error) => Err(error),
                Ok(()) => Err(Error::internal("the writer was not held")),
            },
        }
    }

    /// Runs `work` where it is called, if a connection is free. For a look-up of a few rows by their
    /// key only: it costs less than handing it to another thread, and waits for the disk at most for
    /// the few pages that are not in memory.
    pub async fn look_up<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        match self.0.free.try_acquire() {
            Ok(_permit) => self.0.with_reader(work),
            Err(_) => self.read(work).await,
        }
    }

    /// Runs `work` on a read-only connection, on a thread that may block.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = Arc::clone(&self.0.free).acquire_owned().await.map_err(Error::internal)?;
        let shared = Arc::clone(&self.0);
        let work = move || {
            // The permit goes with the connection: the caller may hang up while the query still runs.
            let _permit = permit;
            shared.with_reader(work)
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
    }
}

impl Inner {
    /// The caller holds a permit of `free`, so that a reader is there.
    fn with_reader<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let (reader, commits) = lock(&self.readers).take();
        let mut reader = reader.ok_or_else(|| Error::internal("no reader is free"))?;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            reader.see(commits)?;
            work(reader.db())
        }));
        if !matches!(outcome, Ok(Ok(_))) {
            reader.forget();
        }
        lock(&self.readers).put_back(reader);
        outcome.unwrap_or_else(|_| Err(Error::internal("a read panicked")))
    }
}

/// The one place where pragmas are chosen.
fn configure(db: &Connection, durability: Durability) -> Result<()> {
    // WAL: readers never wait for the writer. FULL: in WAL mode each commit is fsynced; with NORMAL
    // a power cut was measured to lose whole tables of acknowledged rows.
    let _: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    let synchronous = match durability {
        Durability::Full => "FULL",
        Durability::Normal => "NORMAL",
    };
    db.pragma_update(None, "synchronous", synchronous)?;
    db.pragma_update(None, "foreign_keys", true)?;
    // Sorting spills to memory, not to a temporary file on a disk that may be full.
    db.pragma_update(None, "temp_store", "MEMORY")?;
    // The pages that many commits changed are moved out of the log once, not four times.
    db.pragma_update(None, "wal_autocheckpoint", 4000)?;
    // After a large transaction the log shrinks again.
    db.pragma_update(None, "journal_size_limit", 64 << 20)?;
    prepare_for_use(db)
}

/// What holds for writer and readers alike.
fn prepare_for_use(db: &Connection) -> Result<()> {
    db.busy_timeout(Duration::from_secs(5))?;
    // What a search of ten thousand runs touches, in KiB: with SQLite's 2,000 each search reads it again.
    db.pragma_update(None, "cache_size", -8000)?;
    db.set_prepared_statement_cache_capacity(256);
    // Without this SQLite looks at each value bound to a statement for a better plan, and compiles the
    // statement again: measured, half the price of a look-up.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    regexp::register(db)?;
    percentile::register(db)
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match is_full(&error) {
            true => Self::full(error),
            false => Self::internal(error),
        }
    }
}

pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_util::sync::CancellationToken;

    const SCHEMA: &[Migration] =
        &[Migration { name: "t", sql: "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT UNIQUE) STRICT" }];

    fn open(dir: &tempfile::TempDir) -> Db {
        Db::open(&dir.path().join("t.db"), Durability::Full, SCHEMA).expect("opens")
    }

    async fn count(db: &Db) -> i64 {
        db.read(|c| Ok(c.query_row("SELECT count(*) FROM t", [], |r| r.get(0))?)).await.expect("counts")
    }

    #[tokio::test]
    async fn an_error_undoes_its_own_write_and_no_other() {
        let dir = tempfile::tempdir().expect("a folder");
        let db = open(&dir);
        let writes = (0..100).map(|i| {
            db.write(move |c| {
                c.execute("INSERT INTO t (v) VALUES (?1)", [i.to_string()])?;
                if i % 10 == 0 { Err(Error::invalid("every tenth")) } else { Ok(()) }
            })
        });
        let outcomes = futures::future::join_all(writes).await;
        assert_eq!(outcomes.iter().filter(|o| o.is_ok()).count(), 90);
        assert_eq!(count(&db).await, 90);
    }

    #[tokio::test]
    async fn a_panic_in_a_write_is_answered_and_undone() {
        let dir = tempfile::tempdir().expect("a folder");
        let db = open(&dir);
        let outcome = db
            .write(|c| -> Result<()> {
                c.execute("INSERT INTO t (v) VALUES ('x')", [])?;
                panic!("on purpose")
            })
            .await;
        assert!(outcome.is_err());
        assert_eq!(count(&db).await, 0);
        db.write(|c| Ok(c.execute("INSERT INTO t (v) VALUES ('y')", [])?)).await.expect("the writer goes on");
    }

    #[tokio::test]
    async fn a_caller_that_hangs_up_takes_no_reader_with_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let db = open(&dir);
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let slow = db.read(move |_| {
            let _ = wait.recv();
            Ok(())
        });
        assert!(tokio::time::timeout(Duration::ZERO, slow).await.is_err());
        let rest: Vec<_> = (0..8).map(|_| db.look_up(|_| Ok(()))).collect();
        assert!(futures::future::join_all(rest).await.iter().all(Result::is_ok));
        drop(go);
        assert_eq!(count(&db).await, 0);
    }

    #[tokio::test]
    async fn a_read_sees_one_moment_and_a_failed_one_leaves_its_reader_usable() {
        let dir = tempfile::tempdir().expect("a folder");
        let db = open(&dir);
        let writer = Connection::open(dir.path().join("t.db")).expect("opens");
        let seen = db.read(move |c| {
            let count = |c: &Connection| c.query_row("SELECT count(*) FROM t", [], |r| r.get::<_, i64>(0));
            let before = count(c)?;
            writer.execute("INSERT INTO t (v) VALUES ('between')", [])?;
            Ok((before, count(c)?))
        });
        assert_eq!(seen.await.expect("reads"), (0, 0));
        for _ in 0..2 * READERS {
            assert!(db.read(|_| Err::<(), _>(Error::invalid("on purpose"))).await.is_err());
        }
        assert_eq!(count(&db).await, 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn an_answered_write_is_seen_by_all_who_read_meanwhile() {
        let dir = tempfile::tempdir().expect("a folder");
        let db = open(&dir);
        let stop = CancellationToken::new();
        let busy = (0..READERS).map(|_| {
            let (db, stop) = (db.clone(), stop.clone());
            tokio::spawn(async move {
                while !stop.is_cancelled() {
                    count(&db).await;
                }
            })
        });
        let busy: Vec<_> = busy.collect();
        for i in 0..300 {
            db.write(move |c| Ok(c.execute("INSERT INTO t (v) VALUES (?1)", [i.to_string()])?))
                .await
                .expect("writes");
            for _ in 0..READERS {
                assert_eq!(count(&db).await, i + 1);
            }
        }
        stop.cancel();
        futures::future::join_all(busy).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn readers_let_the_log_begin_anew() {
        let dir = tempfile::tempdir().expect("a folder");
        let (db, log) = (open(&dir), dir.path().join("t.db-wal"));
        // Some questions come while a commit is under way.
        let stop = CancellationToken::new();
        let asks = |_| {
            let (db, stop) = (db.clone(), stop.clone());
            tokio::spawn(async move {
                while !stop.is_cancelled() {
                    count(&db).await;
                    tokio::time::sleep(Duration::from_micros(100)).await;
                }
            })
        };
        let asking: Vec<_> = (0..READERS).map(asks).collect();
        let (mut longest, mut written) = (0, 0);
        for i in 0..800_usize {
            let value = format!("{i}{}", "x".repeat(100_000));
            written += value.len() as u64;
            db.write(move |c| Ok(c.execute("INSERT INTO t (v) VALUES (?1)", [value])?))
                .await
                .expect("writes");
            longest = longest.max(fs_err::metadata(&log).expect("a log").len());
        }
        stop.cancel();
        futures::future::join_all(asking).await;
        assert!(longest < written / 2, "{longest} bytes of log for {written}");
    }

    #[tokio::test]
    async fn the_log_is_lengthened_seldom_and_read_to_its_end_only() {
        let dir = tempfile::tempdir().expect("a folder");
        let (db, log) = (open(&dir), dir.path().join("t.db-wal"));
        let mut lengths = std::collections::BTreeSet::new();
        for i in 0..300 {
            db.write(move |c| Ok(c.execute("INSERT INTO t (v) VALUES (?1)", [i.to_string()])?))
                .await
                .expect("writes");
            lengths.insert(fs_err::metadata(&log).expect("a log").len());
        }
        // Each of the writes adds two pages to the log, and it has room for a hundred and more of them.
        assert!(lengths.len() < 20, "{lengths:?}");
        // What a crash leaves behind: the database and the log with its zeros.
        let copy = tempfile::tempdir().expect("a folder");
        for name in ["t.db", "t.db-wal"] {
            fs_err::copy(dir.path().join(name), copy.path().join(name)).expect("copies");
        }
        let found = open(&copy);
        assert_eq!(count(&found).await, 300);
        found.write(|c| Ok(c.execute("INSERT INTO t (v) VALUES ('behind')", [])?)).await.expect("writes");
        assert_eq!(count(&found).await, 301);
    }

    #[tokio::test]
    async fn what_was_acknowledged_is_there_after_opening_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let db = open(&dir);
        db.write(|c| Ok(c.execute("INSERT INTO t (v) VALUES ('kept')", [])?)).await.expect("writes");
        let again = open(&dir);
        assert_eq!(count(&again).await, 1);
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("t.db");
        Db::open(&path, Durability::Full, SCHEMA).expect("opens");
        let refused = Db::open(&path, Durability::Full, &[]).err().expect("refused");
        assert!(refused.message.contains("newer Crannog"), "{refused}");
    }
}
