//! Task logs: a page from an offset, and a live stream that ends with the attempt.

use crate::{
    auth::Viewer,
    kernel::{
        error::{Error, Result},
        http::{Json, Problem},
    },
    pipelines::{
        log,
        service::{LogPlace, Service},
    },
};
use axum::{
    extract::{Path, Query, State},
    response::sse::{Event, KeepAlive, Sse},
};
use futures::{Stream, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{convert::Infallible, time::Duration};

/// Bytes of log in one answer.
const PAGE: u64 = 256 << 10;
/// How often a live stream looks for more.
const POLL: Duration = Duration::from_millis(200);

#[derive(Deserialize)]
pub(super) struct LogQuery {
    attempt: Option<u32>,
    #[serde(default)]
    offset: u64,
}

/// Where a piece may end while more follows.
#[derive(Clone, Copy)]
pub(in crate::pipelines) enum Cut {
    Characters,
    Lines,
}

/// A piece of a log.
pub(in crate::pipelines) struct Piece {
    pub text: String,
    pub next_offset: u64,
    /// Nothing follows, and nothing will.
    pub done: bool,
}

pub(super) async fn page(
    _: Viewer,
    State(service): State<Service>,
    Path((run, task)): Path<(String, String)>,
    Query(query): Query<LogQuery>,
) -> Result<Json<Value>, Problem> {
    let place = service.log(&run, &task, query.attempt).await?;
    let attempt = place.attempt;
    let piece = read(place, query.offset, Cut::Characters).await?;
    Ok(Json(json!({
        "text": piece.text,
        "next_offset": piece.next_offset,
        "done": piece.done,
        "attempt": attempt,
    })))
}

pub(super) async fn stream(
    _: Viewer,
    State(service): State<Service>,
    Path((run, task)): Path<(String, String)>,
    Query(query): Query<LogQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    service.log(&run, &task, query.attempt).await?;
    let tail = Tail { service, run, task, attempt: query.attempt, offset: query.offset, ended: false };
    Ok(Sse::new(stream::unfold(tail, |mut tail| async move {
        let event = tail.next().await?;
        Some((Ok(event), tail))
    }))
    .keep_alive(KeepAlive::default()))
}

/// A reader that follows a log to its end.
struct Tail {
    service: Service,
    run: String,
    task: String,
    attempt: Option<u32>,
    offset: u64,
    ended: bool,
}

impl Tail {
    /// The next event: more text, or `done`, after which there is none.
    async fn next(&mut self) -> Option<Event> {
        while !self.ended {
            let piece = match self.look().await {
                Ok(piece) => piece,
                Err(error) => {
                    self.ended = true;
                    let problem = json!({ "detail": error.message });
                    return Some(Event::default().event("problem").data(problem.to_string()));
                }
            };
            if !piece.text.is_empty() {
                let data = json!({ "text": piece.text, "offset": self.offset });
                self.offset = piece.next_offset;
                return Some(Event::default().event("log").data(data.to_string()));
            }
            if piece.done {
                self.ended = true;
                return Some(Event::default().event("done").data("{}"));
            }
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = self.service.stopping() => self.ended = true,
            }
        }
        None
    }

    async fn look(&mut self) -> Result<Piece> {
        let place = self.service.log(&self.run, &self.task, self.attempt).await?;
        // Stay with the attempt the stream began with: another has a log of its own.
        if place.attempt > 0 {
            self.attempt = Some(place.attempt);
        }
        read(place, self.offset, Cut::Characters).await
    }
}

pub(in crate::pipelines) async fn read(place: LogPlace, offset: u64, cut: Cut) -> Result<Piece> {
    tokio::task::spawn_blocking(move || read_piece(&place, offset, cut)).await.map_err(Error::internal)?
}

fn read_piece(place: &LogPlace, offset: u64, cut: Cut) -> Result<Piece> {
    let log::Piece { mut bytes, next, is_note, more } = log::piece(&place.path, offset, PAGE)?;
    let full = bytes.len() as u64 == PAGE;
    // A character cut in two by the page or by the moment waits for its rest.
    if full || !(place.complete || more) {
        bytes.truncate(match (cut, bytes.iter().rposition(|byte| *byte == b'\n')) {
            (Cut::Lines, Some(end)) => end + 1,
            // Nothing but the beginning of a line: it waits for its end, unless it fills a page.
            (Cut::Lines, None) if !full => 0,
            _ => whole_characters(&bytes),
        });
    }
    let next_offset = if is_note { next } else { offset + bytes.len() as u64 };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Piece { text, next_offset, done: place.complete && !more })
}

/// The length without an unfinished character at the end; a byte that can never become part of
/// one counts as finished.
fn whole_characters(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(3);
    for start in (tail..bytes.len()).rev() {
        let width = match bytes[start] {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            0x80..=0xBF => continue,
            _ => break,
        };
        return if start + width > bytes.len() { start } else { bytes.len() };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::whole_characters;

    #[test]
    fn a_cut_character_is_held_back_and_rubbish_is_not() {
        for (text, cut) in [("abc", 0), ("aé", 0), ("aé", 1), ("a€", 1), ("a€", 2), ("a😀", 1), ("a😀", 3)]
        {
            let bytes = &text.as_bytes()[..text.len() - cut];
            assert_eq!(whole_characters(bytes), if cut == 0 { text.len() } else { 1 }, "{text} less {cut}");
        }
        assert_eq!(whole_characters(b"a\xFF\x80\x80"), 4);
        assert_eq!(whole_characters(b""), 0);
    }
}
