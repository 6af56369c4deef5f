//! The routes of review, all of version 3 of MLflow's API.

mod queues;
mod schemas;

use crate::{
    kernel::error::{Error, Result},
    tracking::{Service, model::Page, review::model, routes::both, wire::Fields},
};
use axum::{
    Router,
    routing::{MethodRouter, delete, get, patch, post},
};
use serde::Serialize;
use serde_json::{Value, json};

pub fn router() -> Router<Service> {
    let routes: [(&str, MethodRouter<Service>); 17] = [
        ("/mlflow/label-schemas/create", post(schemas::create)),
        ("/mlflow/label-schemas/get", get(schemas::get)),
        ("/mlflow/label-schemas/get-by-name", get(schemas::get_by_name)),
        ("/mlflow/label-schemas/list", get(schemas::list)),
        ("/mlflow/label-schemas/update", patch(schemas::update)),
        ("/mlflow/label-schemas/delete", delete(schemas::remove)),
        ("/mlflow/review-queues/create", post(queues::create)),
        ("/mlflow/review-queues/get-or-create-user", post(queues::of_user)),
        ("/mlflow/review-queues/get", get(queues::get)),
        ("/mlflow/review-queues/get-by-name", get(queues::get_by_name)),
        ("/mlflow/review-queues/list", get(queues::list)),
        ("/mlflow/review-queues/update", post(queues::update)),
        ("/mlflow/review-queues/delete", post(queues::remove)),
        ("/mlflow/review-queues/items/add", post(queues::add_items)),
        ("/mlflow/review-queues/items/remove", post(queues::remove_items)),
        ("/mlflow/review-queues/items/list", get(queues::list_items)),
        ("/mlflow/review-queues/items/set-status", post(queues::mark_item)),
    ];
    routes.into_iter().fold(Router::new(), |router, (path, method)| both(router, 3, path, method))
}

/// A page of `name`; the last one says so with an empty token.
fn page<T: Serialize>(name: &str, page: &Page<T>) -> Value {
    json!({ name: page.items, "next_page_token": page.next.as_deref().unwrap_or_default() })
}

/// A text that may be empty, but not absent without being told apart.
fn given(fields: &Fields, name: &str) -> Result<Option<String>> {
    Ok(fields.text(name)?.map(str::to_owned))
}

/// One of `words`, which must be said; `why` tells what is missing.
fn chosen(
    fields: &Fields,
    name: &str,
    words: &[(&'static str, i64)],
    why: impl FnOnce(i64) -> String,
) -> Result<&'static str> {
    let number = fields.choice(name, words)?;
    model::word(words, number).ok_or_else(|| Error::invalid(why(number.unwrap_or_default())))
}
