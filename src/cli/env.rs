//! `crannog env`: the exports that point the mlflow client, boto3, the aws CLI and this CLI at the
//! server that runs on the data directory.

use super::{
    Failure, Global,
    client::Admin,
    failure::Code,
    print, print_json,
    settings::{Settings, effective},
};
use crate::{app::lock, kernel::tls, objects};
use serde_json::{Map, Value};

#[derive(clap::Args)]
pub struct Arguments {
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub fn run(global: &Global, arguments: &Arguments) -> Result<(), Failure> {
    let effective = effective(global, &Settings::default())?;
    let config = &effective.config;
    let running = lock::running(&config.data_dir).ok_or_else(|| no_server(&config.data_dir))?;
    let admin = Admin::read(&config.data_dir)?;
    let http = config.http.public_url.clone().unwrap_or(running.http_url);
    let s3 = config.s3.public_url.clone().unwrap_or(running.s3_url);
    let region = objects::REGION.to_owned();
    let variables = [
        ("MLFLOW_TRACKING_URI", &http),
        ("MLFLOW_TRACKING_USERNAME", &admin.user),
        ("MLFLOW_TRACKING_PASSWORD", &admin.password),
        ("AWS_ACCESS_KEY_ID", &admin.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", &admin.secret_access_key),
        ("AWS_ENDPOINT_URL", &s3),
        ("AWS_REGION", &region),
        ("AWS_DEFAULT_REGION", &region),
        ("CRANNOG_URL", &http),
    ];
    let mut variables = variables.map(|(name, value)| (name, value.clone())).to_vec();
    // With a certificate of the operator's, other names than this machine's own need no authority of ours.
    let ours = config.tls.certificate.is_none() || config.http.public_url.is_none();
    if http.starts_with("https:") && ours {
        let authority = config.data_dir.join(tls::CERTIFICATE).display().to_string();
        variables.extend(tls::FOR_CLIENTS.map(|name| (name, authority.clone())));
    }
    if arguments.json {
        let map: Map<String, Value> =
            variables.iter().map(|(name, value)| ((*name).into(), Value::String(value.clone()))).collect();
        return print_json(&map);
    }
    let lines = variables.iter().map(|(name, value)| format!("export {name}={}\n", quoted(value)));
    print(&lines.collect::<String>())
}

fn no_server(data_dir: &std::path::Path) -> Failure {
    Failure::new(Code::Unreachable, format!("no server runs on {}", data_dir.display()))
        .hint("start one with `crannog serve`, or name its data directory with --data-dir")
}

/// `value` as one shell word.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        value.into()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_value_is_one_shell_word_whatever_it_holds() {
        assert_eq!(super::quoted("http://127.0.0.1:5000"), "http://127.0.0.1:5000");
        assert_eq!(super::quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(super::quoted(""), "''");
    }
}
