//! From an address to the files it means right now.

use super::{Service, known, newest};
use crate::{
    kernel::error::{Error, Kind, Result},
    registry::{
        model::{ModelVersion, Resolved, Stage},
        names::{ModelUri, Pick},
        source,
    },
};

impl Service {
    /// Follows a `models:/` address to the files it means right now.
    pub async fn resolve(&self, uri: &str) -> Result<Resolved> {
        let (name, version, storage) = match ModelUri::parse(uri)? {
            ModelUri::Logged(id) => {
                let logged = self.tracker().logged_model(&id).await?;
                (id.clone(), id, logged.artifact_uri)
            }
            ModelUri::Registered { name, pick } => {
                let alias = matches!(pick, Pick::Alias(_));
                let found = self.version_picked(&name, pick).await.map_err(|error| {
                    // MLflow calls an unknown alias invalid; to whoever follows it, it is not there.
                    if alias && error.kind == Kind::Invalid { Error::not_found(error.message) } else { error }
                })?;
                (found.name, found.version.to_string(), found.storage)
            }
        };
        let (bucket, source_prefix) = source::locate(self.tracker(), &storage).await?;
        Ok(Resolved { name, version, bucket, source_prefix })
    }

    /// The key, in the tracker's bucket, of one file of a version.
    pub async fn version_file(&self, version: &ModelVersion, path: &str) -> Result<String> {
        match source::locate(self.tracker(), &version.storage).await? {
            (bucket, prefix) if bucket == source::BUCKET => Ok(format!("{prefix}/{path}")),
            // Other buckets have policies of their own, which a version must not lead around.
            (bucket, _) => Err(Error::invalid(format!(
                "The files of this version are in bucket {bucket}: read them at the S3 door."
            ))),
        }
    }

    pub(super) async fn version_picked(&self, name: &str, pick: Pick) -> Result<ModelVersion> {
        match pick {
            Pick::Version(version) => self.version_get(name, version).await,
            Pick::Alias(alias) => self.version_by_alias(name, &alias).await,
            Pick::Latest => self.newest_version(name, None).await,
            Pick::Stage(stage) => self.newest_version(name, Some(Stage::parse(&stage)?)).await,
        }
    }

    async fn newest_version(&self, name: &str, stage: Option<Stage>) -> Result<ModelVersion> {
        let name = name.to_owned();
        self.0.db.look_up(move |db| newest(db, known(db, &name)?, &name, stage)).await
    }
}
