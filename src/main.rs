//! The `crannog` binary: everything it does lives in the library. `cli` is the way in, but for the
//! supervisor of a task, which is this binary run again, for each task anew.

use std::{env, ffi::OsStr, path::Path, process::ExitCode};

fn main() -> ExitCode {
    crannog::kernel::names::fix_sources();
    let mut arguments = env::args_os().skip(1);
    match (arguments.next(), arguments.next()) {
        // No command line to parse and no runtime to build: a task should start in a millisecond.
        (Some(command), Some(dir)) if command == OsStr::new(crannog::pipelines::SUPERVISOR_COMMAND) => {
            crannog::pipelines::supervise(Path::new(&dir))
        }
        _ => crannog::cli::main(),
    }
}
