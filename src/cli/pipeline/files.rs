//! Definition files on the command line: files, folders of them, or `-` for standard input; checked here, and given
//! to the server.

use super::{items, pipeline_path, plural, text};
use crate::{
    cli::{Failure, client::Client, failure::Code, print, print_json},
    pipelines::{
        definition::{Definition, Problem, words},
        definitions_in,
    },
};
use reqwest::Method;
use serde_json::json;
use std::{
    io::Read,
    path::{Path, PathBuf},
};

/// A definition as it was read, and what came of it.
struct Given {
    /// How it is named in messages.
    file: String,
    text: String,
    read: Result<String, Vec<Problem>>,
}

impl Given {
    fn of(file: String, bytes: &[u8]) -> Self {
        match words::text(bytes) {
            Ok(text) => {
                let read = Definition::parse(text).map(|definition| definition.name);
                Self { file, text: text.to_owned(), read }
            }
            Err(problem) => Self { file, text: String::new(), read: Err(vec![problem]) },
        }
    }

    fn problems(&self) -> &[Problem] {
        self.read.as_ref().err().map_or(&[], Vec::as_slice)
    }
}

fn read_all(places: &[PathBuf]) -> Result<Vec<Given>, Failure> {
    let mut all = Vec::new();
    for place in places {
        if place == Path::new("-") {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes)?;
            all.push(Given::of("-".into(), &bytes));
            continue;
        }
        let files = if place.is_dir() { in_folder(place)? } else { vec![place.clone()] };
        for file in files {
            all.push(Given::of(file.display().to_string(), &fs_err::read(&file)?));
        }
    }
    Ok(all)
}

fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let files = definitions_in(folder)?;
    match files.is_empty() {
        true => Err(Failure::failed(format!("no definition is in {}", folder.display()))
            .hint("definitions are *.yaml and *.yml there, and pipeline.yaml or NAME.pipeline.yaml in folders below")),
        false => Ok(files),
    }
}

pub(super) fn validate(places: &[PathBuf], as_json: bool) -> Result<(), Failure> {
    let all = read_all(places)?;
    for one in all.iter().filter(|_| !as_json) {
        for problem in one.problems() {
            print(&format!("{}: {problem}\n", one.file))?;
        }
    }
    if as_json {
        let report =
            |one: &Given| json!({ "file": one.file, "ok": one.read.is_ok(), "errors": one.problems() });
        print_json(&json!({ "files": all.iter().map(report).collect::<Vec<_>>() }))?;
    }
    match all.iter().filter(|one| one.read.is_err()).count() {
        0 => {
            eprintln!("{} sound.", plural(all.len(), "definition is", "definitions are"));
            Ok(())
        }
        bad => Err(Failure::new(
            Code::Failed,
            format!("{} not sound", plural(bad, "definition is", "definitions are")),
        )),
    }
}

pub(super) async fn apply(client: &Client, places: &[PathBuf]) -> Result<(), Failure> {
    // All are checked first, so that a mistake in the last does not leave the others half applied.
    let all = read_all(places)?;
    let lines: Vec<String> = all
        .iter()
        .flat_map(|one| one.problems().iter().map(move |problem| format!("{}: {problem}", one.file)))
        .collect();
    if !lines.is_empty() {
        let failure = Failure::failed(lines.join("\n"));
        return Err(match all.len() {
            1 => failure,
            _ => failure.hint("nothing was applied, the sound ones neither"),
        });
    }
    for one in all {
        let Ok(name) = one.read else { continue };
        let stored =
            client.send_text(Method::PUT, &pipeline_path(&name, ""), "application/yaml", one.text).await?;
        print(&format!("{name}\n"))?;
        for warning in items(&stored, "warnings") {
            eprintln!("warning: {}", text(warning));
        }
        eprintln!("Next: crannog pipeline run {name} --wait");
    }
    Ok(())
}
