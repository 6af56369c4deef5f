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
/// By how much a segment may grow beyond its size for the end of a line that began in it.
const LINE_MAX: u64 = 64 << 10;

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
    /// The last byte was not the end of a line.
    is_in_line: bool,
}

impl Log {
    fn open(path: PathBuf, limit: u64) -> std::io::Result<Self> {
        let file = append(&path)?;
        let length = file.metadata()?.len();
        let size = (limit / SEGMENTS).max(1);
        Ok(Self { path, size, file, later: VecDeque::new(), start: 0, length, is_in_line: false })
    }

    fn write(&mut self, mut bytes: &[u8]) -> std::io::Result<()> {
        while !bytes.is_empty() {
            let piece = self.fitting(bytes);
            self.file.write_all(piece)?;
            self.length += piece.len() as u64;
            self.is_in_line = piece.last().map_or(self.is_in_line, |last| *last != b'\n');
            bytes = &bytes[piece.len()..];
            if !bytes.is_empty() {
                self.turn()?;
            }
        }
        Ok(())
    }

    /// What of it goes into this segment: whole lines, as what follows them may be dropped. Of a line that is longer
    /// than the segment, what fits.
    fn fitting<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let until = |size: u64| {
            let room = usize::try_from(size.saturating_sub(self.length)).unwrap_or(usize::MAX);
            bytes.get(..room).unwrap_or(bytes)
        };
        let is_end = |byte: &u8| *byte == b'\n';
        let within = until(self.size);
        if within.len() == bytes.len() {
            return bytes;
        }
        if let Some(end) = within.iter().rposition(is_end) {
            return &within[..=end];
        }
        if self.length > 0 && !self.is_in_line {
            return &[];
        }
        let beyond = until(self.size + LINE_MAX.min(self.size));
        beyond.iter().position(is_end).map_or(beyond, |end| &beyond[..=end])
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

#[cfg(test)]
mod tests {
    use super::{LINE_MAX, Log};

    /// A log with segments of eight bytes into which nothing was turned yet, so that no stderr is moved.
    fn log() -> (tempfile::TempDir, Log) {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(dir.path().join("log"), 64).unwrap();
        (dir, log)
    }

    #[test]
    fn a_line_that_began_in_a_segment_ends_in_it() {
        let (_dir, mut log) = log();
        assert_eq!(log.fitting(b"one\ntwo\nthree\n"), b"one\ntwo\n");
        log.write(b"one\ntw").unwrap();
        assert_eq!(log.fitting(b"o five\nthree\n"), b"o five\n");
        log.write(b"o\n").unwrap();
        assert_eq!(log.fitting(b"three\n"), b"", "a line for the next segment");
    }

    #[test]
    fn a_line_longer_than_a_segment_is_cut() {
        let (_dir, mut log) = log();
        assert_eq!(log.fitting(&[b'x'; 100]), &[b'x'; 16]);
        log.write(b"xx").unwrap();
        assert_eq!(log.fitting(&[b'x'; 100]), &[b'x'; 14]);
        let large = Log { size: 4 * LINE_MAX, ..log };
        assert_eq!(large.fitting(&vec![b'x'; 1 << 20]).len() as u64, 5 * LINE_MAX - 2);
    }
}
