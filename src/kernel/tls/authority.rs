//! The house's own certificate authority: made once, kept in the data directory, and good for nothing but the
//! doors of this server. Clients trust `ca.pem`; certificates themselves live in memory and are short-lived.

use crate::kernel::{
    error::{Error, Result},
    private,
};
use chrono::{DateTime, Datelike, Days, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use sha2::{Digest, Sha256};
use std::path::Path;

/// The authority's certificate, in the data directory: what clients are told to trust.
pub const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "secrets/ca-key.pem";
const AUTHORITY_DAYS: u64 = 20 * 365;
/// How long a door's certificate holds, and when it is replaced.
const DAYS: u64 = 30;
pub(super) const RENEWED_AFTER_DAYS: u64 = 20;

/// Signs the certificates of this server's doors.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    /// The authority of a data directory, made there on first need.
    pub fn open(data_dir: &Path) -> Result<Self> {
        let path = data_dir.join(KEY);
        if !path.exists() {
            private::folder(&data_dir.join("secrets"))?;
            let pair = KeyPair::generate().map_err(Error::internal)?;
            private::write(&path, pair.serialize_pem().as_bytes())?;
        }
        let pair = KeyPair::from_pem(&fs_err::read_to_string(&path)?)
            .map_err(|error| Error::invalid(format!("{} is no private key: {error}", path.display())))?;
        let params = params(&pair);
        let file = data_dir.join(CERTIFICATE);
        if !file.exists() {
            let made = params.self_signed(&pair).map_err(Error::internal)?;
            private::write(&file, made.pem().as_bytes())?;
        }
        let certificate = CertificateDer::from_pem_file(&file)
            .map_err(|error| Error::invalid(format!("{} is no certificate: {error}", file.display())))?;
        Ok(Self { issuer: Issuer::new(params, pair), certificate })
    }

    /// A certificate for these names and addresses, as of `now`.
    pub(super) fn sign(&self, names: &[String], now: DateTime<Utc>) -> Result<CertifiedKey> {
        let pair = KeyPair::generate().map_err(Error::internal)?;
        let mut params = CertificateParams::new(names).map_err(Error::internal)?;
        // A day back: a client's clock may lag behind.
        validity(&mut params, now - Days::new(1), now + Days::new(DAYS));
        params.distinguished_name = common_name("Crannog");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&pair, &self.issuer).map_err(Error::internal)?;
        let key = PrivateKeyDer::Pkcs8(pair.serialize_der().into());
        let chain = vec![certificate.der().clone()];
        CertifiedKey::from_der(chain, key, &super::provider()).map_err(Error::internal)
    }

    /// SHA-256 of the authority's certificate, as `openssl x509 -fingerprint -sha256` writes it.
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(&self.certificate);
        digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    }
}

/// The authority as it signs itself. Its name carries a piece of its key's digest: two installations' authorities
/// in one trust store are told apart by it.
fn params(pair: &KeyPair) -> CertificateParams {
    let digest = hex::encode(&Sha256::digest(pair.public_key_raw())[..4]);
    let now = Utc::now();
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(&format!("Crannog local authority {digest}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // The clock of a machine without a network may have been wrong by days when this was made.
    validity(&mut params, now - Days::new(30), now + Days::new(AUTHORITY_DAYS));
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// Sets the days from and until which a certificate holds.
#[expect(clippy::cast_possible_truncation, reason = "months and days of a month fit a byte")]
fn validity(params: &mut CertificateParams, from: DateTime<Utc>, until: DateTime<Utc>) {
    let day = |at: DateTime<Utc>| date_time_ymd(at.year(), at.month() as u8, at.day() as u8);
    params.not_before = day(from);
    params.not_after = day(until);
}
