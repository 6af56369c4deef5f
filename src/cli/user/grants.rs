//! `crannog user grant`, `revoke`, `grants`, `default-permission`: what a member may do with experiments
//! and models.

use super::super::{Failure, client::Client, print, print_json, table, wait_for};
use clap::Subcommand;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::{Value, json};

#[derive(Subcommand)]
pub enum Command {
    /// Let a user read, edit or manage an experiment or a model
    Grant {
        name: String,
        /// READ, USE, EDIT, MANAGE, or DENY, which outweighs the others
        permission: String,
        #[command(flatten)]
        on: On,
    },
    /// Take a grant back
    Revoke {
        name: String,
        #[command(flatten)]
        on: On,
    },
    /// Show what a user was granted
    Grants {
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what a member may do where nothing was granted: NO_PERMISSIONS, READ, USE, EDIT or MANAGE
    DefaultPermission {
        name: String,
        /// Absent: what mlflow.default_permission says
        permission: Option<String>,
    },
}

/// What the grant is on.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub struct On {
    /// An experiment, by its name or its id
    #[arg(long)]
    experiment: Option<String>,
    /// A registered model or a prompt, by its name
    #[arg(long)]
    model: Option<String>,
    /// All experiments
    #[arg(long)]
    all_experiments: bool,
    /// All registered models and prompts
    #[arg(long)]
    all_models: bool,
}

pub fn run(client: &Client, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Grant { name, permission, on } => {
            let (kind, resource) = resource(client, on)?;
            let wanted = json!({ "resource_type": kind, "resource": resource, "permission": permission });
            wait_for(client.put(&path_of(name, "permissions"), &wanted))?;
            eprintln!("User {name} has {permission}. All of it: crannog user grants {name}");
            Ok(())
        }
        Command::Revoke { name, on } => {
            let (kind, resource) = resource(client, on)?;
            let request = client.request(Method::DELETE, &path_of(name, "permissions"));
            let request = request.json(&json!({ "resource_type": kind, "resource": resource }));
            wait_for(client.send(request)).map(drop)
        }
        Command::Grants { name, json } => show(client, name, *json),
        Command::DefaultPermission { name, permission } => {
            let wanted = json!({ "permission": permission });
            wait_for(client.put(&path_of(name, "default-permission"), &wanted)).map(drop)
        }
    }
}

/// Kind and resource, as the server names them.
fn resource(client: &Client, on: &On) -> Result<(&'static str, String), Failure> {
    if let Some(model) = &on.model {
        return Ok(("registered_model", model.clone()));
    }
    match &on.experiment {
        None if on.all_models => Ok(("registered_model", "*".into())),
        None => Ok(("experiment", "*".into())),
        Some(experiment) => Ok(("experiment", experiment_id(client, experiment)?)),
    }
}

/// A name comes first: an experiment may be named by digits.
fn experiment_id(client: &Client, experiment: &str) -> Result<String, Failure> {
    let asked = |route: &str, field: &str| {
        let value = utf8_percent_encode(experiment, NON_ALPHANUMERIC);
        let path = format!("/api/2.0/mlflow/experiments/{route}?{field}={value}");
        let answer = wait_for(client.get(&path))?;
        Ok(answer["experiment"]["experiment_id"].as_str().unwrap_or_default().to_owned())
    };
    let by_name: Result<String, Failure> = asked("get-by-name", "experiment_name");
    match by_name {
        Err(_) if experiment.bytes().all(|byte| byte.is_ascii_digit()) => asked("get", "experiment_id"),
        found => found,
    }
}

fn show(client: &Client, name: &str, json: bool) -> Result<(), Failure> {
    let answer = wait_for(client.get(&path_of(name, "permissions")))?;
    if json {
        return print_json(&answer);
    }
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let mut rows = vec![["ON", "RESOURCE", "PERMISSION", "BY ROLE"].map(str::to_owned).to_vec()];
    rows.extend(answer["permissions"].as_array().into_iter().flatten().map(|grant| {
        let fields = ["resource_type", "resource", "permission", "via_role"];
        fields.iter().map(|field| text(&grant[field])).collect()
    }));
    rows.push(vec!["elsewhere".into(), "*".into(), text(&answer["default_permission"]), "-".into()]);
    print(&table(&rows))
}

fn path_of(name: &str, what: &str) -> String {
    format!("{}/{what}", super::path_of(name))
}
