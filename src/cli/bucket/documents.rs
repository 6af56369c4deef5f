//! The settings of a bucket that are JSON documents: get, set, remove.

use super::{Client, Failure, bucket_path, print_json};
use std::{
    io::Read,
    path::{Path, PathBuf},
};

#[derive(clap::Subcommand)]
pub enum Document {
    /// Print the document
    Get { bucket: String },
    /// Put a document in the place of what is set; the fields are those of the AWS command line
    Set {
        bucket: String,
        /// A file with the JSON; - reads standard input
        file: PathBuf,
    },
    /// Take the document away
    Remove { bucket: String },
}

/// A document under the name of its setting.
pub struct Named<'a> {
    pub setting: &'static str,
    pub document: &'a Document,
}

impl Named<'_> {
    pub async fn run(&self, client: &Client) -> Result<(), Failure> {
        let setting = self.setting;
        let path = |bucket: &str| bucket_path(bucket, &format!("settings/{setting}"));
        match self.document {
            Document::Get { bucket } => print_json(&client.get(&path(bucket)).await?),
            Document::Set { bucket, file } => {
                let document = serde_json::from_str(&read(file)?)
                    .map_err(|error| Failure::failed(format!("{} is not JSON: {error}", file.display())))?;
                client.put(&path(bucket), &document).await?;
                eprintln!("Set the {setting} document of {bucket}.");
                Ok(())
            }
            Document::Remove { bucket } => client.delete(&path(bucket)).await,
        }
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    if file != Path::new("-") {
        return Ok(fs_err::read_to_string(file)?);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}
