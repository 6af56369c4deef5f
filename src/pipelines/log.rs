//! The log of an attempt on disk: the file `log`, and where a task writes much, segments `log.N` beside it, each
//! named by the place at which it begins. Its beginning and its newest segments are kept; places are counted as
//! if nothing were missing, so that who follows a log is never led astray.

use std::{
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// A part of the log that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The place of its first byte.
    pub start: u64,
    pub path: PathBuf,
}

/// What stands one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    File(Segment),
    /// Bytes that were dropped.
    Missing(u64),
}

/// The segments of a log that are there now, in their order.
pub fn segments(log: &Path) -> io::Result<Vec<Segment>> {
    let (Some(folder), Some(name)) = (log.parent(), log.file_name()) else { return Ok(Vec::new()) };
    let prefix = format!("{}.", name.to_string_lossy());
    let mut found = Vec::new();
    let entries = match fs_err::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries?,
    };
    for entry in entries.flatten() {
        let start = match entry.file_name().to_str() {
            Some(one) if one == name => Some(0),
            Some(one) => one.strip_prefix(&prefix).and_then(|start| start.parse().ok()),
            None => None,
        };
        found.extend(start.map(|start| Segment { start, path: entry.path() }));
    }
    found.sort_by_key(|segment| segment.start);
    Ok(found)
}

/// The segments with what is missing between them.
pub fn parts(log: &Path) -> io::Result<Vec<Part>> {
    let (mut parts, mut end) = (Vec::new(), 0);
    for segment in segments(log)? {
        let length = match fs_err::metadata(&segment.path) {
            // Dropped since the look.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            about => about?.len(),
        };
        if segment.start > end {
            parts.push(Part::Missing(segment.start - end));
        }
        end = segment.start + length;
        if length > 0 {
            parts.push(Part::File(segment));
        }
    }
    Ok(parts)
}

/// What stands in the place of bytes that are missing.
pub fn note(bytes: u64) -> String {
    let much = if bytes < 1 << 20 { format!("{bytes} bytes") } else { format!("{} MiB", bytes >> 20) };
    format!(
        "[crannog] {much} of the log are missing here: of a long one the beginning and the newest part are kept\n"
    )
}

/// Reads a log to its end as it stands, the notes in their places.
pub struct Reader {
    parts: std::vec::IntoIter<Part>,
    now: Box<dyn Read + Send>,
}

impl Reader {
    pub fn open(log: &Path) -> io::Result<Self> {
        Ok(Self { parts: parts(log)?.into_iter(), now: Box::new(io::empty()) })
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.now.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            self.now = match self.parts.next() {
                None => return Ok(0),
                Some(Part::Missing(bytes)) => Box::new(io::Cursor::new(note(bytes))),
                Some(Part::File(segment)) => match fs_err::File::open(segment.path) {
                    // Dropped since the look: the task writes faster than it is read.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Box::new(io::empty()),
                    file => Box::new(file?),
                },
            };
        }
    }
}

/// A piece of a log from a place on.
pub struct Piece {
    pub bytes: Vec<u8>,
    /// Where the log goes on.
    pub next: u64,
    /// It is a note, which stands for the bytes up to there.
    pub is_note: bool,
    /// More follows, though it may not be written yet where this is false.
    pub more: bool,
}

/// At most so many bytes from a place on, of one segment.
pub fn piece(log: &Path, offset: u64, most: u64) -> io::Result<Piece> {
    loop {
        match piece_of(&segments(log)?, offset, most) {
            // Dropped since the look; the next one knows.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            outcome => return outcome,
        }
    }
}

fn piece_of(segments: &[Segment], offset: u64, most: u64) -> io::Result<Piece> {
    let at = segments.iter().rposition(|segment| segment.start <= offset);
    let next = segments.get(at.map_or(0, |at| at + 1));
    let mut bytes = Vec::new();
    if let Some(segment) = at.and_then(|at| segments.get(at)) {
        let mut file = fs_err::File::open(&segment.path)?;
        file.seek(SeekFrom::Start(offset - segment.start))?;
        file.take(most).read_to_end(&mut bytes)?;
    }
    let end = offset + bytes.len() as u64;
    match next {
        // It was all read, and what follows it is missing.
        Some(next) if bytes.is_empty() && next.start > end => {
            let note = note(next.start - end).into_bytes();
            Ok(Piece { bytes: note, next: next.start, is_note: true, more: true })
        }
        next => {
            let more = next.is_some() || bytes.len() as u64 == most;
            Ok(Piece { bytes, next: end, is_note: false, more })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Reader, note, piece};
    use std::io::Read;

    fn log(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs_err::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    #[test]
    fn segments_are_one_log_and_what_is_missing_is_told_once() {
        let dir = log(&[("log", "one\n"), ("log.4", "two\n"), ("log.20", "three\n"), ("output", "x")]);
        let path = dir.path().join("log");
        let mut whole = String::new();
        Reader::open(&path).unwrap().read_to_string(&mut whole).unwrap();
        assert_eq!(whole, format!("one\ntwo\n{}three\n", note(12)));

        let (mut read, mut offset) = (String::new(), 0);
        loop {
            let piece = piece(&path, offset, 3).unwrap();
            offset = piece.next;
            read += &String::from_utf8(piece.bytes).unwrap();
            if !piece.more {
                break;
            }
        }
        assert_eq!((read.as_str(), offset), (whole.as_str(), 26));
    }

    #[test]
    fn who_follows_is_led_over_what_was_dropped_meanwhile() {
        let dir = log(&[("log", "one\n"), ("log.20", "three\n")]);
        for offset in [4, 9, 19] {
            let piece = piece(&dir.path().join("log"), offset, 100).unwrap();
            assert_eq!((String::from_utf8(piece.bytes).unwrap(), piece.next), (note(20 - offset), 20));
            assert!(piece.is_note);
        }
    }

    #[test]
    fn a_log_that_is_not_there_is_empty() {
        let dir = log(&[]);
        let piece = piece(&dir.path().join("log"), 0, 100).unwrap();
        assert!(piece.bytes.is_empty() && !piece.more && piece.next == 0);
        let piece = super::piece(&dir.path().join("gone/log"), 7, 100).unwrap();
        assert!(piece.bytes.is_empty() && piece.next == 7);
    }
}
