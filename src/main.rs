//! The `crannog` binary: everything it does lives in the library's `cli` module.

use std::process::ExitCode;

fn main() -> ExitCode {
    crannog::cli::main()
}
