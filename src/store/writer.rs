//! The thread that writes: it takes what waits into one transaction, and answers after the commit.

use super::{ahead::Ahead, db::is_full, readers::Readers};
use crate::kernel::error::{Error, Result};
use rusqlite::Connection;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// Writes that share one commit at most: keeps one commit well under a tenth of a second.
const GROUP: usize = 512;
/// How long a clean stop waits for readers to let the log go.
const LAST_WAIT: Duration = Duration::from_millis(200);

/// Called with the commit's outcome.
type Answer = Box<dyn FnOnce(std::result::Result<(), &rusqlite::Error>) + Send>;
/// Runs inside a savepoint; `Err` carries the answer too and rolls only that savepoint back.
pub type Job = Box<dyn FnOnce(&Connection) -> std::result::Result<Answer, Answer> + Send>;

/// The job that does this work, and where its outcome will come.
pub fn job<T: Send + 'static>(
    work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
) -> (Job, oneshot::Receiver<Result<T>>) {
    let (sender, receiver) = oneshot::channel();
    let job: Job = Box::new(move |db| match work(db) {
        Ok(value) => Ok(answer(sender, Ok(value))),
        Err(error) => Err(answer(sender, Err(error))),
    });
    (job, receiver)
}

/// The answer for one job: its own outcome if the commit held, the commit's failure otherwise. A
/// receiver that has gone away is no error: the caller hung up.
fn answer<T: Send + 'static>(sender: oneshot::Sender<Result<T>>, outcome: Result<T>) -> Answer {
    Box::new(move |commit| {
        let outcome = match (outcome, commit) {
            (Ok(value), Ok(())) => Ok(value),
            (Ok(_), Err(error)) => Err(commit_failed(error)),
            (Err(error), _) => Err(error),
        };
        let _ = sender.send(outcome);
    })
}

fn commit_failed(error: &rusqlite::Error) -> Error {
    let cause = format!("commit failed: {error}");
    match is_full(error) {
        true => Error::full(cause),
        false => Error::internal(cause),
    }
}

/// Runs until nobody can ask any more.
pub fn write_loop(
    db: &Connection,
    mut queue: mpsc::Receiver<Job>,
    mut log: Option<Ahead>,
    readers: Arc<Mutex<Readers>>,
) {
    while let Some(first) = queue.blocking_recv() {
        let mut answers = Vec::new();
        let outcome = write_group(db, first, &mut queue, &mut answers, &readers);
        // Before the answers: who has heard one sees what it tells of.
        lock(&readers).commit_ends();
        if let Err(error) = &outcome {
            tracing::error!(%error, writes = answers.len(), "a group of writes was not committed");
            // SQLite may have rolled back by itself (a full disk); asking again is harmless.
            let _ = db.execute_batch("ROLLBACK");
        }
        for answer in answers {
            answer(outcome.as_ref().copied());
        }
        if let Some(log) = &mut log {
            log.keep();
        }
    }
    // A clean stop leaves one file, not a log to replay. SQLite removes the log for a writer that closes last.
    drop(readers);
    // Somebody who still reads is not waited for: the next start replays what stays in the log.
    let _ = db.busy_timeout(LAST_WAIT);
    let _ = db.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)");
}

/// Takes what waits, up to `GROUP`, into one transaction.
fn write_group(
    db: &Connection,
    first: Job,
    queue: &mut mpsc::Receiver<Job>,
    answers: &mut Vec<Answer>,
    readers: &Mutex<Readers>,
) -> rusqlite::Result<()> {
    // If the transaction cannot even begin, the first job is dropped, and so its caller hears.
    if let Err(failed) = run(db, "BEGIN IMMEDIATE") {
        tracing::error!(error = %failed, "could not begin a transaction");
        return Err(failed);
    }
    run_alone(db, first, answers)?;
    while answers.len() < GROUP
        && let Ok(job) = queue.try_recv()
    {
        run_in_savepoint(db, job, answers)?;
    }
    lock(readers).commit_begins();
    run(db, "COMMIT")
}

/// A statement without values, compiled once.
pub fn run(db: &Connection, word: &str) -> rusqlite::Result<()> {
    db.prepare_cached(word)?.execute([])?;
    Ok(())
}

/// The first job of a group has the transaction for itself, and needs no savepoint to be undone: a
/// savepoint would keep a copy of every page it changes.
fn run_alone(db: &Connection, job: Job, answers: &mut Vec<Answer>) -> rusqlite::Result<()> {
    match catch_unwind(AssertUnwindSafe(|| job(db))) {
        Ok(Ok(answer)) => {
            answers.push(answer);
            return Ok(());
        }
        Ok(Err(answer)) => answers.push(answer),
        // The job's sender went down with it: its caller hears that the write was dropped.
        Err(_) => {}
    }
    // SQLite may have rolled back by itself (a full disk).
    if !db.is_autocommit() {
        run(db, "ROLLBACK")?;
    }
    run(db, "BEGIN IMMEDIATE")
}

fn run_in_savepoint(db: &Connection, job: Job, answers: &mut Vec<Answer>) -> rusqlite::Result<()> {
    run(db, "SAVEPOINT job")?;
    match catch_unwind(AssertUnwindSafe(|| job(db))) {
        Ok(Ok(answer)) => answers.push(answer),
        Ok(Err(answer)) => {
            answers.push(answer);
            undo(db)?;
        }
        // The job's sender went down with it: its caller hears that the write was dropped.
        Err(_) => undo(db)?,
    }
    run(db, "RELEASE job")
}

fn undo(db: &Connection) -> rusqlite::Result<()> {
    run(db, "ROLLBACK TO job")
}

pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
