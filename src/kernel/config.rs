//! Typed configuration: file < environment < flags. Each key is declared once, in `config/keys.rs`,
//! with its documentation, type and default; whatever no key explains is refused with a suggestion.

mod file;
mod keys;
mod value;

pub use keys::{Backup, Config, Http, KEYS, Key, Log, Objects, Pipelines, S3, Server, Tls, Tracking};
pub use value::{Duration, LogFormat, OptionalPattern, OptionalText, Value};

use std::{collections::BTreeMap, fmt, path::PathBuf};

/// Variables that start with `CRANNOG_` and are not keys: what the client commands and the first
/// start read. A trailing `*` stands for any ending.
pub const OTHER_VARIABLES: &[(&str, &str)] = &[
    ("CRANNOG_CONFIG", "The configuration file, as `--config` names it."),
    (
        "CRANNOG_URL",
        "The server the client commands talk to; otherwise the one that runs on the data directory.",
    ),
    (
        "CRANNOG_CA_FILE",
        "A PEM file of the authority that signed the server's certificate (`crannog ca` prints Crannog's own), for the client commands.",
    ),
    ("CRANNOG_TOKEN", "The bearer token of the client commands; otherwise the data directory's credentials."),
    ("CRANNOG_ADMIN_PASSWORD", "The administrator's password at the first start; otherwise a random one."),
    ("CRANNOG_TASK_*", "Set by Crannog for the tasks of a pipeline."),
    ("CRANNOG_RUN_*", "Set by Crannog for the tasks of a pipeline."),
    ("CRANNOG_PARAM_*", "Set by Crannog for the tasks of a pipeline: the run's parameters."),
    ("CRANNOG_PIPELINE*", "Set by Crannog for the tasks of a pipeline: its name and run."),
    ("CRANNOG_OUTPUT", "Set by Crannog for the tasks of a pipeline: the file they write their output to."),
    ("CRANNOG_ITEM", "Set by Crannog for the tasks of a pipeline: the item a mapped task is for."),
    ("CRANNOG_LOGICAL_*", "Set by Crannog for the tasks of a pipeline: the time the run stands for."),
];

/// Where a value came from; a later one wins over an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Default,
    File { path: PathBuf, line: usize },
    Environment(String),
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One thing wrong with the configuration, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    pub message: String,
    pub hint: Option<String>,
}

/// The configuration in force, and for each key where its value came from.
#[derive(Clone, Debug)]
pub struct Effective {
    pub config: Config,
    pub sources: BTreeMap<&'static str, Source>,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
}

/// What the process was given: the caller reads the real environment, a test makes one up.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The file asked for by name; it must exist.
    pub file: Option<PathBuf>,
    /// Files tried in order when none was asked for.
    pub candidates: Vec<PathBuf>,
    pub environment: Vec<(String, String)>,
    /// Key name and text of each flag given.
    pub flags: Vec<(String, String)>,
}

impl Inputs {
    /// The process's own environment, with the usual places of the file.
    pub fn from_process(file: Option<PathBuf>, flags: Vec<(String, String)>) -> Self {
        let environment: Vec<_> = std::env::vars_os()
            .filter_map(|(name, value)| {
                Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
            })
            .filter(|(name, _)| name.starts_with("CRANNOG_"))
            .collect();
        let asked = environment.iter().find(|(name, _)| name == "CRANNOG_CONFIG").map(|(_, v)| v.into());
        let candidates = vec!["crannog.toml".into(), "/etc/crannog/crannog.toml".into()];
        Self { file: file.or(asked), candidates, environment, flags }
    }
}

/// Reads every layer and reports all that is wrong at once, not only the first.
pub fn load(inputs: &Inputs) -> Result<Effective, Vec<Issue>> {
    let mut issues = Vec::new();
    let (file, entries) = read_file(inputs, &mut issues);
    let (config, sources) = defaults();
    let mut effective = Effective { config, sources, file };
    for (name, text, source) in
        entries.into_iter().chain(environment(inputs, &mut issues)).chain(flags(inputs))
    {
        match keys::find(&name) {
            Some(key) => apply(&mut effective, key, &text, source, &mut issues),
            None => issues.push(unknown_key(&name, &source)),
        }
    }
    effective.config.check(&mut issues);
    if issues.is_empty() { Ok(effective) } else { Err(issues) }
}

fn defaults() -> (Config, BTreeMap<&'static str, Source>) {
    (Config::default(), KEYS.iter().map(|key| (key.name, Source::Default)).collect())
}

fn apply(effective: &mut Effective, key: &'static Key, text: &str, source: Source, issues: &mut Vec<Issue>) {
    match (key.set)(&mut effective.config, text) {
        Ok(()) => {
            effective.sources.insert(key.name, source);
        }
        Err(why) => issues.push(Issue {
            message: format!("{} = {text:?} ({source}): {why}", key.name),
            hint: Some(format!("{} is {}; the default is {:?}.", key.name, key.kind, key.default)),
        }),
    }
}

type Entry = (String, String, Source);

fn read_file(inputs: &Inputs, issues: &mut Vec<Issue>) -> (Option<PathBuf>, Vec<Entry>) {
    let found = match &inputs.file {
        Some(path) => Some(path.clone()),
        None => inputs.candidates.iter().find(|path| path.is_file()).cloned(),
    };
    let Some(path) = found else { return (None, Vec::new()) };
    let entries = file::entries(&path).unwrap_or_else(|issue| {
        issues.push(issue);
        Vec::new()
    });
    (Some(path), entries)
}

fn environment(inputs: &Inputs, issues: &mut Vec<Issue>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (name, value) in &inputs.environment {
        match KEYS.iter().find(|key| key.variable() == *name) {
            Some(key) => entries.push((key.name.into(), value.clone(), Source::Environment(name.clone()))),
            None if is_other_variable(name) => {}
            None => issues.push(unknown_variable(name)),
        }
    }
    entries
}

fn flags(inputs: &Inputs) -> impl Iterator<Item = Entry> + '_ {
    inputs.flags.iter().map(|(name, value)| {
        let flag = keys::find(name).map_or_else(|| name.clone(), Key::flag);
        (name.clone(), value.clone(), Source::Flag(flag))
    })
}

fn is_other_variable(name: &str) -> bool {
    OTHER_VARIABLES.iter().any(|(known, _)| match known.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == *known,
    })
}

fn unknown_key(name: &str, source: &Source) -> Issue {
    let hint = nearest(name, KEYS.iter().map(|key| key.name.to_owned())).map_or_else(
        || "`crannog config show` lists every key.".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    Issue { message: format!("unknown configuration key `{name}` ({source})"), hint: Some(hint) }
}

fn unknown_variable(name: &str) -> Issue {
    let known =
        KEYS.iter().map(Key::variable).chain(OTHER_VARIABLES.iter().map(|(name, _)| (*name).to_owned()));
    let hint = if name.starts_with("CRANNOG_SERVICE_") || name.starts_with("CRANNOG_PORT") {
        // Kubernetes injects these for a Service named `crannog`.
        "Kubernetes sets it for a Service of this name; say `enableServiceLinks: false` in the pod.".into()
    } else if let Some(near) = nearest(name, known) {
        format!("did you mean `{near}`?")
    } else {
        "Variables that start with CRANNOG_ are Crannog's; `crannog config show` lists them.".into()
    };
    Issue { message: format!("unknown environment variable `{name}`"), hint: Some(hint) }
}

/// The known name closest to `name`, if it is close enough to be a slip of the pen.
pub fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    known
        .map(|candidate| (strsim::damerau_levenshtein(name, &candidate), candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().min(name.len()) / 4)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests;
