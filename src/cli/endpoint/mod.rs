//! `crannog endpoint`: make, list, show, delete and ask the endpoints that serve models, and roll models out.

mod canary;
mod split;
mod stats;

use super::{Failure, Global, client::Client, failure::Code, print, print_json, table, wait_for};
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};
use std::{io::Read, path::PathBuf};

const PATH: &str = "/api/crannog/v1/endpoints";

#[derive(Subcommand)]
pub enum Command {
    /// List the endpoints
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Serve a model under a name, or point that name at another model
    Create {
        name: String,
        /// models:/NAME@ALIAS to follow an alias, models:/NAME/VERSION for a fixed version
        #[arg(long, value_name = "URI")]
        model: String,
        #[command(flatten)]
        options: Options,
    },
    /// Show one endpoint: its model, state, inputs and latency
    Show {
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Share an endpoint's requests between models: weights, headers, shadows
    Split(split::Split),
    /// Try a version on a growing share of the requests; it is promoted or rolled back by itself
    Canary(canary::Canary),
    /// Go back to the version served before; a canary that runs is what is gone back from first
    Rollback {
        name: String,
        /// Go back to this version
        #[arg(long)]
        version: Option<String>,
    },
    /// Show what each version did: requests, errors, latency, agreement
    Stats {
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what happened to an endpoint, newest first
    History {
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Stop serving under a name; the model itself stays in the registry
    Delete { name: String },
    /// Ask an endpoint for predictions; the request is MLflow's JSON
    Predict {
        name: String,
        /// The request, e.g. '{"inputs": [[1, 2]]}'
        #[arg(long, value_name = "JSON", conflicts_with = "file")]
        json: Option<String>,
        /// A file with the request, .csv or .json; - reads standard input [default: the model's own example]
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// What an endpoint has besides its model.
#[derive(clap::Args)]
pub struct Options {
    /// Requests that run at once; the cores of the machine bound it anyway
    #[arg(long, value_name = "N")]
    concurrency: Option<u32>,
    /// Requests that may wait; past it they are answered 429
    #[arg(long, value_name = "N")]
    queue: Option<u32>,
    /// A request that waited longer is not run, and answered 504
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
    /// Keep this share of the predictions in a bucket, as Parquet
    #[arg(long, value_name = "SHARE")]
    log_sample: Option<f64>,
    /// The bucket they are kept in [default: prediction-log]
    #[arg(long, value_name = "BUCKET", requires = "log_sample")]
    log_bucket: Option<String>,
    /// A webhook that hears when a canary starts, is promoted or rolled back; `crannog webhook` makes one
    #[arg(long, value_name = "WEBHOOK")]
    notify: Vec<String>,
}

impl Options {
    /// The definition of an endpoint with this model.
    fn definition(&self, model: &str) -> Value {
        let mut definition = json!({ "model": model, "limits": {} });
        let limits = [
            ("concurrency", self.concurrency.map(Value::from)),
            ("queue", self.queue.map(Value::from)),
            ("timeout_ms", self.timeout_ms.map(Value::from)),
        ];
        for (name, limit) in limits {
            if let Some(limit) = limit {
                definition["limits"][name] = limit;
            }
        }
        if let Some(sample) = self.log_sample {
            definition["log"] = json!({ "sample": sample });
            if let Some(bucket) = &self.log_bucket {
                definition["log"]["bucket"] = bucket.as_str().into();
            }
        }
        if !self.notify.is_empty() {
            definition["notify"] = self.notify.clone().into();
        }
        definition
    }
}

pub fn run(global: &Global, command: &Command) -> Result<(), Failure> {
    let client = Client::find(global)?;
    match command {
        Command::List { json } => list(&client, *json),
        Command::Create { name, model, options } => create(&client, name, model, options),
        Command::Show { name, json } => show(&client, name, *json),
        Command::Split(wanted) => wait_for(split::split(&client, wanted)),
        Command::Canary(wanted) => wait_for(canary::canary(&client, wanted)),
        Command::Rollback { name, version } => wait_for(split::roll_back(&client, name, version.as_deref())),
        Command::Stats { name, json } => wait_for(stats::stats(&client, name, *json)),
        Command::History { name, json } => wait_for(stats::history(&client, name, *json)),
        Command::Delete { name } => wait_for(client.delete(&path_of(name))),
        Command::Predict { name, json, file } => predict(&client, name, json.as_deref(), file.as_deref()),
    }
}

fn list(client: &Client, json: bool) -> Result<(), Failure> {
    let answer = wait_for(client.get(PATH))?;
    if json {
        return print_json(&answer);
    }
    let endpoints = answer["endpoints"].as_array().map_or(&[][..], Vec::as_slice);
    if endpoints.is_empty() {
        eprintln!(
            "No endpoints yet. Serve a model: crannog endpoint create NAME --model models:/MODEL@ALIAS"
        );
        return Ok(());
    }
    let heads =
        ["NAME", "HEALTH", "MODEL", "SERVES", "REQ/S", "REQUESTS", "ERRORS", "P50 MS", "P95 MS", "P99 MS"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(endpoints.iter().map(|endpoint| {
        let mut row: Vec<_> = ["name", "health", "model"].map(|field| text(&endpoint[field])).into();
        row.push(serves(endpoint));
        row.extend(["requests_per_s", "requests", "errors"].map(|field| text(&endpoint[field])));
        row.extend(["p50", "p95", "p99"].map(|part| text(&endpoint["latency_ms"][part])));
        row
    }));
    print(&table(&rows))
}

/// `v3`, or `v3 90 %, v4 10 %` where several answer, and what goes on besides.
fn serves(endpoint: &Value) -> String {
    let routes = endpoint["routes"].as_array().map_or(&[][..], Vec::as_slice);
    let is_heard = |route: &&Value| {
        route["version"].is_string() && (route["share"].as_f64() > Some(0.0) || route["match"].is_object())
    };
    let heard: Vec<_> = routes.iter().filter(is_heard).collect();
    let version = |route: &Value| format!("v{}", text(&route["version"]));
    let mut words: Vec<_> = match heard[..] {
        [] => vec!["-".to_owned()],
        [only] => vec![version(only)],
        _ => heard.iter().map(|route| format!("{} {} %", version(route), text(&route["share"]))).collect(),
    };
    if endpoint["canary"]["status"] == "running" {
        words.push("canary".to_owned());
    }
    match routes.iter().filter(|route| route["shadow"] == true).count() {
        0 => {}
        1 => words.push("a shadow".to_owned()),
        shadows => words.push(format!("{shadows} shadows")),
    }
    words.join(", ")
}

fn create(client: &Client, name: &str, model: &str, options: &Options) -> Result<(), Failure> {
    let endpoint = wait_for(client.put(&path_of(name), &options.definition(model)))?;
    eprintln!("Endpoint {name} serves {model} (now: {}).", text(&endpoint["state"]));
    eprintln!("Next: crannog endpoint predict {name}");
    print(&format!("{}{}\n", client.base(), text(&endpoint["url_path"])))
}

fn show(client: &Client, name: &str, json: bool) -> Result<(), Failure> {
    let endpoint = wait_for(client.get(&path_of(name)))?;
    if json {
        return print_json(&endpoint);
    }
    let latency = &endpoint["latency_ms"];
    let rows = [
        ("Name", text(&endpoint["name"])),
        ("State", text(&endpoint["state"])),
        ("Follows", text(&endpoint["model"])),
        ("Serves", format!("{} version {}", text(&endpoint["model_name"]), text(&endpoint["version"]))),
        ("Loaded", text(&endpoint["loaded_at"])),
        ("Error", text(&endpoint["error"])),
        (
            "Requests",
            format!("{} ({} refused or failed)", text(&endpoint["requests"]), text(&endpoint["errors"])),
        ),
        (
            "Latency",
            format!(
                "p50 {} ms, p95 {} ms, p99 {} ms",
                text(&latency["p50"]),
                text(&latency["p95"]),
                text(&latency["p99"])
            ),
        ),
        ("Inputs", tensors(&endpoint["inputs"])),
        ("Outputs", tensors(&endpoint["outputs"])),
        ("Address", format!("{}{}", client.base(), text(&endpoint["url_path"]))),
    ];
    print(&table(&rows.map(|(name, value)| vec![name.to_owned(), value])))?;
    print("\n")?;
    split::show(&endpoint)
}

fn predict(
    client: &Client,
    name: &str,
    json: Option<&str>,
    file: Option<&std::path::Path>,
) -> Result<(), Failure> {
    let is_csv = file.is_some_and(|path| path.extension().is_some_and(|extension| extension == "csv"));
    let kind = if is_csv { "text/csv" } else { "application/json" };
    let body = match (json, file) {
        (Some(json), _) => json.to_owned(),
        (None, Some(path)) => read(path)?,
        (None, None) => example(client, name)?,
    };
    let path = format!("/endpoints/{}/invocations", escaped(name));
    print_json(&wait_for(client.send_text(Method::POST, &path, kind, body))?)
}

fn read(path: &std::path::Path) -> Result<String, Failure> {
    if path.as_os_str() != "-" {
        return Ok(fs_err::read_to_string(path)?);
    }
    let mut text = String::new();
    std::io::stdin().lock().read_to_string(&mut text)?;
    Ok(text)
}

/// The example that was logged with the model.
fn example(client: &Client, name: &str) -> Result<String, Failure> {
    let endpoint = wait_for(client.get(&path_of(name)))?;
    match &endpoint["input_example"] {
        Value::Null => {
            Err(Failure::new(Code::Usage, format!("the model of endpoint {name} has no input example"))
                .hint("give the request with --json or --file"))
        }
        example => {
            eprintln!("Asking with the model's own example.");
            Ok(example.to_string())
        }
    }
}

fn path_of(name: &str) -> String {
    format!("{PATH}/{}", escaped(name))
}

fn escaped(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn tensors(list: &Value) -> String {
    let one = |tensor: &Value| {
        format!("{} {} {}", text(&tensor["name"]), text(&tensor["datatype"]), tensor["shape"])
    };
    list.as_array().map_or_else(|| "-".into(), |list| list.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
