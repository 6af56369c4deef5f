//! Credentials: sealed when they come in, never given out.

use crate::{
    kernel::{clock::now_ms, error::Result, id},
    tracking::{
        Service,
        gateway::{
            mask::masked,
            model::Secret,
            store::{Key, secrets as store},
        },
    },
};
use serde_json::{Map, Value};

/// A credential about to be stored.
pub struct NewSecret {
    pub name: String,
    pub values: Map<String, Value>,
    pub provider: Option<String>,
    pub auth_config: Map<String, Value>,
    pub user: Option<String>,
}

impl Service {
    pub async fn gateway_secret_create(&self, new: NewSecret) -> Result<Secret> {
        let now = now_ms();
        let secret = Secret {
            secret_id: format!("s-{}", id::hex32()),
            secret_name: new.name,
            masked_values: masked(&new.values),
            provider: new.provider,
            auth_config: new.auth_config,
            created_at: now,
            last_updated_at: now,
            created_by: new.user.clone(),
            last_updated_by: new.user,
        };
        let sealed = self.sealed(&secret.secret_id, &new.values)?;
        self.db()
            .write(move |c| {
                store::secret_create(c, &secret, &sealed)?;
                Ok(secret)
            })
            .await
    }

    /// The sealed form of a credential, which opens as no other one's.
    fn sealed(&self, id: &str, values: &Map<String, Value>) -> Result<Vec<u8>> {
        let clear = serde_json::to_string(values).unwrap_or_default();
        self.sealer().seal(&format!("gateway secret {id}"), &clear)
    }

    pub async fn gateway_secret_get(&self, key: Key) -> Result<Secret> {
        self.db().read(move |c| store::secret_get(c, &key)).await
    }

    pub async fn gateway_secret_list(&self, provider: Option<String>) -> Result<Vec<Secret>> {
        self.db().read(move |c| store::secret_list(c, provider.as_deref())).await
    }

    /// Replaces the credential, what is not secret about it, or both.
    pub async fn gateway_secret_update(
        &self,
        id: &str,
        values: Option<Map<String, Value>>,
        auth_config: Option<Map<String, Value>>,
        user: Option<String>,
    ) -> Result<Secret> {
        let sealed = values.as_ref().map(|values| self.sealed(id, values)).transpose()?;
        let id = id.to_owned();
        self.db()
            .write(move |c| {
                let mut secret = store::secret_get(c, &Key::Id(id))?;
                if let Some(values) = &values {
                    secret.masked_values = masked(values);
                }
                secret.auth_config = auth_config.unwrap_or(secret.auth_config);
                // Two changes within a millisecond still differ, so that a client sees the second.
                secret.last_updated_at = now_ms().max(secret.last_updated_at + 1);
                secret.last_updated_by = user;
                store::secret_update(c, &secret, sealed.as_deref())?;
                Ok(secret)
            })
            .await
    }

    pub async fn gateway_secret_delete(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.db().write(move |c| store::secret_delete(c, &id)).await
    }
}
