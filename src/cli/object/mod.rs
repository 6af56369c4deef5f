//! `crannog object`: put, get and look after objects.

mod change;
mod listing;
mod progress;
mod receive;
mod send;

use super::{
    Failure, Global,
    client::Client,
    failure::Code,
    place::{self, Place, bucket_path},
    print, wait_for,
};
use clap::Subcommand;
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum Command {
    /// List a folder of a bucket
    List {
        /// BUCKET or BUCKET/FOLDER/
        #[arg(value_parser = place::place)]
        place: Place,
        /// Everything below it, not one folder
        #[arg(long, short)]
        recursive: bool,
        /// As JSON, one object a line
        #[arg(long)]
        json: bool,
    },
    /// Put files, or with --recursive whole folders
    Put {
        /// Files and folders; - reads standard input
        #[arg(required = true, num_args = 1..)]
        files: Vec<PathBuf>,
        /// BUCKET/KEY, or BUCKET/FOLDER/ to keep the names
        #[arg(value_parser = place::place)]
        to: Place,
        /// Folders with everything in them
        #[arg(long, short)]
        recursive: bool,
        /// The type of the content [default: by the file's name]
        #[arg(long, value_name = "TYPE")]
        content_type: Option<String>,
    },
    /// Get an object, or with --recursive everything below a folder
    Get {
        #[arg(value_parser = place::place)]
        from: Place,
        /// A file or folder [default: here]
        to: Option<PathBuf>,
        #[arg(long, short)]
        recursive: bool,
        #[arg(long, value_name = "ID", conflicts_with = "recursive")]
        version: Option<String>,
    },
    /// Write an object to standard output
    Cat {
        #[arg(value_parser = place::place)]
        place: Place,
        #[arg(long, value_name = "ID")]
        version: Option<String>,
    },
    /// Show all that is known of an object
    Show {
        #[arg(value_parser = place::place)]
        place: Place,
        #[arg(long, value_name = "ID")]
        version: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Delete objects
    Delete {
        #[arg(required = true, value_parser = place::place)]
        places: Vec<Place>,
        /// Everything below the folder
        #[arg(long, short)]
        recursive: bool,
        /// This version, for good
        #[arg(long, value_name = "ID", conflicts_with = "recursive")]
        version: Option<String>,
        /// With --recursive: every version, for good
        #[arg(long, requires = "recursive")]
        all_versions: bool,
        /// Also what is retained in governance mode; for admins
        #[arg(long)]
        bypass_governance: bool,
    },
    /// List the versions of an object
    Versions {
        #[arg(value_parser = place::place)]
        place: Place,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a version the latest again; without --version, bring a deleted object back
    Restore {
        #[arg(value_parser = place::place)]
        place: Place,
        #[arg(long, value_name = "ID")]
        version: Option<String>,
    },
    /// Show, set or remove the tags of an object
    Tag {
        #[arg(value_parser = place::place)]
        place: Place,
        /// Tags to set, as KEY=VALUE
        #[arg(value_name = "KEY=VALUE", value_parser = change::pair)]
        tags: Vec<(String, String)>,
        /// A tag to remove; may be given several times
        #[arg(long, value_name = "KEY")]
        remove: Vec<String>,
        #[arg(long, value_name = "ID")]
        version: Option<String>,
    },
    /// Copy an object; no byte is written twice
    Copy {
        #[arg(value_parser = place::place)]
        from: Place,
        #[arg(value_parser = place::place)]
        to: Place,
        #[arg(long, value_name = "ID")]
        version: Option<String>,
    },
    /// Move an object to another key or bucket
    Move {
        #[arg(value_parser = place::place)]
        from: Place,
        #[arg(value_parser = place::place)]
        to: Place,
    },
    /// Print a link that lets whoever has it read the object for a while
    Presign {
        #[arg(value_parser = place::place)]
        place: Place,
        /// How long it lives, 7d at most
        #[arg(long, default_value = "1h", value_name = "TIME", value_parser = place::seconds)]
        expires: u64,
        /// Lets them upload in its place instead
        #[arg(long)]
        put: bool,
        #[arg(long, value_name = "ID", conflicts_with = "put")]
        version: Option<String>,
    },
}

pub fn run(global: &Global, command: &Command) -> Result<(), Failure> {
    let client = Client::find(global)?;
    wait_for(one(&client, command))
}

async fn one(client: &Client, command: &Command) -> Result<(), Failure> {
    match command {
        Command::List { place, recursive, json } => listing::list(client, place, *recursive, *json).await,
        Command::Put { files, to, recursive, content_type } => {
            send::put(client, files, to, *recursive, content_type.as_deref()).await
        }
        Command::Get { from, to, recursive: true, .. } => receive::tree(client, from, to.as_deref()).await,
        Command::Get { from, to, version, .. } => {
            receive::get(client, from, to.as_deref(), version.as_deref()).await
        }
        Command::Cat { place, version } => receive::cat(client, place, version.as_deref()).await,
        Command::Show { place, version, json } => {
            listing::show(client, place, version.as_deref(), *json).await
        }
        Command::Delete { places, recursive, version, all_versions, bypass_governance } => {
            let how = change::Deletion {
                recursive: *recursive,
                version: version.as_deref(),
                versions: *all_versions,
                bypass_governance: *bypass_governance,
            };
            change::delete(client, places, &how).await
        }
        Command::Versions { place, json } => listing::versions(client, place, *json).await,
        Command::Restore { place, version } => change::restore(client, place, version.as_deref()).await,
        Command::Tag { place, tags, remove, version } => {
            change::tag(client, place, (tags, remove), version.as_deref()).await
        }
        Command::Copy { from, to, version } => {
            change::copy(client, (from, to), version.as_deref(), false).await
        }
        Command::Move { from, to } => change::copy(client, (from, to), None, true).await,
        Command::Presign { place, expires, put, version } => {
            change::presign(client, place, (*expires, *put), version.as_deref()).await
        }
    }
}
