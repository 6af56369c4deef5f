//! A command's output into its log, in segments of an eighth of its limit: the first one is kept, as it says how
//! all began, and of the others the newest. What is read is always written or dropped, so that the command never
//! blocks on a full pipe.

use std::{
    collections::VecDeque,
    io::{PipeReader, Write},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};
use tokio::{io::AsyncReadExt, net::unix::pipe::Receiver};

/// Into how many segments the limit is divided.
const SEGMENTS: u64 = 8;

/// Copies until the last writer has closed its end. A log that cannot be written (a full disk) is
/// given up, while the command goes on.
pub(super) async fn keep(reader: PipeReader, path: PathBuf, limit: u64) {
    if let Err(error) = copy(reader, path, limit).await {
        eprintln!("[crannog] the task's output could not be kept: {error}");
    }
}

async fn copy(reader: PipeReader, path: PathBuf, limit: u64) -> std::io::Result<()> {
    let mut reader = Receiver::from_owned_fd(OwnedFd::from(reader))?;
    let mut log = Log::open(path, limit).map(Some);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = reader.read(&mut buffer).await?;
        if read == 0 {
            break;
        }
        let Ok(Some(open)) = &mut log else { continue };
        if let Err(error) = open.write(&buffer[..read]) {
            log = Err(error);
        }
    }
    log.map(|_| ())
}

/// A log that is being written, by this thread: a second one would cost a task of a moment more than it writes.
struct Log {
    path: PathBuf,
    /// Bytes of a segment, and how many of them are kept besides the first.
    size: u64,
    file: fs_err::File,
    /// The segments after the first, the one being written included.
    later: VecDeque<PathBuf>,
    /// Where the current one begins, and how long it is.
    start: u64,
    length: u64,
}

impl Log {
    fn open(path: PathBuf, limit: u64) -> std::io::Result<Self> {
        let file = append(&path)?;
        let length = file.metadata()?.len();
        let size = (limit / SEGMENTS).max(1);
        Ok(Self { path, size, file, later: VecDeque::new(), start: 0, length })
    }

    fn write(&mut self, mut bytes: &[u8]) -> std::io::Result<()> {
        while !bytes.is_empty() {
            let room = usize::try_from(self.size.saturating_sub(self.length)).unwrap_or(usize::MAX);
            let piece = match bytes.len() <= room {
                true => bytes,
                false => whole_lines(&bytes[..room], self.length == 0),
            };
            self.file.write_all(piece)?;
            self.length += piece.len() as u64;
            bytes = &bytes[piece.len()..];
            if !bytes.is_empty() {
                self.turn()?;
            }
        }
        Ok(())
    }

    /// Goes on in a new segment, and drops the oldest one that is too many.
    fn turn(&mut self) -> std::io::Result<()> {
        // What the supervisor itself said is in there too.
        self.start += self.file.metadata()?.len();
        let path = PathBuf::from(format!("{}.{}", self.path.display(), self.start));
        self.file = append(&path)?;
        self.length = 0;
        // The supervisor's own words go where the log goes on.
        rustix::stdio::dup2_stderr(self.file.file())?;
        self.later.push_back(path);
        if self.later.len() as u64 > SEGMENTS - 1
            && let Some(oldest) = self.later.pop_front()
        {
            fs_err::remove_file(oldest)?;
        }
        Ok(())
    }
}

fn append(path: &Path) -> std::io::Result<fs_err::File> {
    fs_err::OpenOptions::new().create(true).append(true).open(path)
}

/// As many whole lines as there are; of a line longer than a whole segment, what fits.
fn whole_lines(bytes: &[u8], is_all_there_is: bool) -> &[u8] {
    match bytes.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => &bytes[..=end],
        None if is_all_there_is => bytes,
        None => &[],
    }
}
