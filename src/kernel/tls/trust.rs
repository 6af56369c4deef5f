//! Whom this process trusts when it asks others over TLS: the authorities the machine trusts, and those it was
//! told to trust besides.

use crate::kernel::error::{Error, Result};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::path::PathBuf;

/// PEM files of authorities that are trusted besides the machine's own.
#[derive(Clone, Debug, Default)]
pub struct Trust(pub Vec<PathBuf>);

impl Trust {
    /// A client's builder for `https://` addresses. It reads every authority of the machine, some milliseconds.
    pub fn client(&self) -> Result<reqwest::ClientBuilder> {
        let mut roots = RootCertStore::empty();
        // Whatever of the machine's store cannot be read is left out: nothing of it may be needed.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for file in &self.0 {
            let wrong = |error: &dyn std::fmt::Display| {
                Error::invalid(format!("{} holds no certificate in PEM form: {error}", file.display()))
            };
            let found: Vec<_> = CertificateDer::pem_file_iter(file)
                .and_then(Iterator::collect)
                .map_err(|error| wrong(&error))?;
            if found.is_empty() {
                return Err(wrong(&"there is none"));
            }
            for certificate in found {
                roots.add(certificate).map_err(|error| wrong(&error))?;
            }
        }
        Self::builder(roots)
    }

    /// A client's builder for `http://` addresses alone: it reads no authorities, and trusts none.
    pub fn plain() -> Result<reqwest::ClientBuilder> {
        Self::builder(RootCertStore::empty())
    }

    #[expect(clippy::disallowed_methods, reason = "this is where its arithmetic comes from")]
    fn builder(roots: RootCertStore) -> Result<reqwest::ClientBuilder> {
        let config = ClientConfig::builder_with_provider(super::provider())
            .with_safe_default_protocol_versions()
            .map_err(Error::internal)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // No proxy from the environment: a proxy asked for 127.0.0.1 answers for its own machine.
        Ok(reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy())
    }
}
