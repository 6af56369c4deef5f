//! One flag per configuration key, made from the key table, so that a new key is a flag by itself.

use super::{Failure, Global};
use crate::kernel::config::{self, Effective, Inputs, KEYS, Key};
use clap::{Arg, ArgMatches, Command, Error};
use std::sync::LazyLock;

/// Each key's flag without its dashes; clap wants names that live as long as the process.
static FLAGS: LazyLock<Vec<(&'static Key, String)>> =
    LazyLock::new(|| own_keys().map(|key| (key, key.flag().trim_start_matches('-').to_owned())).collect());

/// The settings given as flags, by key name.
#[derive(Clone, Debug, Default)]
pub struct Settings(Vec<(String, String)>);

/// `data_dir` is a flag of every command and not among these.
fn own_keys() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(|key| key.name != "data_dir")
}

impl clap::FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut settings = Self::default();
        settings.update_from_arg_matches(matches)?;
        Ok(settings)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for key in own_keys() {
            if let Some(text) = matches.get_one::<String>(key.name) {
                self.0.push((key.name.into(), text.clone()));
            }
        }
        Ok(())
    }
}

impl clap::Args for Settings {
    fn augment_args(command: Command) -> Command {
        FLAGS.iter().fold(command, |command, (key, flag)| command.arg(argument(key, flag)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn argument(key: &'static Key, flag: &'static str) -> Arg {
    let default = if key.default.is_empty() { String::new() } else { format!(" [default: {}]", key.default) };
    let help = format!("{}{default}", one_line(key.doc));
    Arg::new(key.name).long(flag).value_name("VALUE").help(help)
}

/// A doc comment's first sentence, for `--help`.
fn one_line(doc: &str) -> String {
    let text = doc.split_whitespace().collect::<Vec<_>>().join(" ");
    text.split_inclusive(". ").next().unwrap_or_default().trim().trim_end_matches('.').to_owned()
}

/// The configuration in force for this command line and this environment.
pub fn effective(global: &Global, settings: &Settings) -> Result<Effective, Failure> {
    config::load(&inputs(global, settings)).map_err(|issues| Failure::configuration(&issues))
}

fn inputs(global: &Global, settings: &Settings) -> Inputs {
    let mut flags = settings.0.clone();
    if let Some(dir) = &global.data_dir {
        flags.push(("data_dir".into(), dir.display().to_string()));
    }
    Inputs::from_process(global.config.clone(), flags)
}
