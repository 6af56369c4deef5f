//! `crannog endpoint canary`: a version on trial.

use super::{path_of, text};
use crate::cli::{Failure, client::Client, print, print_json, table};
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// How often `--wait` asks.
const POLL: Duration = Duration::from_millis(500);

#[derive(Args)]
pub struct Canary {
    name: String,
    /// Begin: the version of the champion's model that is tried
    #[arg(long, value_name = "VERSION", conflicts_with = "model")]
    version: Option<String>,
    /// Begin: the model that is tried, e.g. models:/delay@challenger
    #[arg(long, value_name = "URI")]
    model: Option<String>,
    /// A share and its time, in order, e.g. --step 5:10m --step 50:1h; 0 only compares [default: 5:10m 25:10m 50:10m]
    #[arg(long = "step", value_name = "PERCENT:TIME", value_parser = step)]
    steps: Vec<Value>,
    /// The share of requests that may fail [default: 0.01]
    #[arg(long, value_name = "SHARE")]
    error_rate: Option<f64>,
    /// The most its 95th percentile may be
    #[arg(long, value_name = "MS")]
    p95_ms: Option<f64>,
    /// How many times the champion's its 95th percentile may be
    #[arg(long, value_name = "TIMES")]
    p95_ratio: Option<f64>,
    /// The share of rows that it and the champion must answer alike
    #[arg(long, value_name = "SHARE")]
    agreement: Option<f64>,
    /// Requests of each step before its gates are believed [default: 100]
    #[arg(long, value_name = "N")]
    min_requests: Option<u64>,
    /// Wait for the end; fails when it is rolled back
    #[arg(long)]
    wait: bool,
    /// Promote the one that runs now, whatever its gates say
    #[arg(long, conflicts_with_all = ["version", "model", "stop"])]
    promote: bool,
    /// Roll the one that runs back
    #[arg(long, conflicts_with_all = ["version", "model"])]
    stop: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

fn step(text: &str) -> Result<Value, String> {
    let (weight, time) = text.split_once(':').ok_or("write it as PERCENT:TIME, such as 5:10m")?;
    let weight: f64 = weight.parse().map_err(|_| format!("{weight:?} is not a percentage"))?;
    Ok(json!({ "weight": weight, "seconds": seconds(time)? }))
}

fn seconds(text: &str) -> Result<u64, String> {
    let unit = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let scale = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("a time needs a unit, as in 30s, 10m, 12h or 1d".into()),
    };
    let number: u64 = number.parse().map_err(|_| format!("{text:?} is not a time such as 10m"))?;
    number.checked_mul(scale).ok_or_else(|| format!("{text:?} is too long"))
}

pub async fn canary(client: &Client, wanted: &Canary) -> Result<(), Failure> {
    let path = format!("{}/canary", path_of(&wanted.name));
    let mut canary = if wanted.promote {
        client.post(&format!("{path}/promote"), &Value::Null).await?
    } else if wanted.stop {
        client.answer(client.request(Method::DELETE, &path)).await?
    } else if wanted.version.is_some() || wanted.model.is_some() {
        client.post(&path, &body(wanted)).await?
    } else {
        client.get(&path).await?
    };
    while wanted.wait && is_running(&canary) {
        tokio::time::sleep(POLL).await;
        let now = client.get(&path).await?;
        if now["note"] != canary["note"] {
            eprintln!("{}", text(&now["note"]));
        }
        canary = now;
    }
    if wanted.json {
        print_json(&canary)?
    } else {
        show(&canary)?
    }
    if wanted.wait && canary["status"] == "rolled_back" {
        return Err(Failure::failed(format!(
            "version {} was rolled back: {}",
            text(&canary["version"]),
            text(&canary["note"])
        )));
    }
    if is_running(&canary) {
        eprintln!("Next: crannog endpoint canary {} --wait", wanted.name);
    }
    Ok(())
}

fn is_running(canary: &Value) -> bool {
    canary["status"] == "running" || canary["status"] == "promoting"
}

/// What was not said is left to the server.
fn body(wanted: &Canary) -> Value {
    let mut gates = json!({});
    let said = [
        ("error_rate", wanted.error_rate.map(Value::from)),
        ("p95_ms", wanted.p95_ms.map(Value::from)),
        ("p95_ratio", wanted.p95_ratio.map(Value::from)),
        ("agreement", wanted.agreement.map(Value::from)),
        ("min_requests", wanted.min_requests.map(Value::from)),
    ];
    for (name, value) in said {
        if let Some(value) = value {
            gates[name] = value;
        }
    }
    let mut body = json!({ "version": wanted.version, "model": wanted.model, "gates": gates });
    if !wanted.steps.is_empty() {
        body["steps"] = Value::Array(wanted.steps.clone());
    }
    body
}

fn show(canary: &Value) -> Result<(), Failure> {
    let figures = &canary["figures"];
    let steps = canary["steps"].as_array().map_or(&[][..], Vec::as_slice);
    let steps: Vec<_> = steps
        .iter()
        .map(|step| format!("{} % for {} s", text(&step["weight"]), text(&step["seconds"])))
        .collect();
    let step = canary["step"].as_u64().map_or(0, |step| step + 1);
    let rows = [
        ("Version", format!("{} against {}", text(&canary["version"]), text(&canary["champion"]))),
        ("Status", text(&canary["status"])),
        ("Note", text(&canary["note"])),
        ("Step", format!("{step} of {}: {}", steps.len(), steps.join(", "))),
        ("Requests", format!("{} ({} failed)", text(&figures["requests"]), text(&figures["errors"]))),
        (
            "p95",
            format!("{} ms, champion {} ms", text(&figures["p95_ms"]), text(&figures["champion_p95_ms"])),
        ),
        ("Agreement", format!("{} of {} rows", text(&figures["agreed"]), text(&figures["compared"]))),
    ];
    print(&table(&rows.map(|(name, value)| vec![name.to_owned(), value])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_share_and_a_time() {
        assert_eq!(step("5:10m"), Ok(json!({ "weight": 5.0, "seconds": 600 })));
        assert_eq!(step("0.5:1d"), Ok(json!({ "weight": 0.5, "seconds": 86_400 })));
        for wrong in ["5", "5:10", "x:10m", "5:m", "5:99999999999999999999d", "5:9999999999999999d"] {
            assert!(step(wrong).is_err(), "{wrong}");
        }
    }
}
