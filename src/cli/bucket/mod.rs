//! `crannog bucket`: buckets and how they are set up.

mod documents;

use super::{
    Failure, Global,
    client::Client,
    failure::Code,
    place::{self, bucket_path, bytes},
    print, print_json, table, wait_for,
};
use clap::{Subcommand, ValueEnum};
use documents::{Document, Named};
use serde_json::{Value, json};

#[derive(Subcommand)]
pub enum Command {
    /// List the buckets with what they hold
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a bucket
    Create {
        name: String,
        /// Keep what is overwritten or deleted
        #[arg(long)]
        versioning: bool,
        /// Let versions be locked against deletion; this cannot be turned off again
        #[arg(long)]
        object_lock: bool,
    },
    /// Show a bucket: what it holds and how it is set up
    Show {
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Delete an empty bucket
    Delete {
        name: String,
        /// Delete all objects and versions in it first
        #[arg(long)]
        force: bool,
    },
    /// Show, turn on or suspend the keeping of versions
    Versioning { name: String, state: Option<Versions> },
    /// Show or set what a bucket may hold at most
    Quota {
        name: String,
        /// The size of all versions together, e.g. 500GB or 2TiB; `none` for no limit
        #[arg(long, value_name = "SIZE", value_parser = limit)]
        max_size: Option<Limit>,
        /// The number of objects and versions; `none` for no limit
        #[arg(long, value_name = "N", value_parser = limit)]
        max_objects: Option<Limit>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// What is deleted by itself, and when
    #[command(subcommand)]
    Lifecycle(Document),
    /// Which web pages may read and write from a browser
    #[command(subcommand)]
    Cors(Document),
    /// Who may do what, beyond what roles give
    #[command(subcommand)]
    Policy(Document),
    /// Whom the bucket is open to, without a policy: `aws s3api get-bucket-acl` in a file
    #[command(subcommand)]
    Acl(Document),
    /// Whether policies and ACLs may open the bucket to everybody
    #[command(subcommand)]
    PublicAccessBlock(Document),
    /// Who owns what guests put here
    #[command(subcommand)]
    Ownership(Document),
    /// How new objects are encrypted
    #[command(subcommand)]
    Encryption(Document),
    /// How long new versions are kept from deletion
    #[command(subcommand)]
    ObjectLock(Document),
    /// Which webhook or pipeline hears of new and removed objects
    #[command(subcommand)]
    Notification(Document),
    /// Where a line for every request is written
    #[command(subcommand)]
    Logging(Document),
    /// Index and error page for browsers
    #[command(subcommand)]
    Website(Document),
    /// Labels of the bucket
    #[command(subcommand)]
    Tagging(Document),
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Versions {
    Enabled,
    Suspended,
}

/// None is no limit.
#[derive(Clone, Copy)]
pub struct Limit(Option<u64>);

fn limit(text: &str) -> Result<Limit, String> {
    if text == "none" { Ok(Limit(None)) } else { place::size(text).map(|size| Limit(Some(size))) }
}

pub fn run(global: &Global, command: &Command) -> Result<(), Failure> {
    let client = Client::find(global)?;
    wait_for(async {
        if let Some(named) = document(command) {
            return named.run(&client).await;
        }
        match command {
            Command::List { json } => list(&client, *json).await,
            Command::Create { name, versioning, object_lock } => {
                create(&client, name, *versioning, *object_lock).await
            }
            Command::Show { name, json } => show(&client, name, *json).await,
            Command::Delete { name, force } => delete(&client, name, *force).await,
            Command::Versioning { name, state } => versioning(&client, name, *state).await,
            Command::Quota { name, max_size, max_objects, json } => {
                quota(&client, name, (*max_size, *max_objects), *json).await
            }
            _ => Ok(()), // the documents, run above
        }
    })
}

/// The setting a command is about, under its name in the API.
fn document(command: &Command) -> Option<Named<'_>> {
    let (setting, document) = match command {
        Command::Lifecycle(document) => ("lifecycle", document),
        Command::Cors(document) => ("cors", document),
        Command::Policy(document) => ("policy", document),
        Command::Acl(document) => ("acl", document),
        Command::PublicAccessBlock(document) => ("public-access-block", document),
        Command::Ownership(document) => ("ownership", document),
        Command::Encryption(document) => ("encryption", document),
        Command::ObjectLock(document) => ("object-lock", document),
        Command::Notification(document) => ("notification", document),
        Command::Logging(document) => ("logging", document),
        Command::Website(document) => ("website", document),
        Command::Tagging(document) => ("tagging", document),
        _ => return None,
    };
    Some(Named { setting, document })
}

async fn list(client: &Client, as_json: bool) -> Result<(), Failure> {
    let answer = client.get("/api/crannog/v1/buckets").await?;
    if as_json {
        return print_json(&answer);
    }
    let buckets = answer["buckets"].as_array().map_or(&[][..], Vec::as_slice);
    if buckets.is_empty() {
        eprintln!("No buckets yet. Make one: crannog bucket create NAME");
        return Ok(());
    }
    let mut rows =
        vec![["NAME", "OBJECTS", "SIZE", "VERSIONS", "LOCK", "CREATED"].map(str::to_owned).to_vec()];
    rows.extend(buckets.iter().map(|bucket| {
        let lock = if bucket["object_lock"] == true { "on" } else { "-" };
        let size = bytes(bucket["bytes"].as_u64().unwrap_or_default());
        let text = |field: &str| text(&bucket[field]);
        vec![text("name"), text("objects"), size, text("versioning"), lock.into(), text("created_at")]
    }));
    print(&table(&rows))
}

async fn create(client: &Client, name: &str, versioning: bool, object_lock: bool) -> Result<(), Failure> {
    let versioning = (versioning && !object_lock).then_some("enabled");
    let wanted = json!({ "name": name, "versioning": versioning, "object_lock": object_lock });
    client.post("/api/crannog/v1/buckets", &wanted).await?;
    eprintln!("Made bucket {name}. Next: crannog object put FILE {name}/");
    Ok(())
}

async fn show(client: &Client, name: &str, as_json: bool) -> Result<(), Failure> {
    let bucket = client.get(&bucket_path(name, "")).await?;
    let settings = client.get(&bucket_path(name, "settings")).await?;
    let quota = client.get(&bucket_path(name, "quota")).await?;
    if as_json {
        let mut all = bucket;
        all["settings"] = settings["settings"].clone();
        all["quota"] = quota;
        return print_json(&all);
    }
    let set =
        settings["settings"].as_object().into_iter().flatten().filter(|(_, document)| !document.is_null());
    let set: Vec<_> = set.map(|(name, _)| name.as_str()).collect();
    let count = |value: &Value| value.as_u64().unwrap_or_default();
    let most = |field: &str, show: fn(u64) -> String| match quota[field].as_u64() {
        Some(most) => format!(" of {}", show(most)),
        None => String::new(),
    };
    let rows = [
        ("Name", text(&bucket["name"])),
        ("Created", text(&bucket["created_at"])),
        ("Owner", text(&bucket["owner"])),
        ("Objects", format!("{}{}", count(&bucket["objects"]), most("max_objects", |n| n.to_string()))),
        ("Size", format!("{}{}", bytes(count(&bucket["bytes"])), most("max_bytes", bytes))),
        ("Versions", text(&bucket["versioning"])),
        ("Object lock", if bucket["object_lock"] == true { "on".into() } else { "off".into() }),
        ("Set up", if set.is_empty() { "-".into() } else { set.join(", ") }),
    ];
    print(&table(&rows.map(|(name, value)| vec![name.to_owned(), value])))
}

async fn delete(client: &Client, name: &str, force: bool) -> Result<(), Failure> {
    if force {
        let all = json!({ "prefixes": [""], "versions": true });
        let outcome = client.post(&bucket_path(name, "delete"), &all).await?;
        eprintln!("Deleted {} objects and versions.", outcome["deleted"]);
        if let Some(first) = outcome["errors"].get(0) {
            let kept = format!(
                "{} versions of {name} are kept; {}: {}",
                outcome["refused"],
                text(&first["key"]),
                text(&first["detail"])
            );
            return Err(Failure::new(Code::Refused, kept));
        }
    }
    let deleted = client.delete(&bucket_path(name, "")).await;
    deleted.map_err(|failure| match failure.message.contains("not empty") {
        true => failure.hint(format!("crannog bucket delete {name} --force deletes everything in it first")),
        false => failure,
    })
}

async fn versioning(client: &Client, name: &str, state: Option<Versions>) -> Result<(), Failure> {
    let bucket = match state {
        None => client.get(&bucket_path(name, "")).await?,
        Some(state) => {
            let state = match state {
                Versions::Enabled => "enabled",
                Versions::Suspended => "suspended",
            };
            client.patch(&bucket_path(name, ""), &json!({ "versioning": state })).await?
        }
    };
    print(&format!("{}\n", text(&bucket["versioning"])))
}

async fn quota(
    client: &Client,
    name: &str,
    (size, objects): (Option<Limit>, Option<Limit>),
    as_json: bool,
) -> Result<(), Failure> {
    let path = bucket_path(name, "quota");
    let mut usage = client.get(&path).await?;
    if size.is_some() || objects.is_some() {
        let field =
            |given: Option<Limit>, field: &str| given.map_or(usage[field].clone(), |limit| json!(limit.0));
        let wanted =
            json!({ "max_bytes": field(size, "max_bytes"), "max_objects": field(objects, "max_objects") });
        usage = client.put(&path, &wanted).await?;
    }
    if as_json {
        return print_json(&usage);
    }
    let most = |value: &Value, show: fn(u64) -> String| value.as_u64().map_or("none".into(), show);
    let count = |field: &str| usage[field].as_u64().unwrap_or_default();
    let row = |cells: [String; 3]| cells.to_vec();
    print(&table(&[
        row(["".into(), "USED".into(), "LIMIT".into()]),
        row(["Size".into(), bytes(count("bytes")), most(&usage["max_bytes"], bytes)]),
        row(["Objects".into(), count("objects").to_string(), most(&usage["max_objects"], |n| n.to_string())]),
    ]))
}

/// A text as it is, anything else as JSON.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".into(),
        other => other.to_string(),
    }
}
