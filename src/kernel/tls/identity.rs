//! What a door shows to whom. A client that came to an address of this machine finds that address in the
//! certificate: on a machine that no DNS knows, people type addresses.
//!
//! With a certificate of the operator's, clients on this machine still meet the house's own at its loopback
//! addresses: tasks and the command line come that way, and no operator's certificate names 127.0.0.1.

use super::authority::{Authority, RENEWED_AFTER_DAYS};
use crate::kernel::error::{Error, Result};
use chrono::{DateTime, Days, Utc};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    collections::HashMap,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

/// How often the operator's files are looked at for a change.
const LOOK: Duration = Duration::from_secs(1);

/// What the doors are to show.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// The operator's certificate chain and its key, PEM files.
    pub files: Option<(PathBuf, PathBuf)>,
    /// Names of this machine, for the certificates of the house's own authority.
    pub names: Vec<String>,
}

/// Gives each connection its certificate, renewed before it ends and read again when its files change.
pub struct Identity {
    authority: Authority,
    shown: Shown,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    issued: HashMap<IpAddr, Issued>,
    operators: Option<Operators>,
}

struct Issued {
    at: DateTime<Utc>,
    config: Arc<ServerConfig>,
}

struct Operators {
    key: Arc<CertifiedKey>,
    /// What the files were when they were read, and when they were last looked at.
    stamp: Stamp,
    looked: Instant,
}

type Stamp = [Option<(SystemTime, u64)>; 2];

impl Identity {
    /// Reads the operator's files, where there are any, so that a wrong one is told at the start.
    pub fn open(data_dir: &Path, shown: Shown) -> Result<Self> {
        let operators = shown.files.as_ref().map(Operators::read).transpose()?;
        let state = Mutex::new(State { operators, ..State::default() });
        let identity = Self { authority: Authority::open(data_dir)?, shown, state };
        // A name that no certificate can carry is told now, not to the first client.
        identity.authority.sign(&identity.names([127, 0, 0, 1].into()), Utc::now())?;
        Ok(identity)
    }

    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Whether clients of other machines meet the operator's certificate.
    pub fn is_operators(&self) -> bool {
        self.shown.files.is_some()
    }

    /// How to speak with a client that came to the address `local` of this machine.
    pub fn config(&self, local: IpAddr) -> Result<Arc<ServerConfig>> {
        let local = local.to_canonical();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(files), Some(operators)) = (&self.shown.files, &mut state.operators)
            && operators.changed(files)
        {
            state.issued.clear();
        }
        let now = Utc::now();
        if let Some(issued) = state.issued.get(&local)
            && (issued.at..issued.at + Days::new(RENEWED_AFTER_DAYS)).contains(&now)
        {
            return Ok(Arc::clone(&issued.config));
        }
        let house = Arc::new(self.authority.sign(&self.names(local), now)?);
        let operators = state.operators.as_ref().map(|operators| Arc::clone(&operators.key));
        let config = Arc::new(server_config(Choice { house, operators, local })?);
        state.issued.insert(local, Issued { at: now, config: Arc::clone(&config) });
        Ok(config)
    }

    fn names(&self, local: IpAddr) -> Vec<String> {
        let mut names = vec!["localhost".to_owned(), local.to_string()];
        names.extend(self.shown.names.iter().filter(|name| *name != "localhost").cloned());
        names
    }
}

impl Operators {
    fn read(files: &(PathBuf, PathBuf)) -> Result<Self> {
        let stamp = stamp(files);
        let (chain, key) = files;
        let wrong = |path: &Path, what: &str, error: &dyn std::fmt::Display| {
            Error::invalid(format!("{} holds no {what} in PEM form: {error}", path.display()))
        };
        let certificates: Vec<_> = CertificateDer::pem_file_iter(chain)
            .and_then(Iterator::collect)
            .map_err(|error| wrong(chain, "certificate", &error))?;
        if certificates.is_empty() {
            return Err(wrong(chain, "certificate", &"there is none"));
        }
        let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, "private key", &error))?;
        let key = CertifiedKey::from_der(certificates, secret, &super::provider()).map_err(|error| {
            let (chain, key) = (chain.display(), key.display());
            Error::invalid(format!("{chain} and {key} do not belong together: {error}"))
        })?;
        Ok(Self { key: Arc::new(key), stamp, looked: Instant::now() })
    }

    /// Reads the files again when they are others than before. What cannot be used leaves the old in force: a
    /// tool that renews them writes one after the other.
    fn changed(&mut self, files: &(PathBuf, PathBuf)) -> bool {
        if self.looked.elapsed() < LOOK {
            return false;
        }
        self.looked = Instant::now();
        let stamp = stamp(files);
        if stamp == self.stamp {
            return false;
        }
        match Self::read(files) {
            Ok(read) => {
                tracing::info!(certificate = %files.0.display(), "the certificate was read anew");
                *self = read;
                true
            }
            Err(error) => {
                tracing::warn!(
                    error = error.message,
                    "the new certificate cannot be used; the old one stays"
                );
                self.stamp = stamp;
                false
            }
        }
    }
}

fn stamp((chain, key): &(PathBuf, PathBuf)) -> Stamp {
    [chain, key].map(|path| {
        let meta = fs_err::metadata(path).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    })
}

fn server_config(choice: Choice) -> Result<ServerConfig> {
    let versions = ServerConfig::builder_with_provider(super::provider())
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?;
    let mut config = versions.with_no_client_auth().with_cert_resolver(Arc::new(choice));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Chooses for one address of this machine, by the name the client asks for.
#[derive(Debug)]
struct Choice {
    house: Arc<CertifiedKey>,
    operators: Option<Arc<CertifiedKey>>,
    local: IpAddr,
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().filter(|name| !name.eq_ignore_ascii_case("localhost"));
        let own = self.local.is_loopback() && name.is_none();
        let chosen = self.operators.as_ref().filter(|_| !own).unwrap_or(&self.house);
        Some(Arc::clone(chosen))
    }
}
