//! `crannog pipeline source`: what definitions are followed from, and news of a push.

use super::{API, items, text, time};
use crate::cli::{Failure, client::Client, print, print_json, table};
use serde_json::json;

#[derive(clap::Subcommand)]
pub enum Source {
    /// List the sources, and how the last look at each went
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Look at the Git repository now
    Look,
    /// Make the token by which a webhook tells of a push; the one before is worth nothing then
    Token,
}

pub(super) async fn source(client: &Client, command: &Source) -> Result<(), Failure> {
    match command {
        Source::List { json } => list(client, *json).await,
        Source::Look => {
            client.post(&format!("{API}/pipeline-sources/git/look"), &json!({})).await?;
            eprintln!("It is looked at. Next: crannog pipeline source list");
            Ok(())
        }
        // Shown once: the server keeps a digest.
        Source::Token => {
            let answer = client.post(&format!("{API}/pipeline-sources/git/token"), &json!({})).await?;
            print(&format!("{}\n", text(&answer["token"])))?;
            eprintln!("Next: curl -X POST -H 'X-Crannog-Token: ...' SERVER{}", text(&answer["path"]));
            Ok(())
        }
    }
}

async fn list(client: &Client, as_json: bool) -> Result<(), Failure> {
    let answer = client.get(&format!("{API}/pipeline-sources")).await?;
    if as_json {
        return print_json(&answer);
    }
    let sources = items(&answer, "sources");
    if sources.is_empty() {
        eprintln!("No source is followed: pipelines.dir, pipelines.bucket and pipelines.git name them.");
        return Ok(());
    }
    let mut rows =
        vec![["SOURCE", "PLACE", "REF", "COMMIT", "LOOKED AT", "ERROR"].map(str::to_owned).to_vec()];
    rows.extend(sources.iter().map(|source| {
        let place = match source["folder"].as_str() {
            Some(folder) => format!("{}, folder {folder}", text(&source["place"])),
            None => text(&source["place"]),
        };
        let [kind, reference, commit, error] =
            ["kind", "ref", "commit", "error"].map(|field| text(&source[field]));
        vec![kind, place, reference, commit, time::told(&source["looked_at"]), error]
    }));
    print(&table(&rows))
}
