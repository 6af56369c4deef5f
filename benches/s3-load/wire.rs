//! One keep-alive connection: sends a request, reads the answer, checks its length.

use crate::{
    Failed, Result,
    sign::{Target, head},
};
use std::{
    io::{IoSlice, Read, Write},
    net::TcpStream,
    os::fd::AsRawFd,
    time::Duration,
};

/// A silent server is a failure, not a reason to wait for ever.
const PATIENCE: Duration = Duration::from_secs(60);
const BUFFER: usize = 256 << 10;

pub struct Connection {
    target: Target,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

pub struct Answer {
    pub status: u16,
    pub length: u64,
    pub etag: String,
    /// Empty unless it was asked for.
    pub body: String,
}

/// What a request is made of.
#[derive(Default)]
pub struct Ask<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
    pub keep: bool,
}

impl Connection {
    pub fn new(target: &Target) -> Self {
        Self { target: target.clone(), stream: None, buffer: vec![0; BUFFER] }
    }

    /// An answer of whatever status.
    pub fn ask(&mut self, ask: &Ask<'_>) -> Result<Answer> {
        let outcome = self.exchange(ask);
        if outcome.is_err() {
            self.stream = None;
        }
        outcome
    }

    /// An answer of success, or the refusal as a failure.
    pub fn succeed(&mut self, ask: &Ask<'_>) -> Result<Answer> {
        let answer = self.ask(ask)?;
        match answer.status {
            200..300 => Ok(answer),
            status => Err(Failed(format!("{} {}: {status} {}", ask.method, ask.path, answer.body))),
        }
    }

    /// The open connection, for a caller that sends a request by its own hand.
    pub fn stream(&mut self) -> Result<&mut TcpStream> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(&self.target.host)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            self.stream = Some(stream);
        }
        self.stream.as_mut().ok_or_else(|| Failed("no connection".into()))
    }

    fn exchange(&mut self, ask: &Ask<'_>) -> Result<Answer> {
        let mut text = head(&self.target, ask.method, ask.path, ask.query);
        if matches!(ask.method, "PUT" | "POST") {
            text.push_str(&format!("Content-Length: {}\r\n", ask.body.len()));
        }
        text.push_str("\r\n");
        let stream = self.stream()?;
        send(stream, text.as_bytes(), ask.body)?;
        acknowledge_at_once(stream);
        let (head, have) = self.read_head()?;
        let status = head.get(9..12).and_then(|digits| digits.parse().ok());
        let status = status.ok_or_else(|| Failed(format!("not an answer: {head:.60}")))?;
        let mut answer = Answer { status, length: 0, etag: header(&head, "etag"), body: String::new() };
        let keep = ask.keep || status >= 300;
        let mut body = self.buffer[head.len()..have].to_vec();
        if header(&head, "transfer-encoding").eq_ignore_ascii_case("chunked") {
            let whole = self.read_chunked(body)?;
            answer.length = whole.len() as u64;
            body = whole;
        } else {
            let length = header(&head, "content-length").parse().unwrap_or(0);
            answer.length = self.read_exactly(length, &mut body, keep)?;
        }
        if keep {
            answer.body = String::from_utf8_lossy(&body).into_owned();
        }
        if header(&head, "connection").eq_ignore_ascii_case("close") {
            self.stream = None;
        }
        Ok(answer)
    }

    /// The answer's head as text, and how many bytes of the buffer are filled.
    fn read_head(&mut self) -> Result<(String, usize)> {
        let mut have = 0;
        loop {
            have += self.fill(have)?;
            if let Some(at) = find(&self.buffer[..have], b"\r\n\r\n") {
                return Ok((String::from_utf8_lossy(&self.buffer[..at + 4]).into_owned(), have));
            }
            if have == self.buffer.len() {
                return Err(Failed("the answer's head does not end".into()));
            }
        }
    }

    fn read_exactly(&mut self, length: u64, body: &mut Vec<u8>, keep: bool) -> Result<u64> {
        let mut got = body.len() as u64;
        while got < length {
            let read = self.fill(0)?;
            got += read as u64;
            if keep {
                body.extend_from_slice(&self.buffer[..read]);
            }
        }
        Ok(got)
    }

    fn read_chunked(&mut self, mut raw: Vec<u8>) -> Result<Vec<u8>> {
        let (mut whole, mut at) = (Vec::new(), 0);
        loop {
            match chunk(&raw[at..])? {
                Some((range, _)) if range.is_empty() => return Ok(whole),
                Some((range, end)) => {
                    whole.extend_from_slice(&raw[at + range.start..at + range.end]);
                    at += end;
                }
                None => {
                    let read = self.fill(0)?;
                    raw.extend_from_slice(&self.buffer[..read]);
                }
            }
        }
    }

    fn fill(&mut self, from: usize) -> Result<usize> {
        let Some(stream) = self.stream.as_mut() else { return Err(Failed("no connection".into())) };
        match stream.read(&mut self.buffer[from..])? {
            0 => Err(Failed("the server closed the connection".into())),
            read => Ok(read),
        }
    }
}

/// Head and body in as few system calls as the socket takes.
fn send(stream: &mut TcpStream, head: &[u8], body: &[u8]) -> Result<()> {
    let sent = stream.write_vectored(&[IoSlice::new(head), IoSlice::new(body)])?;
    if sent < head.len() {
        stream.write_all(&head[sent..])?;
    }
    stream.write_all(&body[sent.saturating_sub(head.len())..])?;
    Ok(())
}

/// Spares a server that forgot TCP_NODELAY the 40 ms it would wait for our delayed acknowledgement: what
/// a usual client sees of that is measured with boto3. The kernel forgets the wish, so it is said each time.
fn acknowledge_at_once(stream: &TcpStream) {
    const IPPROTO_TCP: i32 = 6;
    const TCP_QUICKACK: i32 = 12;
    unsafe extern "C" {
        fn setsockopt(socket: i32, level: i32, name: i32, value: *const i32, length: u32) -> i32;
    }
    let yes = 1;
    // SAFETY: the socket is open for as long as `stream` is borrowed, and the value outlives the call.
    unsafe { setsockopt(stream.as_raw_fd(), IPPROTO_TCP, TCP_QUICKACK, &yes, 4) };
}

/// Where the first chunk's bytes lie and where the next begins; none while it is not all there.
fn chunk(raw: &[u8]) -> Result<Option<(std::ops::Range<usize>, usize)>> {
    let Some(line) = find(raw, b"\r\n") else { return Ok(None) };
    let size =
        std::str::from_utf8(&raw[..line]).ok().and_then(|text| usize::from_str_radix(text.trim(), 16).ok());
    let size = size.ok_or_else(|| Failed("a chunk without a size".into()))?;
    let (start, end) = (line + 2, line + 4 + size);
    Ok((raw.len() >= end).then_some((start..start + size, end)))
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// A header's value, or nothing.
fn header(head: &str, name: &str) -> String {
    let line = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    line.into_iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map_or(String::new(), |(_, value)| value.trim().to_owned())
}
