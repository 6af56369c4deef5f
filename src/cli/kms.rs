//! `crannog kms`: the named keys that encrypt objects at rest.

use super::{Failure, Global, client::Client, print, print_json, table, wait_for};
use clap::Subcommand;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

const PATH: &str = "/api/crannog/v1/encryption/keys";

#[derive(Subcommand)]
pub enum Command {
    /// List the keys
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a key; clients name it in x-amz-server-side-encryption-aws-kms-key-id
    Create { name: String },
    /// Let nobody read or write the objects of a key until it is enabled again
    Disable { name: String },
    /// Undo disable
    Enable { name: String },
}

pub fn run(global: &Global, command: &Command) -> Result<(), Failure> {
    let client = Client::find(global)?;
    match command {
        Command::List { json } => list(&client, *json),
        Command::Create { name } => create(&client, name),
        Command::Disable { name } => set(&client, name, false),
        Command::Enable { name } => set(&client, name, true),
    }
}

fn list(client: &Client, json: bool) -> Result<(), Failure> {
    let answer = wait_for(client.get(PATH))?;
    if json {
        return print_json(&answer);
    }
    let keys = answer["keys"].as_array().map_or(&[][..], Vec::as_slice);
    if keys.is_empty() {
        eprintln!("No keys yet. Make one: crannog kms create NAME");
        return Ok(());
    }
    let mut rows = vec![["NAME", "STATE", "CREATED"].map(str::to_owned).to_vec()];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    rows.extend(keys.iter().map(|key| {
        let state = if key["enabled"] == true { "enabled" } else { "disabled" };
        vec![text(&key["name"]), state.to_owned(), text(&key["created_at"])]
    }));
    print(&table(&rows))
}

fn create(client: &Client, name: &str) -> Result<(), Failure> {
    wait_for(client.post(PATH, &json!({ "name": name })))?;
    eprintln!("Key {name} is ready.");
    eprintln!("Next: aws s3 cp FILE s3://BUCKET/KEY --sse aws:kms --sse-kms-key-id {name}");
    Ok(())
}

fn set(client: &Client, name: &str, enabled: bool) -> Result<(), Failure> {
    let path = format!("{PATH}/{}", utf8_percent_encode(name, NON_ALPHANUMERIC));
    wait_for(client.put(&path, &json!({ "enabled": enabled })))?;
    match enabled {
        true => eprintln!("Key {name} is enabled."),
        false => eprintln!(
            "Key {name} is disabled: its objects cannot be read. Undo this with `crannog kms enable {name}`."
        ),
    }
    Ok(())
}
