//! `crannog image`: this binary as a container image in one tar, with nothing else installed.

use super::{Failure, failure::Code};
use crate::kubernetes::{
    image::{build, go_architecture, needs_loader},
    image_name,
};
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Arguments {
    /// Where to write the tar
    #[arg(long, default_value = "crannog.tar", value_name = "FILE")]
    out: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let binary = fs_err::read("/proc/self/exe")?;
    if needs_loader(&binary) {
        return Err(Failure::new(
            Code::Failed,
            "this binary is dynamically linked and would not start in an image that holds nothing else",
        )
        .hint(
            "build a static one: RUSTFLAGS=\"-C target-feature=+crt-static\" cargo build --release --target \
             x86_64-unknown-linux-gnu, and run `crannog image` with it",
        ));
    }
    let name = image_name();
    let tar = build(&binary, &name, go_architecture(std::env::consts::ARCH))?;
    fs_err::write(&arguments.out, &tar)?;
    let out = arguments.out.display();
    eprintln!("Wrote {name} to {out} ({:.1} MB).", tar.len() as f64 / 1e6);
    eprintln!("Import it on each node:   k3s ctr images import {out}");
    Ok(())
}
