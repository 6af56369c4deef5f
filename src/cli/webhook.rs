//! `crannog webhook`: the addresses that notices of buckets and canaries can be sent to.

use super::{Failure, Global, client::Client, first_line, print, print_json, table, wait_for};
use clap::Subcommand;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

const PATH: &str = "/api/crannog/v1/webhooks";

#[derive(Subcommand)]
pub enum Command {
    /// List the webhooks, and what waits to be delivered to them
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a webhook, or give it another address; prints its secret once
    Set {
        name: String,
        /// http:// or https://
        url: String,
        /// A secret the receiver has already; - reads it from standard input
        #[arg(long)]
        secret: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a webhook; what waits for it is dropped
    Delete { name: String },
}

pub fn run(global: &Global, command: &Command) -> Result<(), Failure> {
    let client = Client::find(global)?;
    match command {
        Command::List { json } => list(&client, *json),
        Command::Set { name, url, secret, json } => set(&client, (name, url), secret.as_deref(), *json),
        Command::Delete { name } => {
            wait_for(client.delete(&path(name)))?;
            eprintln!("Webhook {name} is gone.");
            Ok(())
        }
    }
}

fn path(name: &str) -> String {
    format!("{PATH}/{}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}

fn list(client: &Client, json: bool) -> Result<(), Failure> {
    let answer = wait_for(client.get(PATH))?;
    if json {
        return print_json(&answer);
    }
    let webhooks = answer["webhooks"].as_array().map_or(&[][..], Vec::as_slice);
    if webhooks.is_empty() {
        eprintln!("No webhooks yet. Make one: crannog webhook set NAME URL");
        return Ok(());
    }
    let mut rows = vec![["NAME", "ADDRESS", "WAITING", "LAST ERROR"].map(str::to_owned).to_vec()];
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    rows.extend(webhooks.iter().map(|webhook| {
        let waiting = webhook["waiting"].to_string();
        vec![text(&webhook["name"]), text(&webhook["url"]), waiting, text(&webhook["error"])]
    }));
    print(&table(&rows))
}

fn set(client: &Client, (name, url): (&str, &str), secret: Option<&str>, json: bool) -> Result<(), Failure> {
    let secret = match secret {
        Some("-") => Some(first_line()?),
        other => other.map(str::to_owned),
    };
    let answer = wait_for(client.put(&path(name), &json!({ "url": url, "secret": secret })))?;
    if json {
        return print_json(&answer);
    }
    let arn = answer["arn"].as_str().unwrap_or_default();
    eprintln!("Webhook {name} is told to {url}. Its secret, for any Standard Webhooks library:");
    print(&format!("{}\n", answer["secret"].as_str().unwrap_or_default()))?;
    eprintln!("Next: name {arn} as a QueueArn in `crannog bucket notification set BUCKET FILE`.");
    Ok(())
}
