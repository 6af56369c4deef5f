//! `crannog s3`: the keys that sign S3 requests.

use super::{Failure, Global, bucket::text, client::Client, print, print_json, table, wait_for};
use clap::Subcommand;
use serde_json::json;

const PATH: &str = "/api/crannog/v1/s3-keys";

#[derive(Subcommand)]
pub enum Command {
    /// Keys that sign S3 requests: list, create, revoke
    #[command(subcommand)]
    Key(Key),
}

#[derive(Subcommand)]
pub enum Key {
    /// List the keys; an admin sees everybody's
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a key; its secret is shown this once
    Create {
        /// Where it will be used
        #[arg(long, default_value = "")]
        label: String,
        /// For whom, when not for yourself; for admins
        #[arg(long)]
        user: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key: requests signed with it are refused from now on
    Revoke { access_key_id: String },
}

pub fn run(global: &Global, Command::Key(command): &Command) -> Result<(), Failure> {
    let client = Client::find(global)?;
    wait_for(async {
        match command {
            Key::List { json } => list(&client, *json).await,
            Key::Create { label, user, json } => create(&client, label, user.as_deref(), *json).await,
            Key::Revoke { access_key_id } => client.delete(&format!("{PATH}/{access_key_id}")).await,
        }
    })
}

async fn list(client: &Client, as_json: bool) -> Result<(), Failure> {
    let answer = client.get(PATH).await?;
    if as_json {
        return print_json(&answer);
    }
    let mut rows = vec![["ACCESS KEY", "USER", "LABEL", "CREATED"].map(str::to_owned).to_vec()];
    rows.extend(
        answer["keys"].as_array().into_iter().flatten().map(|key| {
            ["access_key_id", "user", "label", "created_at"].map(|field| text(&key[field])).to_vec()
        }),
    );
    print(&table(&rows))
}

async fn create(client: &Client, label: &str, user: Option<&str>, as_json: bool) -> Result<(), Failure> {
    let mut wanted = json!({ "label": label });
    if let Some(user) = user {
        wanted["user"] = json!(user);
    }
    let key = client.post(PATH, &wanted).await?;
    if as_json {
        return print_json(&key);
    }
    let (access, secret) = (text(&key["access_key_id"]), text(&key["secret_access_key"]));
    eprintln!("The secret is shown this once.");
    print(&format!("export AWS_ACCESS_KEY_ID={access}\nexport AWS_SECRET_ACCESS_KEY={secret}\n"))
}
