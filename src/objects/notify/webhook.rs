//! Webhooks: an address somebody listens at, and the secret that proves a delivery is ours.

use super::super::{crypt::SEALED, error::Fault, service::Service, store};
use crate::kernel::{
    clock::now_ms,
    error::{Error, Result},
    id,
};
use base64::{Engine, prelude::BASE64_STANDARD};

/// A registered webhook.
#[derive(Clone)]
pub struct Webhook {
    pub name: String,
    pub url: String,
    /// Sealed by the vault; in clear it is base64, as the Standard Webhooks libraries take it behind
    /// `whsec_`.
    pub sealed: String,
    pub created_ms: i64,
}

/// What a secret is shown and taken with.
pub const SECRET_PREFIX: &str = "whsec_";
const SECRET_BYTES: usize = 32;

impl Service {
    /// Registers a webhook, or changes it, and tells its secret. When none is given it keeps the one it
    /// has, or gets a new one.
    pub async fn webhook_put(
        &self,
        name: &str,
        url: &str,
        secret: Option<String>,
    ) -> Result<(Webhook, String)> {
        check_name(name)?;
        check_url(url)?;
        let given = secret.is_some();
        let secret = match secret {
            Some(secret) => read_secret(&secret)?,
            None => BASE64_STANDARD.encode(id::random_bytes(SECRET_BYTES)),
        };
        let sealed = self.vault().secret_seal(&purpose(name), &secret).await?;
        let wanted = Webhook { name: name.to_owned(), url: url.to_owned(), sealed, created_ms: now_ms() };
        let put = move |c: &crate::store::Connection| {
            let there = store::notice::webhook_find(c, &wanted.name)?;
            let webhook = match there {
                Some(there) if given => Webhook { created_ms: there.created_ms, ..wanted.clone() },
                Some(there) => Webhook { url: wanted.url.clone(), ..there },
                None => wanted.clone(),
            };
            store::notice::webhook_put(c, &webhook)?;
            Ok(webhook)
        };
        let webhook = self.db().write(put).await?;
        let secret = self.webhook_secret(&webhook).await?;
        Ok((webhook, secret))
    }

    /// The secret in clear: what signs a delivery.
    pub(super) async fn webhook_secret(&self, webhook: &Webhook) -> Result<String> {
        self.vault().secret_open(&purpose(&webhook.name), &webhook.sealed).await
    }

    /// Seals what an earlier build kept in clear. Done once, when the server starts.
    pub async fn webhooks_seal(&self) -> Result<()> {
        for webhook in self.webhook_list().await?.into_iter().filter(|kept| !kept.sealed.starts_with(SEALED))
        {
            let sealed = self.vault().secret_seal(&purpose(&webhook.name), &webhook.sealed).await?;
            let webhook = Webhook { sealed, ..webhook };
            self.db().write(move |c| store::notice::webhook_put(c, &webhook)).await?;
        }
        Ok(())
    }

    pub async fn webhook_get(&self, name: &str) -> Result<Webhook> {
        let name = name.to_owned();
        self.db()
            .read(move |c| {
                store::notice::webhook_find(c, &name)?.ok_or_else(|| Fault::NoSuchWebhook(name).into())
            })
            .await
    }

    pub async fn webhook_list(&self) -> Result<Vec<Webhook>> {
        self.db().read(store::notice::webhook_list).await
    }

    /// Removes a webhook, and what it was still to be told.
    pub async fn webhook_delete(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.db().write(move |c| store::notice::webhook_delete(c, &name)).await
    }
}

/// What a secret is sealed for: that of one webhook does not open as another's.
fn purpose(name: &str) -> String {
    format!("webhook {name}")
}

fn check_name(name: &str) -> Result<()> {
    let sane = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=64).contains(&name.len()) && name.bytes().all(sane) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{name:?} is no name for a webhook: 1 to 64 letters, digits, hyphens, underscores and dots."
    )))
}

fn check_url(url: &str) -> Result<()> {
    let parsed = reqwest::Url::parse(url)
        .map_err(|error| Error::invalid(format!("{url:?} is not a URL: {error}.")))?;
    match parsed.scheme() {
        "http" | "https" if parsed.has_host() => Ok(()),
        _ => Err(Error::invalid(format!("{url:?} is neither an http:// nor an https:// address."))),
    }
}

/// The base64 behind the prefix, if it is long enough to be a secret.
fn read_secret(text: &str) -> Result<String> {
    let text = text.strip_prefix(SECRET_PREFIX).unwrap_or(text);
    match BASE64_STANDARD.decode(text) {
        Ok(bytes) if (24..=64).contains(&bytes.len()) => Ok(text.to_owned()),
        _ => Err(Error::invalid(format!(
            "A webhook's secret is {SECRET_PREFIX} and 24 to 64 bytes in base64; leave it out to have one made."
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_addresses_and_secrets_are_checked() {
        assert!(check_name("ci-hook.1").is_ok());
        assert!(check_name("a b").is_err() && check_name("").is_err());
        assert!(check_url("http://127.0.0.1:8080/hook?x=1").is_ok() && check_url("https://example").is_ok());
        for bad in ["ftp://x", "nowhere", "http://"] {
            assert!(check_url(bad).is_err(), "{bad}");
        }
        let secret = BASE64_STANDARD.encode([7; 32]);
        assert_eq!(read_secret(&format!("whsec_{secret}")).unwrap(), secret);
        assert!(read_secret("c2hvcnQ=").is_err() && read_secret("***").is_err());
    }
}
