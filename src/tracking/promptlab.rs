//! Runs made by the prompt playground of MLflow's pages: the prompt, the model it was put to and what that
//! answered, kept as params, a table and a model that can be loaded.

use super::{
    Service,
    model::{Pair, Run},
    service::{Batch, CreateRun, UpdateRun, prefix_of},
};
use crate::kernel::{
    clock::{now_ms, utc_text},
    error::{Error, Result},
    id,
};
use bytes::Bytes;
use serde_json::{Map, Value, json};

const TABLE: &str = "eval_results_table.json";

/// What was put to a model, and what came back.
#[derive(Debug)]
pub struct Prompting {
    pub run: CreateRun,
    pub template: String,
    /// What stands for the template's names.
    pub parameters: Vec<Pair>,
    pub model: String,
    pub model_parameters: Vec<Pair>,
    /// The template, filled.
    pub input: String,
    pub output: Option<String>,
    pub output_parameters: Vec<Pair>,
    pub mlflow_version: String,
}

impl Service {
    /// Makes the run and all that is kept of it. One that cannot be kept whole has failed, as its status
    /// says, and its caller is told why.
    pub async fn prompting_record(&self, mut prompting: Prompting) -> Result<Run> {
        let run = self.run_create(std::mem::take(&mut prompting.run)).await?;
        let kept = self.prompting_keep(&run.info.run_id, &run.info.artifact_uri, &prompting).await;
        let status = if kept.is_ok() { "FINISHED" } else { "FAILED" };
        let change = UpdateRun { status: Some(status), ended_at: Some(now_ms()), name: None };
        self.run_update(&run.info.run_id, change).await?;
        kept?;
        self.run_get(&run.info.run_id).await
    }

    async fn prompting_keep(&self, run_id: &str, artifact_uri: &str, prompting: &Prompting) -> Result<()> {
        let mut params = prompting.model_parameters.clone();
        params.push(pair("model_route", &prompting.model));
        params.push(pair("prompt_template", &prompting.template));
        let tags = vec![
            // With its spaces, as MLflow writes it: its pages compare the text.
            pair("mlflow.loggedArtifacts", &format!("[{{\"path\": \"{TABLE}\", \"type\": \"table\"}}]")),
            pair("mlflow.runSourceType", "PROMPT_ENGINEERING"),
        ];
        self.batch_log(run_id, Batch { metrics: Vec::new(), params, tags }).await?;
        let model = mlmodel(prompting, run_id);
        self.model_record(run_id, &model).await?;
        let root = prefix_of(artifact_uri)?;
        let files = [
            (TABLE, table(prompting).to_string()),
            ("model/MLmodel", yaml(&model)?),
            ("model/parameters.yaml", yaml(&parameters(prompting))?),
            ("model/requirements.txt", format!("mlflow[gateway]=={}\n", prompting.mlflow_version)),
        ];
        for (name, text) in files {
            let body = futures::stream::iter([Ok(Bytes::from(text))]);
            self.artifact_put(&format!("{root}/{name}"), body, None).await?;
        }
        Ok(())
    }
}

fn pair(key: &str, value: &str) -> Pair {
    Pair { key: key.into(), value: value.into() }
}

fn yaml(value: &Value) -> Result<String> {
    serde_saphyr::to_string(value).map_err(Error::internal)
}

/// One row of what went in and what came out, as MLflow's pages compare runs by.
fn table(prompting: &Prompting) -> Value {
    let Prompting { parameters, output_parameters, input, output, .. } = prompting;
    let (mut columns, mut row) = (Vec::new(), Vec::new());
    let mut put = |name: &str, value: Value| {
        columns.push(Value::from(name));
        row.push(value);
    };
    parameters.iter().for_each(|pair| put(&pair.key, pair.value.as_str().into()));
    put("prompt", input.as_str().into());
    put("output", output.as_deref().into());
    output_parameters.iter().for_each(|pair| put(&pair.key, pair.value.as_str().into()));
    json!({ "columns": columns, "data": [row] })
}

fn parameters(prompting: &Prompting) -> Value {
    let map = |pairs: &[Pair]| -> Map<String, Value> {
        pairs.iter().map(|pair| (pair.key.clone(), pair.value.as_str().into())).collect()
    };
    json!({
        "prompt_template": prompting.template,
        "prompt_parameters": map(&prompting.parameters),
        "model_parameters": map(&prompting.model_parameters),
        "model_route": prompting.model,
    })
}

/// The model as a client loads it: its code is the client's own, its data is `parameters.yaml`.
fn mlmodel(prompting: &Prompting, run_id: &str) -> Value {
    let column = |name: &str| json!({ "type": "string", "name": name, "required": true });
    let inputs: Value = prompting.parameters.iter().map(|pair| column(&pair.key)).collect();
    json!({
        "artifact_path": "model",
        "flavors": { "python_function": {
            "loader_module": "mlflow.prompt.promptlab_model",
            "parameters_path": "parameters.yaml",
        } },
        "mlflow_version": prompting.mlflow_version,
        "model_uuid": id::hex32(),
        "run_id": run_id,
        "signature": {
            "inputs": inputs.to_string(),
            "outputs": json!([column("output")]).to_string(),
            "params": null,
        },
        "utc_time_created": utc_text(now_ms()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_what_went_in_before_what_came_out() {
        let prompting = Prompting {
            run: CreateRun::default(),
            template: "Greet {{ who }}".into(),
            parameters: vec![pair("who", "Ann")],
            model: "m".into(),
            model_parameters: Vec::new(),
            input: "Greet Ann".into(),
            output: None,
            output_parameters: vec![pair("latency", "7")],
            mlflow_version: "3.11.1".into(),
        };
        let expected = json!({
            "columns": ["who", "prompt", "output", "latency"],
            "data": [["Ann", "Greet Ann", null, "7"]],
        });
        assert_eq!(table(&prompting), expected);
    }
}
