//! Questions: made, changed, deleted, listed.

use super::{active, ask};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
        id,
    },
    store::Connection,
    tracking::{
        Service,
        model::Page,
        review::{
            input,
            model::{DEFAULT_INSTRUCTION, DEFAULT_NAME, LabelSchema, SchemaChange},
            names,
            store::schemas as store,
        },
        search::page::Asked,
    },
};
use serde_json::Value;

/// A question about to be made, its fields checked.
#[derive(Clone, Debug)]
pub struct NewSchema {
    pub experiment_id: String,
    pub name: String,
    pub kind: &'static str,
    pub input: Value,
    pub instruction: Option<String>,
    pub enable_comment: bool,
}

fn taken(name: &str, experiment: &str) -> Error {
    Error::exists(format!("Label schema with name '{name}' already exists for experiment '{experiment}'."))
}

fn fresh(experiment: &str, name: &str, kind: &str, input: Value) -> LabelSchema {
    let now = now_ms();
    LabelSchema {
        schema_id: format!("ls-{}", id::hex32()),
        experiment_id: experiment.to_owned(),
        name: name.to_owned(),
        kind: kind.to_owned(),
        instruction: None,
        enable_comment: false,
        input,
        created_at: now,
        last_updated_at: now,
        is_default: false,
    }
}

/// The question every experiment has is made when somebody first asks for its questions.
fn ensure_default(db: &Connection, experiment: i64) -> Result<()> {
    if store::schema_default_is_there(db, experiment)? {
        return Ok(());
    }
    let default = LabelSchema {
        instruction: Some(DEFAULT_INSTRUCTION.to_owned()),
        is_default: true,
        ..fresh(&experiment.to_string(), DEFAULT_NAME, "FEEDBACK", input::any_text())
    };
    store::schema_create(db, experiment, &default).map(drop)
}

impl Service {
    pub async fn label_schema_create(&self, new: NewSchema) -> Result<LabelSchema> {
        names::schema_name(&new.name)?;
        names::instruction(new.instruction.as_deref().unwrap_or_default())?;
        let schema = LabelSchema {
            instruction: new.instruction,
            enable_comment: new.enable_comment,
            ..fresh(&new.experiment_id, &new.name, new.kind, new.input)
        };
        self.db()
            .write(move |c| {
                let experiment = active(c, &schema.experiment_id)?;
                if !store::schema_create(c, experiment, &schema)? {
                    return Err(taken(&schema.name, &schema.experiment_id));
                }
                Ok(schema)
            })
            .await
    }

    pub async fn label_schema_get(&self, id: &str) -> Result<LabelSchema> {
        let id = id.to_owned();
        self.db().read(move |c| store::schema_get(c, &id)).await
    }

    pub async fn label_schema_named(&self, experiment: &str, name: &str) -> Result<LabelSchema> {
        let (experiment, name) = (experiment.to_owned(), name.to_owned());
        self.db()
            .read(move |c| {
                store::schema_named(c, active(c, &experiment)?, &name)?.ok_or_else(|| {
                    Error::not_found(format!(
                        "Label schema with name '{name}' not found for experiment '{experiment}'."
                    ))
                })
            })
            .await
    }

    pub async fn label_schema_list(
        &self,
        experiment: &str,
        limit: Option<i64>,
        token: &str,
    ) -> Result<Page<LabelSchema>> {
        let ask = ask(Asked::of("label schemas").by("Experiment ID", &experiment), limit, token)?;
        let id = experiment.to_owned();
        self.db()
            .write(move |c| {
                let experiment = active(c, &id)?;
                ensure_default(c, experiment)?;
                store::schema_list(c, experiment, &ask)
            })
            .await
    }

    pub async fn label_schema_update(&self, id: &str, change: SchemaChange) -> Result<LabelSchema> {
        let id = id.to_owned();
        self.db()
            .write(move |c| {
                let mut schema = store::schema_get(c, &id)?;
                changed(c, &mut schema, change)?;
                store::schema_put(c, &schema)?;
                Ok(schema)
            })
            .await
    }

    /// Answers given so far stay, as assessments without a question. One that is not there is gone already.
    pub async fn label_schema_delete(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.db()
            .write(move |c| match store::schema_find(c, &id)? {
                Some(schema) if schema.is_default => {
                    Err(Error::invalid("The experiment's default question cannot be deleted."))
                }
                _ => store::schema_delete(c, &id),
            })
            .await
    }
}

fn changed(db: &Connection, schema: &mut LabelSchema, change: SchemaChange) -> Result<()> {
    if schema.is_default {
        return Err(Error::invalid("The experiment's default question cannot be edited."));
    }
    if let Some(name) = change.name {
        names::schema_name(&name)?;
        let holder = store::schema_named(db, schema.experiment_id.parse().unwrap_or_default(), &name)?;
        if holder.is_some_and(|holder| holder.schema_id != schema.schema_id) {
            return Err(taken(&name, &schema.experiment_id));
        }
        schema.name = name;
    }
    if let Some(instruction) = change.instruction {
        names::instruction(&instruction)?;
        schema.instruction = Some(instruction);
    }
    if let Some(input) = change.input {
        input::may_become(&schema.input, &input)?;
        schema.input = input;
    }
    schema.enable_comment = change.enable_comment.unwrap_or(schema.enable_comment);
    schema.last_updated_at = now_ms();
    Ok(())
}
