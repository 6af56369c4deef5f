//! `crannog user`: list, make, change and remove users, and say what members may do.

mod grants;

use super::{Failure, Global, client::Client, first_line, print, print_json, table, wait_for};
use crate::kernel::id;
use clap::Subcommand;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::{Map, Value};

const PATH: &str = "/api/crannog/v1/users";

#[derive(Subcommand)]
pub enum Command {
    /// List the users
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a user; a random password is printed unless one is given
    Create {
        name: String,
        /// guest (S3 only, an account of its own), member (of MLflow what is granted), viewer, editor or
        /// admin
        #[arg(long)]
        role: String,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        names: Names,
    },
    /// Change a user's role, password, e-mail address or display name
    Update {
        name: String,
        #[arg(long)]
        role: Option<String>,
        /// Read the new password from standard input
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        names: Names,
    },
    /// Remove a user with all tokens and keys; the user's buckets stay
    Delete { name: String },
    #[command(flatten)]
    Grants(grants::Command),
}

/// By what others know the user.
#[derive(clap::Args)]
pub struct Names {
    /// By which an ACL may name the user; "" takes it away
    #[arg(long)]
    email: Option<String>,
    /// What ACLs show for a guest; "" takes it away
    #[arg(long)]
    display_name: Option<String>,
}

pub fn run(global: &Global, command: &Command) -> Result<(), Failure> {
    let client = Client::find(global)?;
    match command {
        Command::List { json } => list(&client, *json),
        Command::Create { name, role, password_stdin, names } => {
            create(&client, name, role, *password_stdin, names)
        }
        Command::Update { name, role, password_stdin, names } => {
            let mut change = fields(names);
            change.extend(role.clone().map(|role| ("role".to_owned(), Value::String(role))));
            if *password_stdin {
                change.insert("password".into(), Value::String(first_line()?));
            }
            let request = client.request(Method::PATCH, &path_of(name)).json(&Value::Object(change));
            wait_for(client.send(request)).map(drop)
        }
        Command::Delete { name } => wait_for(client.delete(&path_of(name))),
        Command::Grants(command) => grants::run(&client, command),
    }
}

fn list(client: &Client, json: bool) -> Result<(), Failure> {
    let answer = wait_for(client.get(PATH))?;
    if json {
        return print_json(&answer);
    }
    let mut rows = vec![["NAME", "ROLE", "E-MAIL", "DISPLAY NAME", "CREATED"].map(str::to_owned).to_vec()];
    rows.extend(answer["users"].as_array().into_iter().flatten().map(|user| {
        let fields = ["name", "role", "email", "display_name", "created_at"];
        fields.iter().map(|field| user[field].as_str().unwrap_or("-").to_owned()).collect()
    }));
    print(&table(&rows))
}

fn create(client: &Client, name: &str, role: &str, from_stdin: bool, names: &Names) -> Result<(), Failure> {
    let mut user = fields(names);
    user.insert("name".into(), name.into());
    user.insert("role".into(), role.into());
    let password = match (from_stdin, role) {
        (true, _) => Some(first_line()?),
        // A guest has S3 keys and needs nothing else.
        (false, "guest") => None,
        (false, _) => Some(id::secret(24)),
    };
    user.extend(password.clone().map(|password| ("password".to_owned(), Value::String(password))));
    wait_for(client.post(PATH, &Value::Object(user)))?;
    let next = match role {
        "member" => format!("crannog user grant {name} READ --experiment NAME"),
        _ => format!("crannog s3 key create --user {name}"),
    };
    eprintln!("User {name} is {role}. Next: {next}");
    match password.filter(|_| !from_stdin) {
        Some(password) => print(&format!("{password}\n")),
        None => Ok(()),
    }
}

fn fields(names: &Names) -> Map<String, Value> {
    let named = [("email", &names.email), ("display_name", &names.display_name)];
    named.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value.clone()?.into()))).collect()
}

fn path_of(name: &str) -> String {
    format!("{PATH}/{}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}
