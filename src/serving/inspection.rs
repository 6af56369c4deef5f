//! What can be said of a model version before and while it serves: whether it would run and how long loading it
//! takes, what it takes and gives, and which routes of which endpoints it answers.

use super::{
    Service,
    engine::{Report, TensorSpec, inspect},
    loading::load::{self, Found, Loaded},
    model::Tensor,
};
use crate::{
    kernel::error::{Error, Kind, Result},
    registry::Resolved,
};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Instant};

impl Service {
    /// What is known of a version of a registered model.
    pub async fn inspect(&self, name: &str, version: &str) -> Result<Value> {
        let at = self.registry().resolve(&format!("models:/{name}/{version}")).await?;
        let mut about = match load::find(&self.sources().objects, &at).await {
            Ok(found) => self.about(&at, found).await?,
            // What is wrong with the files is what there is to tell of them.
            Err(error) if error.kind != Kind::Internal => refused(&error),
            Err(error) => return Err(error),
        };
        about.insert("served".into(), self.served(name, version).into());
        Ok(about.into())
    }

    async fn about(&self, at: &Resolved, found: Found) -> Result<Map<String, Value>> {
        let mut about = match found.is_onnx() {
            true => self.file(at, &found).await?.as_ref().clone(),
            false => match self.sources().python.venv(&at.name) {
                Ok(venv) => Map::from_iter([("venv".to_owned(), venv.display().to_string().into())]),
                Err(error) => refused(&error),
            },
        };
        about.insert("runs_in".into(), if found.is_onnx() { "engine" } else { "python" }.into());
        about.insert(
            "signature".into(),
            found.signature().map_or(Value::Null, |signature| signature.json.clone()),
        );
        Ok(about)
    }

    /// An ONNX file, looked through and loaded as an endpoint would, once for as long as it stays the same.
    async fn file(&self, at: &Resolved, file: &Found) -> Result<Arc<Map<String, Value>>> {
        let origin = &file.origin;
        if let Some(known) = self.inspected().find(origin) {
            return Ok(known);
        }
        let (draft, size) = match load::draft(&self.sources().objects, origin).await {
            Err(error) if error.kind != Kind::Internal => return Ok(Arc::new(refused(&error))),
            read => read?,
        };
        let work = move || {
            let began = Instant::now();
            let mut found = report_as_json(&inspect(draft));
            found.insert("load_ms".into(), (began.elapsed().as_secs_f64() * 1e3).into());
            found.insert("bytes".into(), size.into());
            Ok(found)
        };
        let mut found = self.work(work).await?;
        if found["refused"].is_null()
            && let Some(example) = self.example(at, file).await?
        {
            found.insert("example".into(), example);
        }
        let found = Arc::new(found);
        self.inspected().put(origin.clone(), &found);
        Ok(found)
    }

    /// What came of asking the model its own example; nothing where it was logged with none.
    async fn example(&self, at: &Resolved, file: &Found) -> Result<Option<Value>> {
        if !file.has_example() {
            return Ok(None);
        }
        let (from, answer) = (self.sources(), file.answer_key());
        if from.objects.head(&at.bucket, &answer).await.is_err() {
            let note = "an input example, and no output_example.json to hold its answer against";
            return Ok(Some(json!({ "ok": true, "note": note })));
        }
        // An endpoint would load it the same way.
        let loaded = load::load(from, at, load::find(&from.objects, at).await?).await;
        Ok(Some(match loaded {
            Ok(_) => json!({ "ok": true, "note": "answered as output_example.json says" }),
            Err(error) => json!({ "ok": false, "note": error.message }),
        }))
    }

    /// The routes that a version answers, or stays warm behind.
    fn served(&self, name: &str, version: &str) -> Vec<Value> {
        let mut places = Vec::new();
        for endpoint in self.endpoints() {
            for route in &endpoint.plan().routes {
                let seen = route.follower.seen();
                let is_it = |loaded: &Arc<Loaded>| loaded.name == name && loaded.version == version;
                let current = seen.current.as_ref().filter(|loaded| is_it(loaded));
                let Some(loaded) = current.or_else(|| seen.warm.iter().find(|loaded| is_it(loaded))) else {
                    continue;
                };
                places.push(json!({
                    "endpoint": endpoint.name, "route": *route.name, "uri": seen.uri, "warm": current.is_none(),
                    "weight": route.spec.weight, "share": route.share(), "match": route.spec.matches,
                    "shadow": route.shadow, "state": seen.state, "loaded_ms": loaded.loaded_ms,
                    "load_ms": loaded.took.as_secs_f64() * 1e3, "bytes": loaded.bytes,
                }));
            }
        }
        places
    }
}

fn refused(error: &Error) -> Map<String, Value> {
    Map::from_iter([("runs".to_owned(), false.into()), ("refused".to_owned(), error.message.clone().into())])
}

/// A file's report, as the API and `crannog model check --json` tell it.
pub fn report_as_json(report: &Report) -> Map<String, Value> {
    let tensors = |specs: &[TensorSpec]| specs.iter().map(Tensor::from).collect::<Vec<_>>();
    let operators = report.operators.iter().map(|operator| {
        json!({ "domain": operator.domain, "name": operator.name, "nodes": operator.nodes, "known": operator.known })
    });
    let whole = json!({
        "runs": report.refused.is_none(),
        "refused": report.refused,
        "producer": report.producer,
        "opsets": report.opsets.iter().cloned().collect::<BTreeMap<_, _>>(),
        "operators": operators.collect::<Vec<_>>(),
        "inputs": tensors(&report.inputs),
        "outputs": tensors(&report.outputs),
    });
    match whole {
        Value::Object(whole) => whole,
        _ => Map::new(),
    }
}
