//! The server's own keys: the root key, a file, and the named keys it wraps, which are rows.

use super::{
    CustomerKey, DataKey, Mode, Seal, Sealed, Wish,
    seal::{unwrap, unwrap_key, wrap},
};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
        id, private,
    },
    objects::{error::Fault, store::kms},
    store::Db,
};
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};
use tokio::sync::OnceCell;

/// The key SSE-KMS uses when none is named; made when it is first needed.
pub const DEFAULT_KEY: &str = "aws/s3";
const ROOT_FILE: &str = "objects.key";
const NAME_MAX: usize = 256;
/// What a sealed secret begins with. Base64 has no colon, so that no clear secret looks like it.
pub const SEALED: &str = "sealed:";

type Key = [u8; 32];

/// A named key, without the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsKey {
    pub name: String,
    pub created_ms: i64,
    /// A disabled key neither seals nor opens anything.
    pub enabled: bool,
}

/// Makes data keys and opens seals. Cloning it is cheap.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    db: Db,
    file: PathBuf,
    root: OnceCell<Key>,
    named: RwLock<Named>,
}

/// Named keys in clear, those that are enabled.
#[derive(Default)]
struct Named {
    keys: HashMap<String, Key>,
    /// Counts the changes: what was read before one must not be remembered after it.
    changes: u64,
}

impl Vault {
    /// Nothing is read, or made, before the first object that needs it.
    pub fn new(db: Db, secrets: PathBuf) -> Self {
        let inner =
            Inner { db, file: secrets.join(ROOT_FILE), root: OnceCell::new(), named: RwLock::default() };
        Self(Arc::new(inner))
    }

    /// A new data key, sealed as was wished.
    pub async fn seal(&self, wish: &Wish) -> Result<Sealed> {
        let (mode, wrapping) = match wish {
            Wish::Server => (Mode::Server, *self.root().await?),
            Wish::Customer(customer) => (Mode::Customer, customer.key),
            Wish::Kms { key, context, bucket_key } => {
                let key = key.clone().unwrap_or_else(|| DEFAULT_KEY.to_owned());
                let wrapping = self.named(&key).await?;
                (Mode::Kms { key, context: context.clone(), bucket_key: *bucket_key }, wrapping)
            }
        };
        let key = DataKey::new(random()?);
        let seal = Seal::new(mode, &wrapping, &key).ok_or_else(|| Error::internal("sealing failed"))?;
        Ok(Sealed { seal, key })
    }

    /// What an object with this seal is read and written with. Of SSE-C it takes the customer's key;
    /// one that nothing needs is refused.
    pub async fn open(&self, seal: Option<&Seal>, customer: Option<&CustomerKey>) -> Result<Option<Sealed>> {
        let Some(seal) = seal else {
            return customer.map_or(Ok(None), |_| Err(Fault::CustomerKeyNotNeeded.into()));
        };
        seal.check_customer(customer)?;
        let key = match (&seal.mode, customer) {
            (Mode::Customer, customer) => customer.and_then(|customer| seal.open(&customer.key)),
            (Mode::Server, _) => seal.open(self.root().await?),
            (Mode::Kms { key, .. }, _) => seal.open(&self.named(key).await?),
        };
        let key = key.ok_or_else(|| Error::internal("an object's data key does not open with its key"))?;
        Ok(Some(Sealed { seal: seal.clone(), key }))
    }

    /// Seals a secret that is needed in clear again; `purpose` is bound in, so that it cannot stand for
    /// another's.
    pub async fn secret_seal(&self, purpose: &str, clear: &str) -> Result<String> {
        let sealed = wrap(self.root().await?, purpose, clear.as_bytes());
        let sealed = sealed.ok_or_else(|| Error::internal("sealing failed"))?;
        Ok(format!("{SEALED}{sealed}"))
    }

    /// The secret in clear.
    pub async fn secret_open(&self, purpose: &str, kept: &str) -> Result<String> {
        let Some(sealed) = kept.strip_prefix(SEALED) else {
            return Err(Error::internal(format!("the {purpose} is not sealed")));
        };
        let clear = unwrap(self.root().await?, purpose, sealed).ok_or_else(|| wrong_root(purpose))?;
        String::from_utf8(clear).map_err(Error::internal)
    }

    /// Makes a named key; one of that name that is there is refused.
    pub async fn key_create(&self, name: &str) -> Result<KmsKey> {
        let key = KmsKey { name: checked(name)?.to_owned(), created_ms: now_ms(), enabled: true };
        if !self.key_insert(&key).await? {
            return Err(Error::new(
                crate::kernel::error::Kind::Exists,
                format!("The key {name:?} exists already."),
            ));
        }
        Ok(key)
    }

