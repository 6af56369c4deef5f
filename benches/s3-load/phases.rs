//! The phases of a run, in the order they are asked for; each prints one JSON line.

use crate::{
    Failed, Plan, Result,
    noise::{Dice, noise},
    process::{cpu_s, memory_mib},
    wire::{Answer, Ask, Connection},
};
use serde_json::json;
use std::{
    collections::HashSet,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const BUCKET: &str = "crannog-bench";
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What a phase did.
#[derive(Default)]
struct Done {
    operations: u64,
    bytes: u64,
    errors: u64,
    first_error: Option<String>,
    took_us: Vec<u32>,
    /// The server's memory at its highest while it ran, when that is what the phase is about.
    peak_mib: Option<u64>,
}

impl Done {
    fn add(&mut self, other: Self) {
        self.operations += other.operations;
        self.bytes += other.bytes;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
        self.took_us.extend(other.took_us);
    }

    fn note(&mut self, began: Instant, outcome: Result<u64>) {
        match outcome {
            Ok(bytes) => {
                self.operations += 1;
                self.bytes += bytes;
                self.took_us.push(began.elapsed().as_micros() as u32);
            }
            Err(failed) => {
                self.errors += 1;
                self.first_error.get_or_insert(failed.0);
            }
        }
    }
}

pub fn run<'a>(plan: &Plan, names: impl Iterator<Item = &'a str>) -> Result<()> {
    if !plan.target.host.is_empty() {
        make_bucket(plan)?;
    }
    let mut written = [0, 0];
    for name in names {
        let (cpu, began) = (cpu_s(&plan.pids), Instant::now());
        let done = match name {
            "put4k" => puts(plan, "small", 4 * KIB, u64::MAX, &mut written[0]),
            "get4k" => gets(plan, "small", 4 * KIB, written[0]),
            "put1m" => puts(plan, "large", MIB, u64::MAX, &mut written[1]),
            "get1m" => gets(plan, "large", MIB, written[1]),
            "multipart" => multipart(plan)?,
            "getbig" => get_big(plan)?,
            "fill" => puts(plan, "list", 16, plan.list_keys, &mut 0),
            "list" => list(plan)?,
            "uploads64" => uploads(plan),
            "whole64" => whole_uploads(plan),
            "cat" => cat(plan)?,
            other => return Err(Failed(format!("there is no phase {other:?}"))),
        };
        report(name, done, began.elapsed().as_secs_f64(), cpu_s(&plan.pids) - cpu, memory_mib(&plan.pids));
    }
    Ok(())
}

fn make_bucket(plan: &Plan) -> Result<()> {
    let path = format!("/{BUCKET}");
    let ask = Ask { method: "PUT", path: &path, keep: true, ..Ask::default() };
    match Connection::new(&plan.target).ask(&ask)? {
        Answer { status: 200..300 | 409, .. } => Ok(()),
        refused => Err(Failed(format!("could not make the bucket: {} {}", refused.status, refused.body))),
    }
}

fn report(name: &str, mut done: Done, seconds: f64, cpu: f64, memory: u64) {
    done.took_us.sort_unstable();
    let quantile = |q: f64| {
        let index = (done.took_us.len().saturating_sub(1)) as f64 * q;
        done.took_us.get(index as usize).map(|us| f64::from(*us) / 1000.0)
    };
    let line = json!({
        "phase": name,
        "operations": done.operations,
        "bytes": done.bytes,
        "errors": done.errors,
        "first_error": done.first_error,
        "seconds": seconds,
        "per_second": done.operations as f64 / seconds,
        "mb_per_second": done.bytes as f64 / 1e6 / seconds,
        "cpu_us": cpu * 1e6 / done.operations.max(1) as f64,
        "p50_ms": quantile(0.5),
        "p99_ms": quantile(0.99),
        "memory_mib": memory,
        "peak_mib": done.peak_mib,
    });
    println!("{line}");
}

/// Runs `work` on so many threads and adds up what they did.
fn in_parallel(threads: usize, work: impl Fn(usize) -> Done + Sync) -> Done {
    let mut sum = Done::default();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|index| {
                scope.spawn({
                    let work = &work;
                    move || work(index)
                })
            })
            .collect();
        for worker in workers {
            match worker.join() {
                Ok(done) => sum.add(done),
                Err(_) => sum.errors += 1,
            }
        }
    });
    sum
}

fn key(kind: &str, index: u64) -> String {
    match kind {
        "list" => format!("/{BUCKET}/list/{:03}/key-{index:08}", index / 1000),
        _ => format!("/{BUCKET}/{kind}/{:02x}/object-{index:08}", index % 256),
    }
}

