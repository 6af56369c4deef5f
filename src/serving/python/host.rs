//! Which virtual environment runs a model, and where its files are copied to.

use super::{Files, Plan, Worker};
use crate::{
    kernel::error::{Error, Result},
    objects,
    registry::Resolved,
    serving::loading::{mlmodel::Signature, runner::Runner},
};
use std::{path::PathBuf, time::Duration};

/// What the server's operator made for models in Python.
#[derive(Clone, Debug)]
pub struct Host {
    /// Where environments are found by name.
    pub venvs: PathBuf,
    /// The one for models that have none of their own: a name, or a path.
    pub venv: Option<String>,
    /// Where models' files are copied to; nobody else's.
    pub scratch: PathBuf,
    /// How long one request may take.
    pub limit: Duration,
}

impl Host {
    /// Forgets the files of workers that ended with the server before this one.
    pub fn sweep(&self) -> Result<()> {
        match fs_err::remove_dir_all(&self.scratch) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The model, loaded in a process of its own, and the size of its files.
    pub async fn load(
        &self,
        objects: &objects::Service,
        at: &Resolved,
        signature: Option<Signature>,
    ) -> Result<(Runner, usize)> {
        let venv = self.venv(&at.name)?;
        let files = Files::copy(objects, &at.bucket, &at.source_prefix, &self.scratch).await?;
        let size = usize::try_from(files.bytes()).unwrap_or(usize::MAX);
        let plan = Plan { model: format!("{}/{}", at.name, at.version), venv, files, limit: self.limit };
        let start = move || Worker::start(plan, signature.as_ref());
        let worker = tokio::task::spawn_blocking(start).await.map_err(Error::internal)??;
        Ok((Runner::Python(worker), size))
    }

    /// The environment of the model's own name, or the one for all. What is missing may be made at any time, so
    /// it is no fault of the model's.
    pub fn venv(&self, model: &str) -> Result<PathBuf> {
        let own = self.venvs.join(model);
        let has_python = |venv: &PathBuf| venv.join("bin/python").exists();
        let is_a_name = !model.contains('/') && model != "..";
        if is_a_name && has_python(&own) {
            return Ok(own);
        }
        let Some(named) = &self.venv else {
            return Err(Error::busy(format!(
                "The model has no onnx flavor, so it needs Python. Make it an environment with the model's \
                 requirements at venvs/{model} ({}), or name one for all such models in serving.venv. Or log it with \
                 mlflow.onnx.log_model.",
                own.display()
            )));
        };
        let venv = if named.contains('/') { PathBuf::from(named) } else { self.venvs.join(named) };
        if has_python(&venv) {
            return Ok(venv);
        }
        Err(Error::busy(format!(
            "There is no virtual environment at {0}, which serving.venv names: make it with python3 -m venv {0}.",
            venv.display()
        )))
    }
}
