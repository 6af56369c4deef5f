//! Bindings: which resources ask a model through which endpoint.

use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
    },
    tracking::{
        Service,
        gateway::{
            model::{Binding, SCORER},
            store::{Key, bindings as store, endpoints},
        },
    },
};

impl Service {
    pub async fn gateway_binding_create(
        &self,
        endpoint: &str,
        kind: &str,
        resource: &str,
        user: Option<String>,
    ) -> Result<Binding> {
        if kind != SCORER {
            return Err(Error::invalid(format!(
                "Invalid value '{kind}' for parameter 'resource_type' supplied: It must be '{SCORER}'."
            )));
        }
        let now = now_ms();
        let binding = Binding {
            endpoint_id: endpoint.to_owned(),
            resource_type: kind.to_owned(),
            resource_id: resource.to_owned(),
            display_name: None,
            created_at: now,
            last_updated_at: now,
            created_by: user.clone(),
            last_updated_by: user,
        };
        self.db()
            .write(move |c| {
                endpoints::endpoint_get(c, &Key::Id(binding.endpoint_id.clone()))?;
                if store::binding_create(c, &binding)? {
                    return Ok(binding);
                }
                Err(Error::exists(format!(
                    "The {} '{}' is already bound to endpoint '{}'",
                    binding.resource_type, binding.resource_id, binding.endpoint_id
                )))
            })
            .await
    }

    pub async fn gateway_binding_delete(&self, endpoint: &str, kind: &str, resource: &str) -> Result<()> {
        let (endpoint, kind, resource) = (endpoint.to_owned(), kind.to_owned(), resource.to_owned());
        self.db().write(move |c| store::binding_delete(c, &endpoint, &kind, &resource)).await
    }

    pub async fn gateway_binding_list(
        &self,
        endpoint: Option<String>,
        kind: Option<String>,
        resource: Option<String>,
    ) -> Result<Vec<Binding>> {
        self.db()
            .read(move |c| store::binding_list(c, endpoint.as_deref(), kind.as_deref(), resource.as_deref()))
            .await
    }
}
