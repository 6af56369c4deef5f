//! Looking for things: a month of runs, and lines of a log.

use super::Answer;
use crate::{
    auth::Viewer,
    kernel::{
        clock::rfc3339,
        error::{Error, Result},
        http::Json,
    },
    pipelines::{calendar, log, service::Service},
};
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};

/// Lines that are answered; more are counted.
const MAX_LINES: usize = 500;
/// Characters of a line that are answered, and bytes that are looked at.
const LINE_SHOWN: usize = 1_000;
const LINE_READ: u64 = 64 << 10;

#[derive(Deserialize)]
pub(super) struct CalendarQuery {
    month: Option<String>,
}

pub(super) async fn month(
    _: Viewer,
    State(service): State<Service>,
    Path(name): Path<String>,
    Query(query): Query<CalendarQuery>,
) -> Answer {
    let month = calendar::month(&service, &name, query.month.as_deref()).await?;
    let days = month.days.iter().map(|day| {
        let runs = day
            .runs
            .iter()
            .map(|(id, state, at)| json!({ "id": id, "state": state.as_str(), "logical_at": rfc3339(*at) }));
        json!({
            "day": day.date.to_string(),
            "states": day.states,
            "planned": day.planned,
            "runs": runs.collect::<Vec<_>>(),
        })
    });
    Ok(Json(json!({
        "month": month.first.format("%Y-%m").to_string(),
        "timezone": month.zone.name(),
        "today": month.today.to_string(),
        "days": days.collect::<Vec<_>>(),
    })))
}

#[derive(Deserialize)]
pub(super) struct SearchQuery {
    attempt: Option<u32>,
    q: String,
}

/// The lines of a log that hold a text, whatever its case.
pub(super) async fn lines(
    _: Viewer,
    State(service): State<Service>,
    Path((run, task)): Path<(String, String)>,
    Query(query): Query<SearchQuery>,
) -> Answer {
    if query.q.is_empty() {
        return Err(Error::invalid("Give the text to look for as q.").into());
    }
    let place = service.log(&run, &task, query.attempt).await?;
    let search =
        move || -> Result<Value> { search(BufReader::new(log::Reader::open(&place.path)?), &query.q) };
    Ok(Json(tokio::task::spawn_blocking(search).await.map_err(Error::internal)??))
}

fn search(mut log: impl BufRead, wanted: &str) -> Result<Value> {
    let wanted = wanted.to_lowercase();
    let (mut found, mut total, mut number, mut line) = (Vec::new(), 0, 0, Vec::new());
    loop {
        line.clear();
        if log.by_ref().take(LINE_READ).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        number += 1;
        let text = String::from_utf8_lossy(&line);
        if text.to_lowercase().contains(&wanted) {
            total += 1;
            if found.len() < MAX_LINES {
                let shown: String = text.trim_end().chars().take(LINE_SHOWN).collect();
                found.push(json!({ "line": number, "text": shown }));
            }
        }
        if line.last() != Some(&b'\n') {
            skip_line(&mut log)?;
        }
    }
    Ok(json!({ "more": total > found.len(), "lines": found, "total": total }))
}

/// Passes over the rest of a line that is longer than anybody reads.
fn skip_line(log: &mut impl BufRead) -> Result<()> {
    loop {
        let some = log.fill_buf()?;
        let (end, used) = match some.iter().position(|byte| *byte == b'\n') {
            Some(at) => (true, at + 1),
            None => (some.is_empty(), some.len()),
        };
        log.consume(used);
        if end {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::search;

    #[test]
    fn lines_are_found_whatever_their_case_and_numbered_past_endless_ones() {
        let log = format!("Start\n{}\nan ERROR here\nlast error", "x".repeat(200_000));
        let found = search(log.as_bytes(), "error").unwrap();
        assert_eq!(found["total"], 2);
        assert_eq!(
            (&found["lines"][0]["line"], &found["lines"][0]["text"]),
            (&3.into(), &"an ERROR here".into())
        );
        assert_eq!(found["lines"][1]["line"], 4);
        let many = "hit\n".repeat(900);
        let found = search(many.as_bytes(), "hit").unwrap();
        assert_eq!((&found["total"], &found["more"]), (&900.into(), &true.into()));
        assert_eq!(search(&b""[..], "a").unwrap()["total"], 0);
    }
}
