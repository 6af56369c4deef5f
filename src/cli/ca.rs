//! `crannog ca`: the certificate that clients have to trust when the doors speak TLS by Crannog's own authority.

use super::{
    Failure, Global,
    failure::Code,
    print,
    settings::{Settings, effective},
};
use crate::kernel::tls::{Authority, CERTIFICATE};

#[derive(clap::Args)]
pub struct Arguments {
    /// Print its SHA-256 fingerprint instead, to compare with what another machine was given
    #[arg(long)]
    fingerprint: bool,
}

pub fn run(global: &Global, arguments: &Arguments) -> Result<(), Failure> {
    let data_dir = effective(global, &Settings::default())?.config.data_dir;
    let file = data_dir.join(CERTIFICATE);
    if !file.exists() {
        let message = format!("{} has no authority of its own", data_dir.display());
        return Err(Failure::new(Code::NotFound, message).hint(
            "one is made when the doors first speak TLS: they listen beyond this machine, or tls.loopback is true",
        ));
    }
    if arguments.fingerprint {
        let authority = Authority::open(&data_dir).map_err(|error| Failure::failed(error.message))?;
        return print(&format!("{}\n", authority.fingerprint()));
    }
    print(&fs_err::read_to_string(&file).map_err(|error| Failure::new(Code::Refused, error.to_string()))?)
}
