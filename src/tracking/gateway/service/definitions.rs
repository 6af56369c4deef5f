//! Model definitions: made, changed, deleted once no endpoint has them.

use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
        id,
    },
    tracking::{
        Service,
        gateway::{
            model::{Definition, DefinitionChange},
            store::{Key, definitions as store, secrets},
        },
    },
};

/// A definition about to be made.
pub struct NewDefinition {
    pub name: String,
    pub secret_id: String,
    pub provider: String,
    pub model_name: String,
    pub user: Option<String>,
}

impl Service {
    pub async fn gateway_definition_create(&self, new: NewDefinition) -> Result<Definition> {
        self.db()
            .write(move |c| {
                let (secret, now) = (secrets::secret_get(c, &Key::Id(new.secret_id))?, now_ms());
                let definition = Definition {
                    model_definition_id: format!("d-{}", id::hex32()),
                    name: new.name,
                    secret_id: Some(secret.secret_id),
                    secret_name: Some(secret.secret_name),
                    provider: new.provider,
                    model_name: new.model_name,
                    created_at: now,
                    last_updated_at: now,
                    created_by: new.user.clone(),
                    last_updated_by: new.user,
                };
                store::definition_create(c, &definition)?;
                Ok(definition)
            })
            .await
    }

    pub async fn gateway_definition_get(&self, key: Key) -> Result<Definition> {
        self.db().read(move |c| store::definition_get(c, &key)).await
    }

    pub async fn gateway_definition_list(
        &self,
        provider: Option<String>,
        secret: Option<String>,
    ) -> Result<Vec<Definition>> {
        self.db().read(move |c| store::definition_list(c, provider.as_deref(), secret.as_deref())).await
    }

    pub async fn gateway_definition_update(&self, id: &str, change: DefinitionChange) -> Result<Definition> {
        let id = id.to_owned();
        self.db()
            .write(move |c| {
                let key = Key::Id(id.clone());
                store::definition_get(c, &key)?;
                if let Some(secret) = &change.secret_id {
                    secrets::secret_get(c, &Key::Id(secret.clone()))?;
                }
                store::definition_update(c, &id, &change, now_ms())?;
                store::definition_get(c, &key)
            })
            .await
    }

    pub async fn gateway_definition_delete(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.db()
            .write(move |c| {
                store::definition_get(c, &Key::Id(id.clone()))?;
                if store::definition_in_use(c, &id)? {
                    return Err(Error::conflict(
                        "Cannot delete model definition that is currently in use by endpoints. Detach it \
                         from all endpoints first.",
                    ));
                }
                store::definition_delete(c, &id)
            })
            .await
    }
}
