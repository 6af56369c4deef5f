//! `crannog config show` and `crannog config check`.

use super::{
    Failure, Global, print, print_json,
    settings::{Settings, effective},
    table,
};
use crate::kernel::config::{Effective, KEYS};
use serde_json::{Value, json};

#[derive(clap::Subcommand)]
pub enum Command {
    /// Print each key's value in force and where it came from
    Show {
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Check the file, the environment and the flags without starting anything
    Check {
        #[command(flatten)]
        settings: Settings,
    },
}

pub fn run(global: &Global, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Show { json, settings } => show(&effective(global, settings)?, *json),
        Command::Check { settings } => {
            let effective = effective(global, settings)?;
            let read = effective.file.map_or("no file".into(), |path| path.display().to_string());
            eprintln!("The configuration is valid ({read}, the environment, the flags).");
            Ok(())
        }
    }
}

fn show(effective: &Effective, json: bool) -> Result<(), Failure> {
    let values = KEYS.iter().map(|key| (key, (key.show)(&effective.config), &effective.sources[key.name]));
    if json {
        let keys: Vec<Value> = values
            .map(|(key, value, source)| {
                json!({ "key": key.name, "value": value, "source": source.to_string(), "default": key.default,
                        "variable": key.variable(), "flag": key.flag() })
            })
            .collect();
        return print_json(&json!({ "file": effective.file, "keys": keys }));
    }
    let mut rows = vec![vec!["KEY".into(), "VALUE".into(), "SOURCE".into()]];
    rows.extend(values.map(|(key, value, source)| vec![key.name.into(), value, source.to_string()]));
    print(&table(&rows))
}