    async fn key_insert(&self, key: &KmsKey) -> Result<bool> {
        let sealed = wrap(self.root().await?, &key.name, &random()?);
        let sealed = sealed.ok_or_else(|| Error::internal("sealing failed"))?;
        let key = key.clone();
        self.0.db.write(move |c| kms::key_insert(c, &key, &sealed)).await
    }

    pub async fn key_list(&self) -> Result<Vec<KmsKey>> {
        self.0.db.read(kms::key_list).await
    }

    /// Objects of a disabled key cannot be read until it is enabled again. No key is ever deleted:
    /// that would delete its objects.
    pub async fn key_enable(&self, name: &str, enabled: bool) -> Result<KmsKey> {
        let name = plain(name).to_owned();
        let (vault, row) = (self.clone(), name.clone());
        // A task of its own: a caller who hangs up after the commit must not keep it from being noticed.
        let change = async move {
            let changed = vault.0.db.write(move |c| kms::key_enable(c, &row, enabled)).await;
            vault.forget();
            changed
        };
        let changed = tokio::spawn(change).await.map_err(Error::internal)??;
        changed.ok_or_else(|| Fault::NoSuchKmsKey(name).into())
    }

    fn forget(&self) {
        let mut named = self.0.named.write().unwrap_or_else(PoisonError::into_inner);
        named.changes += 1;
        named.keys.clear();
    }

    async fn named(&self, given: &str) -> Result<Key> {
        let name = plain(given).to_owned();
        let changes = {
            let named = self.0.named.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(key) = named.keys.get(&name) {
                return Ok(*key);
            }
            named.changes
        };
        let root = *self.root().await?;
        let row = name.clone();
        let mut found = self.0.db.read(move |c| kms::key_get(c, &row)).await?;
        if found.is_none() && name == DEFAULT_KEY {
            // Two first users may meet here: whoever comes second finds the other's key.
            self.key_insert(&KmsKey { name: name.clone(), created_ms: now_ms(), enabled: true }).await?;
            found = self.0.db.read(|c| kms::key_get(c, DEFAULT_KEY)).await?;
        }
        let (key, sealed) = found.ok_or_else(|| Error::from(Fault::NoSuchKmsKey(given.to_owned())))?;
        if !key.enabled {
            return Err(Fault::KmsKeyDisabled(given.to_owned()).into());
        }
        let clear = unwrap_key(&root, &name, &sealed).ok_or_else(|| wrong_root(&name))?;
        let mut named = self.0.named.write().unwrap_or_else(PoisonError::into_inner);
        if named.changes == changes {
            named.keys.insert(name, clear);
        }
        Ok(clear)
    }

    async fn root(&self) -> Result<&Key> {
        self.0.root.get_or_try_init(|| self.root_open()).await
    }

    /// Reads the root key, or makes it. It is not made anew when named keys show that there was one:
    /// every object sealed with the old one would be lost, and nobody would be told.
    async fn root_open(&self) -> Result<Key> {
        let keys = self.0.db.read(kms::key_list).await?;
        let file = self.0.file.clone();
        let bytes = tokio::task::spawn_blocking(move || {
            if !file.exists() && keys.is_empty() {
                private::write(&file, &id::random_bytes(32))?;
            }
            Result::<Vec<u8>>::Ok(fs_err::read(file)?)
        })
        .await
        .map_err(Error::internal)??;
        let root = Key::try_from(bytes).map_err(|_| {
            Error::internal(
                "secrets/objects.key does not hold 32 bytes: restore it from a backup of the data directory",
            )
        })?;
        self.root_prove(root).await?;
        Ok(root)
    }

    /// The default key stands for the root key: it is wrapped by it from the first day.
    async fn root_prove(&self, root: Key) -> Result<()> {
        let found = self.0.db.read(|c| kms::key_get(c, DEFAULT_KEY)).await?;
        if let Some((_, sealed)) = found {
            return unwrap_key(&root, DEFAULT_KEY, &sealed).map(drop).ok_or_else(|| wrong_root(DEFAULT_KEY));
        }
        let key = KmsKey { name: DEFAULT_KEY.to_owned(), created_ms: now_ms(), enabled: true };
        let sealed = wrap(&root, DEFAULT_KEY, &random()?).ok_or_else(|| Error::internal("sealing failed"))?;
        self.0.db.write(move |c| kms::key_insert(c, &key, &sealed)).await.map(drop)
    }
}

fn wrong_root(name: &str) -> Error {
    Error::internal(format!(
        "{name:?} does not open with secrets/objects.key: restore that file from a backup of the data directory"
    ))
}

fn random() -> Result<Key> {
    id::random_bytes(32).try_into().map_err(|_| Error::internal("32 random bytes were asked for"))
}

