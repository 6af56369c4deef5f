//! `crannog s3 key`: issue, list and revoke the keys S3 clients sign with.

use super::{Failure, Global, client::Client, failure::Code, first_line, print, print_json, table, wait_for};
use clap::Subcommand;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

const PATH: &str = "/api/crannog/v1/s3-keys";

#[derive(Subcommand)]
pub enum Command {
    /// Work with S3 keys
    #[command(subcommand)]
    Key(Key),
}

#[derive(Subcommand)]
pub enum Key {
    /// List S3 keys; an admin sees everybody's
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Issue a key pair, or take over one that clients have already
    Create {
        /// Whose key; only an admin issues keys for others [default: your own]
        #[arg(long)]
        user: Option<String>,
        /// What the key is for
        #[arg(long, default_value = "")]
        label: String,
        /// An access key id that clients have already
        #[arg(long, value_name = "ID", requires = "secret_key")]
        access_key: Option<String>,
        /// The secret that goes with it; - reads it from standard input
        #[arg(long, value_name = "SECRET", requires = "access_key")]
        secret_key: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key: the next request signed with it is refused
    #[command(visible_alias = "revoke")]
    Delete {
        #[arg(value_name = "ACCESS_KEY_ID")]
        access_key: String,
    },
}

pub fn run(global: &Global, command: &Command) -> Result<(), Failure> {
    let client = Client::find(global)?;
    let Command::Key(command) = command;
    match command {
        Key::List { json } => list(&client, *json),
        Key::Create { user, label, access_key, secret_key, json } => {
            let given = access_key.as_deref().zip(secret_key.as_deref());
            create(&client, user.as_deref(), label, given, *json)
        }
        Key::Delete { access_key } => {
            let path = format!("{PATH}/{}", utf8_percent_encode(access_key, NON_ALPHANUMERIC));
            wait_for(client.delete(&path))
        }
    }
}

fn list(client: &Client, json: bool) -> Result<(), Failure> {
    let answer = wait_for(client.get(PATH))?;
    if json {
        return print_json(&answer);
    }
    let heading = ["ACCESS KEY ID", "USER", "LABEL", "CREATED", "EXPIRES"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(answer["keys"].as_array().into_iter().flatten().map(|key| {
        let fields = ["access_key_id", "user", "label", "created_at", "expires_at"];
        fields.iter().map(|field| key[field].as_str().unwrap_or("-").to_owned()).collect()
    }));
    print(&table(&rows))
}

fn create(
    client: &Client,
    user: Option<&str>,
    label: &str,
    given: Option<(&str, &str)>,
    json: bool,
) -> Result<(), Failure> {
    let mut wanted = Map::from_iter([("label".to_owned(), Value::from(label))]);
    wanted.extend(user.map(|user| ("user".to_owned(), user.into())));
    if let Some((access, secret)) = given {
        wanted.insert("access_key_id".into(), access.into());
        wanted.insert(
            "secret_access_key".into(),
            if secret == "-" { first_line()? } else { secret.into() }.into(),
        );
    }
    let key = wait_for(client.post(PATH, &Value::Object(wanted)))?;
    if json {
        return print_json(&key);
    }
    let field = |name: &str| {
        let missing = || Failure::new(Code::Failed, format!("the answer has no {name}"));
        key[name].as_str().ok_or_else(missing)
    };
    let (access, secret) = (field("access_key_id")?, field("secret_access_key")?);
    eprintln!("The secret is not shown again.");
    print(&format!("AWS_ACCESS_KEY_ID={access}\nAWS_SECRET_ACCESS_KEY={secret}\n"))
}
