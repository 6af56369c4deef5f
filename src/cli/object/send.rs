//! Putting files and folders. A large file goes in parts, several at a time.

use super::{
    super::{
        bucket::text,
        place::{bytes, with_query},
    },
    Client, Code, Failure, Place, bucket_path,
    progress::Progress,
};
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::{Body, Method};
use serde_json::{Value, json};
use std::{
    io::SeekFrom,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

/// Files, or parts of one, on their way at once.
const AT_ONCE: usize = 4;
/// From this size on a file goes in parts.
const PARTS_FROM: u64 = 128 << 20;
const PART: u64 = 64 << 20;
const PARTS_MAX: u64 = 10_000;

/// A file and where it goes.
struct Job {
    file: PathBuf,
    to: Place,
    size: u64,
}

pub async fn put(
    client: &Client,
    files: &[PathBuf],
    to: &Place,
    recursive: bool,
    content_type: Option<&str>,
) -> Result<(), Failure> {
    if let [only] = files
        && only == Path::new("-")
    {
        return standard_input(client, to.object()?, content_type).await;
    }
    let jobs = plan(files, to, recursive)?;
    let progress = Arc::new(Progress::new(Some(jobs.iter().map(|job| job.size).sum())));
    let count = jobs.len();
    let each = |job: Job| {
        let progress = Arc::clone(&progress);
        async move {
            let sent = send(client, &job, content_type, &progress).await;
            match &sent {
                Ok(()) => progress.say(&format!("{} -> {}", job.file.display(), job.to)),
                Err(failure) => progress.say(&format!("error: {}: {}", job.file.display(), failure.message)),
            }
            sent
        }
    };
    let outcomes: Vec<_> = stream::iter(jobs).map(each).buffer_unordered(AT_ONCE).collect().await;
    progress.end();
    let mut failures = outcomes.into_iter().filter_map(Result::err).collect::<Vec<_>>();
    match (failures.len(), failures.pop()) {
        (0, _) | (_, None) => {
            eprintln!("Put {count} files, {}.", bytes(progress.moved()));
            Ok(())
        }
        (1, Some(failure)) if count == 1 => Err(failure),
        (failed, Some(last)) => {
            Err(Failure::new(last.code, format!("{failed} of {count} files were not put")))
        }
    }
}

/// Which file goes where. A place that ends in a slash, or a bucket, keeps the names.
fn plan(files: &[PathBuf], to: &Place, recursive: bool) -> Result<Vec<Job>, Failure> {
    let mut jobs = Vec::new();
    let folder = to.is_folder();
    for file in files {
        let about = fs_err::metadata(file)?;
        if about.is_dir() {
            if !recursive {
                let message = format!("{} is a folder", file.display());
                return Err(Failure::new(Code::Usage, message).hint("--recursive puts everything in it"));
            }
            let root = if folder || to.key.is_empty() { to.key.clone() } else { format!("{}/", to.key) };
            walk(file, &root, to, &mut jobs)?;
        } else if folder {
            let key = format!("{}{}", to.key, name_of(file)?);
            jobs.push(Job { file: file.clone(), to: to.with_key(key), size: about.len() });
        } else if files.len() == 1 {
            jobs.push(Job { file: file.clone(), to: to.clone(), size: about.len() });
        } else {
            let message = format!("{to} is one key for {} files", files.len());
            return Err(Failure::new(Code::Usage, message).hint("end it with a slash to keep their names"));
        }
    }
    Ok(jobs)
}

fn walk(folder: &Path, prefix: &str, to: &Place, jobs: &mut Vec<Job>) -> Result<(), Failure> {
    let mut entries = fs_err::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs_err::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), name_of(&entry.path())?);
        let about = fs_err::metadata(&path)?;
        if about.is_dir() {
            walk(&path, &format!("{prefix}{name}/"), to, jobs)?;
        } else {
            jobs.push(Job { to: to.with_key(format!("{prefix}{name}")), size: about.len(), file: path });
        }
    }
    Ok(())
}

