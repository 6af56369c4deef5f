//! Logs of runs that are over go into the bucket `pipeline-logs`, one object for each run with the logs of all
//! its tasks, so that they outlive the run's record here. A run that runs again is archived again.

use super::{executor::Executor, log, model::AttemptKey, store};
use crate::{
    kernel::{
        clock::rfc3339,
        error::{Error, Result},
    },
    objects::PutOptions,
    store::Db,
};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use std::{io, path::PathBuf, sync::Arc, time::Duration};
use tokio_util::{io::ReaderStream, sync::CancellationToken};

pub const BUCKET: &str = "pipeline-logs";

/// Between two looks for runs that are over.
const EVERY: Duration = Duration::from_secs(30);
/// Runs that are looked for at once.
const BATCH: usize = 50;

/// What an archive is put together from.
enum Part {
    Text(String),
    File(PathBuf),
}

/// Archives until the server stops.
pub async fn keep_archived(db: Db, executor: Arc<Executor>, stop: CancellationToken) {
    let mut complained = false;
    loop {
        match archive_all(&db, &executor).await {
            Ok(()) => complained = false,
            // It is tried again and again; once is enough to say.
            Err(error) if !complained => {
                complained = true;
                tracing::warn!(?error, bucket = BUCKET, "logs could not be archived yet");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn archive_all(db: &Db, executor: &Executor) -> Result<()> {
    loop {
        let runs = db.read(|db| store::run_to_archive(db, BATCH)).await?;
        if runs.is_empty() {
            return Ok(());
        }
        for (run, pipeline, ended_at) in runs {
            archive(db, executor, &run, &pipeline, ended_at).await?;
            db.write(move |db| store::run_set_archived(db, &run, ended_at)).await?;
        }
    }
}

async fn archive(db: &Db, executor: &Executor, run: &str, pipeline: &str, ended_at: i64) -> Result<()> {
    let parts = parts(db, executor, run).await?;
    // A run without a line leaves no object.
    if parts.is_empty() {
        return Ok(());
    }
    let objects = &executor.rooms()?.objects;
    objects.bucket_ensure(BUCKET).await?;
    let key = format!("{pipeline}/{}/{run}.log", &rfc3339(ended_at)[..10]);
    objects
        .put(BUCKET, &key, text(parts), PutOptions::of_type(Some("text/plain; charset=utf-8".into())))
        .await?;
    Ok(())
}

async fn parts(db: &Db, executor: &Executor, run: &str) -> Result<Vec<Part>> {
    let wanted = run.to_owned();
    let tasks = db.read(move |db| store::task_list(db, &wanted)).await?;
    let mut parts = Vec::new();
    for task in tasks {
        for attempt in 1..=task.attempt {
            let key = AttemptKey { run_id: run.to_owned(), task_id: task.id.clone(), attempt };
            let path = executor.folder(&key).log();
            let log =
                tokio::task::spawn_blocking(move || log::parts(&path)).await.map_err(Error::internal)??;
            if !log.is_empty() {
                parts.push(Part::Text(format!("==> {} · attempt {attempt} <==\n", task.id)));
                parts.extend(log.into_iter().map(|part| match part {
                    log::Part::File(segment) => Part::File(segment.path),
                    log::Part::Missing(bytes) => Part::Text(log::note(bytes)),
                }));
                parts.push(Part::Text("\n".to_owned()));
            }
        }
    }
    Ok(parts)
}

/// One log after the other; each file is opened when it is its turn.
fn text(parts: Vec<Part>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::iter(parts).flat_map(|part| match part {
        Part::Text(text) => stream::once(async { Ok(Bytes::from(text)) }).left_stream(),
        Part::File(path) => {
            let opened = async { fs_err::tokio::File::open(path).await.map(ReaderStream::new) };
            stream::once(opened).try_flatten().right_stream()
        }
    })
}