/// Puts objects one after another on each connection, until the time is over or `most` are there.
fn puts(plan: &Plan, kind: &str, size: u64, most: u64, written: &mut u64) -> Done {
    let (next, end) = (AtomicU64::new(0), ends(plan, most));
    let done = in_parallel(plan.connections, |worker| {
        let (mut connection, mut done) = (Connection::new(&plan.target), Done::default());
        let body = noise(size, worker as u64);
        while Instant::now() < end {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= most {
                break;
            }
            let (began, path) = (Instant::now(), key(kind, index));
            let answer =
                connection.succeed(&Ask { method: "PUT", path: &path, body: &body, ..Ask::default() });
            done.note(began, answer.map(|_| size));
        }
        done
    });
    *written = next.into_inner().min(most);
    done
}

/// A fixed number of objects takes the time it takes, within reason.
fn ends(plan: &Plan, most: u64) -> Instant {
    let seconds = if most == u64::MAX { plan.seconds } else { 300.0 };
    Instant::now() + Duration::from_secs_f64(seconds)
}

/// Gets objects that were put, in no order.
fn gets(plan: &Plan, kind: &str, size: u64, there: u64) -> Done {
    let end = ends(plan, u64::MAX);
    in_parallel(plan.connections, |worker| {
        let (mut connection, mut done) = (Connection::new(&plan.target), Done::default());
        let mut dice = Dice::new(worker as u64);
        while Instant::now() < end && there > 0 {
            let (began, path) = (Instant::now(), key(kind, dice.roll() % there));
            let answer = connection.succeed(&Ask { method: "GET", path: &path, ..Ask::default() });
            done.note(began, answer.and_then(|answer| whole(&answer, size)));
        }
        done
    })
}

fn whole(answer: &Answer, size: u64) -> Result<u64> {
    if answer.length == size {
        Ok(size)
    } else {
        Err(Failed(format!("{} bytes came, not {size}", answer.length)))
    }
}

fn big() -> String {
    format!("/{BUCKET}/big")
}

/// One object in parts, four at a time, as the SDKs do it; the completion counts.
fn multipart(plan: &Plan) -> Result<Done> {
    let (path, began) = (big(), Instant::now());
    let mut connection = Connection::new(&plan.target);
    let begun = connection.succeed(&Ask {
        method: "POST",
        path: &path,
        query: &[("uploads", "")],
        keep: true,
        ..Ask::default()
    })?;
    let upload =
        element(&begun.body, "UploadId").ok_or_else(|| Failed("no upload id came".into()))?.to_owned();
    let (parts, next) = (plan.big_mib.div_ceil(plan.part_mib), AtomicU64::new(1));
    let etags = Mutex::new(Vec::new());
    let mut done = in_parallel(4, |worker| {
        let (mut connection, mut done) = (Connection::new(&plan.target), Done::default());
        let body = noise(plan.part_mib * MIB, worker as u64);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number > parts {
                return done;
            }
            let (began, text) = (Instant::now(), number.to_string());
            let query = [("partNumber", text.as_str()), ("uploadId", upload.as_str())];
            let answer = connection.succeed(&Ask {
                method: "PUT",
                path: &path,
                query: &query,
                body: &body,
                ..Ask::default()
            });
            if let (Ok(answer), Ok(mut etags)) = (&answer, etags.lock()) {
                etags.push((number, answer.etag.clone()));
            }
            done.note(began, answer.map(|_| plan.part_mib * MIB));
        }
    });
    let mut etags = etags.into_inner().map_err(|_| Failed("an upload thread failed".into()))?;
    etags.sort();
    let parts: String = etags
        .iter()
        .map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"))
        .collect();
    let list = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    let query = [("uploadId", upload.as_str())];
    let answer = connection.succeed(&Ask {
        method: "POST",
        path: &path,
        query: &query,
        body: list.as_bytes(),
        keep: true,
    })?;
    if answer.body.contains("<Error>") {
        return Err(Failed(answer.body));
    }
    done.operations = 1;
    done.took_us = vec![began.elapsed().as_micros() as u32];
    Ok(done)
}

fn get_big(plan: &Plan) -> Result<Done> {
    let (mut connection, mut done, began) = (Connection::new(&plan.target), Done::default(), Instant::now());
    let answer = connection.succeed(&Ask { method: "GET", path: &big(), ..Ask::default() })?;
    done.note(began, whole(&answer, plan.big_mib * MIB));
    Ok(done)
}