/// The name inside of what clients call a key: a name, an alias, or the ARN of either.
fn plain(given: &str) -> &str {
    let tail = match given.strip_prefix("arn:aws:kms:") {
        Some(arn) => arn.splitn(3, ':').nth(2).unwrap_or(given),
        None => given,
    };
    ["key/", "alias/"].iter().find_map(|prefix| tail.strip_prefix(prefix)).unwrap_or(tail)
}

fn checked(name: &str) -> Result<&str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_/.".contains(c);
    if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(fits) || plain(name) != name {
        return Err(Error::invalid(format!(
            "{name:?} is not a name for a key: up to {NAME_MAX} letters, digits and -_/. with no \"alias/\" or \"key/\" before them."
        )));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Stores;

    fn vault(folder: &std::path::Path) -> Vault {
        let stores = Stores::open(folder).unwrap();
        Vault::new(stores.objects.clone(), stores.secrets())
    }

    fn kms(key: Option<&str>) -> Wish {
        Wish::Kms { key: key.map(str::to_owned), context: None, bucket_key: false }
    }

    #[tokio::test]
    async fn seals_open_after_a_restart_and_not_with_another_root() {
        let folder = tempfile::tempdir().unwrap();
        let one = vault(folder.path());
        one.key_create("team/data").await.unwrap();
        assert!(one.key_create("team/data").await.is_err());
        let mut sealed = Vec::new();
        for wish in [Wish::Server, kms(None), kms(Some("arn:aws:kms:eu:1:key/team/data"))] {
            sealed.push(one.seal(&wish).await.unwrap());
        }
        drop(one);
        let two = vault(folder.path());
        for sealed in &sealed {
            let opened = two.open(Some(&sealed.seal), None).await.unwrap().unwrap();
            assert!(opened.key == sealed.key);
        }
        let file = folder.path().join("secrets/objects.key");
        fs_err::write(&file, [0; 32]).unwrap();
        assert!(vault(folder.path()).open(Some(&sealed[0].seal), None).await.is_err());
        fs_err::remove_file(&file).unwrap();
        assert!(vault(folder.path()).open(Some(&sealed[0].seal), None).await.is_err());
        assert!(!file.exists());
    }

    #[tokio::test]
    async fn a_secret_opens_for_its_own_purpose_only() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(folder.path());
        let sealed = vault.secret_seal("webhook a", "hush").await.unwrap();
        assert!(!sealed.contains("hush"));
        assert_eq!(vault.secret_open("webhook a", &sealed).await.unwrap(), "hush");
        assert!(vault.secret_open("webhook b", &sealed).await.is_err());
        assert!(vault.secret_open("webhook a", "hush").await.is_err());
    }

    #[tokio::test]
    async fn a_disabled_key_opens_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(folder.path());
        vault.key_create("k").await.unwrap();
        let sealed = vault.seal(&kms(Some("alias/k"))).await.unwrap();
        vault.key_enable("k", false).await.unwrap();
        let refusal = vault.open(Some(&sealed.seal), None).await.unwrap_err();
        assert_eq!(Fault::of(&refusal), Some(&Fault::KmsKeyDisabled("alias/k".into())));
        vault.key_enable("k", true).await.unwrap();
        assert!(vault.open(Some(&sealed.seal), None).await.unwrap().unwrap().key == sealed.key);
        let refusal = vault.seal(&kms(Some("unknown"))).await.unwrap_err();
        assert_eq!(Fault::of(&refusal), Some(&Fault::NoSuchKmsKey("unknown".into())));
        assert!(vault.key_create("alias/x").await.is_err());
    }

    #[tokio::test]
    async fn a_customers_key_is_asked_for_where_it_is_needed_and_only_there() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(folder.path());
        let customer = |byte: u8| {
            use base64::{Engine, engine::general_purpose::STANDARD};
            use md5::{Digest, Md5};
            let (key, md5) = (STANDARD.encode([byte; 32]), STANDARD.encode(Md5::digest([byte; 32])));
            CustomerKey::parse(Some("AES256"), Some(&key), Some(&md5)).unwrap().unwrap()
        };
        let sealed = vault.seal(&Wish::Customer(customer(1))).await.unwrap();
        assert!(vault.open(Some(&sealed.seal), Some(&customer(1))).await.unwrap().unwrap().key == sealed.key);
        let fault = |refusal: Error| Fault::of(&refusal).cloned().unwrap();
        assert_eq!(
            fault(vault.open(Some(&sealed.seal), Some(&customer(2))).await.unwrap_err()),
            Fault::WrongCustomerKey
        );
        assert_eq!(fault(vault.open(Some(&sealed.seal), None).await.unwrap_err()), Fault::CustomerKeyNeeded);
        let sealed = vault.seal(&Wish::Server).await.unwrap();
        assert_eq!(
            fault(vault.open(Some(&sealed.seal), Some(&customer(1))).await.unwrap_err()),
            Fault::CustomerKeyNotNeeded
        );
    }
}
