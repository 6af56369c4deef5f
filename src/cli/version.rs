//! `crannog version`.

use super::{Failure, print, print_json};
use crate::kernel::VERSION;

#[derive(clap::Args)]
pub struct Arguments {
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.json {
        let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
        return print_json(&serde_json::json!({ "version": VERSION, "target": target }));
    }
    print(&format!("crannog {VERSION}\n"))
}
