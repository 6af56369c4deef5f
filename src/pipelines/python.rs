//! The command of a `python` task: which interpreter, and where its script is.

use super::{
    attempt::Folder,
    definition::kinds::python::{Python, Script},
    executor::Executor,
    model::Run,
    shell::quoted,
};
use crate::kernel::error::{Error, Result};
use std::path::{Path, PathBuf};

impl Executor {
    /// The command for the shell; the error names a virtual environment that is not there.
    pub(super) fn python(
        &self,
        python: &Python,
        run: &Run,
        folder: &Folder,
        render: &dyn Fn(&str) -> Result<String>,
    ) -> Result<String> {
        let base = run.folder.as_ref().map_or_else(|| folder.path().to_owned(), PathBuf::from);
        let (interpreter, venv) = match &python.venv {
            None => ("python3".to_owned(), None),
            Some(name) => {
                let venv = self.venv(&render(name)?, &base)?;
                (venv.join("bin/python").to_string_lossy().into_owned(), Some(venv))
            }
        };
        let script = match &python.script {
            Script::File(path) => base.join(render(path)?),
            Script::Code(code) => {
                fs_err::create_dir_all(folder.path())?;
                let path = folder.path().join("task.py");
                fs_err::write(&path, code)?;
                path
            }
        };
        if !script.is_file() {
            return Err(Error::invalid(no_script(python, &script, run.folder.is_some())));
        }
        let mut command = String::new();
        if let Some(venv) = venv {
            let venv = quoted(&venv.to_string_lossy());
            command = format!("VIRTUAL_ENV={venv} PATH={venv}/bin:\"$PATH\" ");
        }
        command.push_str(&format!("exec {} {}", quoted(&interpreter), quoted(&script.to_string_lossy())));
        for arg in &python.args {
            command.push(' ');
            command.push_str(&quoted(&render(arg)?));
        }
        Ok(command)
    }

    /// Where a virtual environment is: a name is one of the server's, anything with a slash a path.
    fn venv(&self, name: &str, base: &Path) -> Result<PathBuf> {
        let path = match name.contains('/') {
            true => base.join(name),
            false => self.venvs().join(name),
        };
        match path.join("bin/python").exists() {
            true => Ok(path),
            false => Err(Error::invalid(format!(
                "there is no virtual environment {name:?}: {0}/bin/python does not exist; make it with: python3 -m venv {0}",
                path.display()
            ))),
        }
    }
}

fn no_script(python: &Python, script: &Path, has_files: bool) -> String {
    match &python.script {
        Script::File(path) if !has_files && !path.starts_with('/') => format!(
            "there is no script {path}: a definition given through the API or kept in a bucket has no files beside \
             it; write the code into it (python: code), name a script by its whole path, or keep both in a folder \
             or a Git repository"
        ),
        _ => format!("there is no script {}", script.display()),
    }
}
