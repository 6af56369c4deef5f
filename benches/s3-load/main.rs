//! The load behind `make bench-s3`: a bounded S3 client of plain threads that prints one JSON line a phase.
//!
//! It speaks HTTP/1.1 and signs by itself, so that what it costs stays small beside the server it measures
//! on the same machine. It trusts no answer: every status and every length is checked and counted.

mod noise;
mod phases;
mod process;
mod sign;
mod wire;

use std::{collections::HashMap, fmt, process::ExitCode};

/// Where a run goes and how large it is.
#[derive(Clone)]
pub struct Plan {
    pub target: sign::Target,
    /// The server's processes: their CPU time and memory are reported.
    pub pids: Vec<u32>,
    pub connections: usize,
    pub seconds: f64,
    pub list_keys: u64,
    pub big_mib: u64,
    pub part_mib: u64,
    /// Of each of the 64 uploads announced as 1 GiB, how much is sent before the client hangs up.
    pub upload_mib: u64,
    /// How large each of 64 bodies is that are sent whole.
    pub whole_mib: u64,
    /// A file to send with `cat`, for comparison.
    pub file: Option<String>,
}

/// What went wrong, in a sentence.
#[derive(Debug)]
pub struct Failed(pub String);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

pub type Result<T> = std::result::Result<T, Failed>;

const USAGE: &str = "usage: s3-load --endpoint HOST:PORT --access KEY --secret KEY --phases NAME,NAME
  [--region NAME] [--pids N,N] [--connections 16] [--seconds 5] [--list-keys 100000] [--big-mib 1024]
  [--part-mib 16] [--upload-mib 64] [--whole-mib 1024] [--file PATH]
phases: put4k get4k put1m get1m multipart getbig fill list uploads64 whole64 cat";

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("{failed}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: Vec<String>) -> Result<()> {
    let mut given = HashMap::new();
    for pair in words.chunks(2) {
        let name = pair[0].strip_prefix("--").ok_or_else(|| Failed(USAGE.into()))?;
        let value = pair.get(1).ok_or_else(|| Failed(USAGE.into()))?;
        given.insert(name.to_owned(), value.clone());
    }
    let text = |name: &str, default: &str| given.get(name).cloned().unwrap_or_else(|| default.to_owned());
    let number = |name: &str, default: u64| -> Result<u64> {
        text(name, &default.to_string()).parse().map_err(|_| Failed(format!("--{name} must be a number")))
    };
    let target = sign::Target {
        host: text("endpoint", ""),
        access: text("access", ""),
        secret: text("secret", ""),
        region: text("region", "us-east-1"),
    };
    let plan = Plan {
        target,
        pids: text("pids", "").split(',').filter_map(|pid| pid.parse().ok()).collect(),
        connections: number("connections", 16)? as usize,
        seconds: number("seconds", 5)? as f64,
        list_keys: number("list-keys", 100_000)?,
        big_mib: number("big-mib", 1024)?,
        part_mib: number("part-mib", 16)?,
        upload_mib: number("upload-mib", 64)?,
        whole_mib: number("whole-mib", 1024)?,
        file: given.get("file").cloned(),
    };
    phases::run(&plan, text("phases", "").split(',').filter(|name| !name.is_empty()))
}