fn name_of(file: &Path) -> Result<String, Failure> {
    let name = file.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    name.ok_or_else(|| Failure::failed(format!("{} has no name that is UTF-8, as keys are", file.display())))
}

fn type_of(job: &Job, given: Option<&str>) -> Option<String> {
    given.map(str::to_owned).or_else(|| mime_guess::from_path(&job.file).first().map(|kind| kind.to_string()))
}

async fn send(
    client: &Client,
    job: &Job,
    content_type: Option<&str>,
    progress: &Arc<Progress>,
) -> Result<(), Failure> {
    let kind = type_of(job, content_type);
    if job.size >= PARTS_FROM {
        return in_parts(client, job, kind, progress).await;
    }
    let file = fs_err::tokio::File::open(&job.file).await?;
    let mut request = client.request(Method::PUT, &job.to.path("objects", &[]));
    if let Some(kind) = kind {
        request = request.header("content-type", kind);
    }
    let request = request.header("content-length", job.size).body(body(file, job.size, progress));
    client.send(request).await.map(drop)
}

/// The next `size` bytes of a file, counted as they go.
fn body(file: impl AsyncRead + Send + 'static, size: u64, progress: &Arc<Progress>) -> Body {
    let progress = Arc::clone(progress);
    let stream = ReaderStream::with_capacity(file.take(size), 256 << 10);
    Body::wrap_stream(stream.inspect_ok(move |chunk| progress.add(chunk.len() as u64)))
}

async fn in_parts(
    client: &Client,
    job: &Job,
    kind: Option<String>,
    progress: &Arc<Progress>,
) -> Result<(), Failure> {
    let uploads = bucket_path(&job.to.bucket, "uploads");
    let begun = client.post(&uploads, &json!({ "key": job.to.key, "content_type": kind })).await?;
    let upload = format!("{uploads}/{}", text(&begun["id"]));
    let outcome = parts(client, job, &upload, progress).await;
    match outcome {
        Ok(parts) => client.post(&upload, &json!({ "key": job.to.key, "parts": parts })).await.map(drop),
        Err(failure) => {
            // What was sent is of no use; if this fails too, the server drops it after a while.
            let _ = client.delete(&with_query(upload, &[("key", Some(&job.to.key))])).await;
            Err(failure)
        }
    }
}

async fn parts(
    client: &Client,
    job: &Job,
    upload: &str,
    progress: &Arc<Progress>,
) -> Result<Vec<Value>, Failure> {
    let size = PART.max(job.size.div_ceil(PARTS_MAX));
    let one = |number: u64| async move {
        let (from, to) = (number * size, ((number + 1) * size).min(job.size));
        let mut file = fs_err::tokio::File::open(&job.file).await?;
        file.seek(SeekFrom::Start(from)).await?;
        let path = with_query(format!("{upload}/{}", number + 1), &[("key", Some(&job.to.key))]);
        let request = client.request(Method::PUT, &path).header("content-length", to - from);
        let answer = client.answer(request.body(body(file, to - from, progress))).await?;
        Ok::<_, Failure>(json!({ "number": number + 1, "etag": answer["etag"] }))
    };
    stream::iter(0..job.size.div_ceil(size)).map(one).buffered(AT_ONCE).try_collect().await
}

async fn standard_input(client: &Client, to: &Place, content_type: Option<&str>) -> Result<(), Failure> {
    let progress = Arc::new(Progress::new(None));
    let kind = content_type.map(str::to_owned);
    let kind = kind.or_else(|| mime_guess::from_path(&to.key).first().map(|kind| kind.to_string()));
    let mut request = client.request(Method::PUT, &to.path("objects", &[]));
    if let Some(kind) = kind {
        request = request.header("content-type", kind);
    }
    let input = fs_err::tokio::File::open("/dev/stdin").await?;
    let answer = client.answer(request.body(body(input, u64::MAX, &progress))).await;
    progress.end();
    let size = answer?["size"].as_u64().unwrap_or_default();
    eprintln!("Put {to}, {}.", bytes(size));
    Ok(())
}
