//! `crannog endpoint stats` and `history`: what an endpoint did.

use super::{path_of, text};
use crate::{
    cli::{Failure, client::Client, print, print_json, table},
    kernel::clock::rfc3339,
};
use serde_json::Value;

pub async fn stats(client: &Client, name: &str, json: bool) -> Result<(), Failure> {
    let answer = client.get(&format!("{}/stats", path_of(name))).await?;
    if json {
        return print_json(&answer);
    }
    if list(&answer, "versions").is_empty() {
        eprintln!("Nobody has asked endpoint {name} since the server started.");
    }
    let heads =
        ["VERSION", "REQUESTS", "FAILED", "REFUSED", "REQ/S", "P50 MS", "P95 MS", "P99 MS", "AGREEMENT"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for version in list(&answer, "versions") {
        let latency = &version["latency_ms"];
        let shadow = &version["shadow"];
        let agreement = shadow["agreement"].as_f64().map_or_else(
            || "-".into(),
            |share| format!("{:.1} % of {}", share * 100.0, text(&shadow["rows"])),
        );
        rows.push(vec![
            format!("{} v{}", text(&version["model"]), text(&version["version"])),
            text(&version["requests"]),
            text(&version["errors"]),
            text(&version["refused"]),
            text(&version["requests_per_s"]),
            text(&latency["p50"]),
            text(&latency["p95"]),
            text(&latency["p99"]),
            agreement,
        ]);
    }
    print(&table(&rows))?;
    for failure in list(&answer, "failures").iter().take(10) {
        let [at, status, id, message] =
            ["at", "status", "request_id", "message"].map(|field| text(&failure[field]));
        eprintln!("{at} {status} request {id}: {message}");
    }
    Ok(())
}

pub async fn history(client: &Client, name: &str, json: bool) -> Result<(), Failure> {
    let answer = client.get(&format!("{}/history", path_of(name))).await?;
    if json {
        return print_json(&answer["history"]);
    }
    let mut rows = vec![["TIME", "WHAT", "ROUTE", "VERSION", "BY", "NOTE"].map(str::to_owned).to_vec()];
    rows.extend(list(&answer, "history").iter().map(|what| {
        let at = what["at_ms"].as_i64().map(rfc3339).unwrap_or_default();
        let [kind, route, version, user, note] =
            ["kind", "route", "version", "user", "note"].map(|field| text(&what[field]));
        vec![at, kind, route, version, user, note]
    }));
    print(&table(&rows))
}

fn list<'a>(answer: &'a Value, field: &str) -> &'a [Value] {
    answer[field].as_array().map_or(&[], Vec::as_slice)
}
