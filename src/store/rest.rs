//! What a busy spell leaves in memory is given back once it is over: pages that connections keep, and what the
//! allocator keeps of the threads that are idle. The first question after a rest reads its pages again, from the
//! system's memory as a rule.

use super::Db;
use crate::kernel::memory;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two looks at how busy the databases are.
const LOOK: Duration = Duration::from_secs(10);
/// Fewer questions and writes than this between two looks are no work: the background asks now and then.
const QUIET: u64 = 200;
/// Fewer bytes than this on top of what the last rest left are not worth another.
const WORTH: u64 = 1 << 20;

/// Gives memory back whenever it has grown and the server is quiet, until the server stops.
pub async fn keep_small(databases: Vec<Db>, stop: CancellationToken) {
    let asked = || databases.iter().map(Db::asked).sum::<u64>();
    let (mut before, mut left) = (asked(), 0);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let now = asked();
        let held = memory::private();
        if now - before <= QUIET && held > left + WORTH {
            rest(&databases).await;
            left = memory::private();
        }
        (before, left) = (now, left.min(held));
    }
}

async fn rest(databases: &[Db]) {
    for db in databases {
        if let Err(error) = db.rest().await {
            tracing::debug!(?error, "a database could not give memory back");
        }
    }
    let _ = tokio::task::spawn_blocking(memory::give_back).await;
}

#[cfg(test)]
mod tests {
    use crate::store::{Db, Durability, Migration};

    const SCHEMA: &[Migration] = &[Migration { name: "t", sql: "CREATE TABLE t (v TEXT) STRICT" }];

    #[tokio::test]
    async fn a_database_rests_beside_a_question_that_takes_long_and_answers_as_before() {
        let dir = tempfile::tempdir().expect("a folder");
        let db = Db::open(&dir.path().join("t.db"), Durability::Full, SCHEMA).expect("opens");
        db.write(|c| Ok(c.execute("INSERT INTO t VALUES ('x')", [])?)).await.expect("writes");
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (begun, begins) = tokio::sync::oneshot::channel();
        let count = |c: &crate::store::Connection| {
            Ok(c.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))?)
        };
        let slow = tokio::spawn({
            let db = db.clone();
            async move {
                let read = move |c: &_| {
                    let _ = begun.send(());
                    let _ = held.recv();
                    count(c)
                };
                db.read(read).await
            }
        });
        begins.await.expect("the long read begins");
        let before = db.asked();
        db.rest().await.expect("rests");
        assert_eq!(db.read(count).await.expect("reads"), 1);
        assert!(db.asked() > before);
        drop(release);
        assert_eq!(slow.await.expect("ends").expect("reads"), 1);
        let all = futures::future::join_all((0..8).map(|_| db.read(count))).await;
        assert!(all.into_iter().all(|one| one.is_ok_and(|rows| rows == 1)), "every connection is back");
    }
}
