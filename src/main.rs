//! The `crannog` binary: everything it does lives in the library. `cli` is the way in, but for the
//! supervisors of tasks and the process they are forked from, which are this binary run again.

use std::{env, ffi::OsStr, path::Path, process::ExitCode};

fn main() -> ExitCode {
    crannog::kernel::names::fix_sources();
    crannog::kernel::memory::settle();
    let mut arguments = env::args_os().skip(1);
    match (arguments.next(), arguments.next()) {
        // No command line to parse and no runtime to build: a task should start in a millisecond.
        (Some(command), Some(dir)) if command == OsStr::new(crannog::pipelines::SUPERVISOR_COMMAND) => {
            crannog::pipelines::supervise(Path::new(&dir))
        }
        (Some(command), None) if command == OsStr::new(crannog::pipelines::NURSERY_COMMAND) => {
            crannog::pipelines::nurse()
        }
        _ => crannog::cli::main(),
    }
}