/// Every key below `list/`, a thousand a page.
fn list(plan: &Plan) -> Result<Done> {
    let (mut connection, mut done) = (Connection::new(&plan.target), Done::default());
    let (path, mut token, mut keys) = (format!("/{BUCKET}"), None::<String>, 0);
    loop {
        let mut query = vec![("list-type", "2"), ("max-keys", "1000"), ("prefix", "list/")];
        query.extend(token.as_deref().map(|token| ("continuation-token", token)));
        let began = Instant::now();
        let page = connection.succeed(&Ask {
            method: "GET",
            path: &path,
            query: &query,
            keep: true,
            ..Ask::default()
        })?;
        done.note(began, Ok(page.length));
        keys += page.body.matches("<Contents>").count() as u64;
        if element(&page.body, "IsTruncated") != Some("true") {
            break;
        }
        token = element(&page.body, "NextContinuationToken").map(|token| token.replace("&amp;", "&"));
    }
    if keys != plan.list_keys {
        done.errors += 1;
        done.first_error = Some(format!("{keys} keys were listed, not {}", plan.list_keys));
    }
    Ok(done)
}

/// 64 uploads of 1 GiB at once, each cut off by the client after `upload_mib`: what the server keeps in
/// memory for a body does not depend on how much of it is still to come.
fn uploads(plan: &Plan) -> Done {
    watched(plan, |worker| upload_and_leave(plan, worker))
}

/// The same without an end before the end: every body is sent whole, and its answer waited for. They are zeros,
/// so that a file system which compresses has room for them; all must then have one ETag.
fn whole_uploads(plan: &Plan) -> Done {
    let (body, etags) = (vec![0; (plan.whole_mib * MIB) as usize], Mutex::new(HashSet::new()));
    let mut done = watched(plan, |worker| {
        let path = format!("/{BUCKET}/whole/{worker}");
        let ask = Ask { method: "PUT", path: &path, body: &body, ..Ask::default() };
        let answer = Connection::new(&plan.target).succeed(&ask)?;
        let mut etags = etags.lock().map_err(|_| Failed("an upload thread failed".into()))?;
        etags.insert(answer.etag);
        Ok(body.len() as u64)
    });
    if etags.into_inner().is_ok_and(|etags| etags.len() > 1) {
        done.errors += 1;
        done.first_error = Some("equal bodies had different ETags".into());
    }
    done
}

/// 64 uploads at once, while the server's memory is watched.
fn watched(plan: &Plan, upload: impl Fn(u64) -> Result<u64> + Sync) -> Done {
    let (over, peak) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut done = thread::scope(|scope| {
        let watch = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                peak.fetch_max(memory_mib(&plan.pids), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(20));
            }
        });
        let done = in_parallel(64, |worker| {
            let (began, mut done) = (Instant::now(), Done::default());
            done.note(began, upload(worker as u64));
            done
        });
        over.store(true, Ordering::Relaxed);
        let _ = watch.join();
        done
    });
    done.peak_mib = Some(peak.into_inner());
    done
}

fn upload_and_leave(plan: &Plan, worker: u64) -> Result<u64> {
    let path = format!("/{BUCKET}/left/{worker}");
    let head = crate::sign::head(&plan.target, "PUT", &path, &[]);
    let (mut connection, body) = (Connection::new(&plan.target), noise(MIB, worker));
    let stream = connection.stream()?;
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n", 1024 * MIB).as_bytes())?;
    for _ in 0..plan.upload_mib {
        stream.write_all(&body)?;
    }
    Ok(plan.upload_mib * MIB)
}

/// What `cat` makes of the same bytes over the same kind of socket: the floor under a GET of 1 GiB.
fn cat(plan: &Plan) -> Result<Done> {
    let file = plan.file.as_ref().ok_or_else(|| Failed("--file names what to send".into()))?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let sender = TcpStream::connect(listener.local_addr()?)?;
    let (mut receiver, _) = listener.accept()?;
    let (mut done, began) = (Done::default(), Instant::now());
    let mut child =
        Command::new("cat").arg(file).stdout(Stdio::from(std::os::fd::OwnedFd::from(sender))).spawn()?;
    let (mut buffer, mut got) = (vec![0; 256 << 10], 0);
    loop {
        match receiver.read(&mut buffer)? {
            0 => break,
            read => got += read as u64,
        }
    }
    child.wait()?;
    done.note(began, Ok(got));
    Ok(done)
}

fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}
