//! `crannog model`: what can be said of a model file without a server.

use super::{Failure, print, print_json, table};
use crate::{
    kernel::error::Error,
    serving::{
        engine::{Draft, Report, inspect},
        report_as_json,
    },
};
use clap::Subcommand;
use std::{
    collections::HashMap,
    io::ErrorKind,
    path::{Path, PathBuf},
};

#[derive(Subcommand)]
pub enum Command {
    /// Say whether an ONNX file can be served: its operators, inputs and outputs, or what stands against it
    Check {
        file: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

pub fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Check { file, json } => check(file, *json),
    }
}

fn check(file: &Path, json: bool) -> Result<(), Failure> {
    let report = inspect(read(file)?);
    if json {
        print_json(&report_as_json(&report))?;
    } else {
        print(&as_text(&report))?;
    }
    match report.refused {
        Some(reason) => Err(Failure::failed(format!("{} cannot be served: {reason}", file.display()))),
        None => Ok(()),
    }
}

/// The file, and what of it lies in files beside it.
fn read(file: &Path) -> Result<Draft, Failure> {
    let refused = |error: Error| Failure::failed(error.message);
    let mut draft = Draft::read(&fs_err::read(file)?).map_err(refused)?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut beside = HashMap::new();
    for name in draft.files().map_err(refused)? {
        match fs_err::read(folder.join(&name)) {
            Ok(bytes) => beside.insert(name, bytes),
            // What is missing is told as an endpoint would.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
    }
    draft.fill(&beside).map_err(refused)?;
    Ok(draft)
}

fn as_text(report: &Report) -> String {
    let sets: Vec<String> =
        report.opsets.iter().map(|(domain, version)| format!("{domain} {version}")).collect();
    let mut text = format!("Made by {} with {}\n\n", named(&report.producer), sets.join(", "));
    let mut rows = vec![["OPERATOR", "DOMAIN", "NODES", "ENGINE"].map(str::to_owned).to_vec()];
    rows.extend(report.operators.iter().map(|operator| {
        let known = if operator.known { "has it" } else { "lacks it" };
        vec![operator.name.clone(), operator.domain.clone(), operator.nodes.to_string(), known.to_owned()]
    }));
    text += &table(&rows);
    if report.refused.is_none() {
        let mut rows = vec![["TENSOR", "NAME", "DATATYPE", "SHAPE"].map(str::to_owned).to_vec()];
        let sides = [("input", &report.inputs), ("output", &report.outputs)];
        for (side, spec) in sides.iter().flat_map(|(side, specs)| specs.iter().map(move |spec| (side, spec)))
        {
            let shape = format!("{:?}", spec.shape);
            rows.push(vec![(*side).to_owned(), spec.name.clone(), spec.datatype.clone(), shape]);
        }
        text += &format!("\n{}\nThe model can be served; -1 is a size left open.\n", table(&rows));
    }
    text
}

fn named(producer: &str) -> &str {
    if producer.is_empty() { "an unnamed exporter" } else { producer }
}
