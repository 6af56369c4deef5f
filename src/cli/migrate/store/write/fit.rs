//! What MLflow's tables cannot keep is brought into the form they can, or counted as left out, before it is
//! written: so what is read back can be compared with it.

use super::Target;
use crate::{
    registry::import::ModelRecord as Registered,
    tracking::{
        import::{ModelRecord, RunRecord, Series},
        model::{Double, Experiment},
    },
};
use std::collections::HashSet;

impl Target {
    pub fn fit_experiment(&self, experiment: &mut Experiment) {
        self.keep("experiment_tags", "tags of experiments", &mut experiment.tags);
    }

    pub fn fit_run(&self, record: &mut RunRecord, histories: &mut [Series]) {
        let run = &mut record.run;
        for table in ["datasets", "inputs", "input_tags"] {
            self.keep(table, "datasets of runs", &mut run.inputs.dataset_inputs);
        }
        for table in ["logged_models", "inputs"] {
            self.keep(table, "logged models that went into runs", &mut run.inputs.model_inputs);
            self.keep(table, "logged models that came out of runs", &mut run.outputs.model_outputs);
        }
        if !self.schema.has_column("inputs", "step") {
            for out in run.outputs.model_outputs.iter_mut().filter(|out| out.step != 0) {
                out.step = 0;
                self.leave_out("steps at which logged models came out of runs", 1);
            }
        }
        let tag = run.data.tags.iter().find(|tag| tag.key == "mlflow.runName").map(|tag| tag.value.as_str());
        let tag = tag.unwrap_or_default();
        if !self.schema.has_column("runs", "name") && run.info.run_name != tag {
            // Before 2.0 the tag was the name.
            run.info.run_name = tag.to_owned();
            self.leave_out("names of runs", 1);
        }
        for series in histories {
            let mut seen = HashSet::new();
            for (.., value) in &mut series.points {
                self.clip(value);
            }
            series.points.retain(|(time, step, value)| seen.insert((*time, *step, value.0.to_bits())));
        }
    }

    /// Whether there is room for logged models; what a model has and cannot be kept goes from it.
    pub fn fit_models(&self, models: &mut Vec<ModelRecord>) {
        self.keep("logged_models", "logged models", models);
        for record in models {
            let (info, data) = (&mut record.model.info, &mut record.model.data);
            self.keep("logged_model_tags", "tags of logged models", &mut info.tags);
            self.keep("logged_model_params", "params of logged models", &mut data.params);
            self.keep("logged_model_metrics", "metrics of logged models", &mut data.metrics);
            let named = self.schema.has_column("logged_model_metrics", "dataset_name");
            for metric in &mut data.metrics {
                self.clip(&mut metric.value);
                if metric.value.0.is_nan() {
                    metric.value = Double(0.0);
                    self.clipped.set(self.clipped.get() + 1);
                }
                if !named && metric.dataset_name.is_some() {
                    (metric.dataset_name, metric.dataset_digest) = (None, None);
                    self.leave_out("datasets of metrics of logged models", 1);
                }
            }
        }
    }

    pub fn fit_registered(&self, models: &mut Vec<Registered>) {
        self.keep("registered_models", "registered models", models);
        for model in models {
            self.keep("registered_model_tags", "tags of registered models", &mut model.tags);
            self.keep("registered_model_aliases", "aliases", &mut model.aliases);
            self.keep("model_versions", "model versions", &mut model.versions);
            for version in &mut model.versions {
                self.keep("model_version_tags", "tags of model versions", &mut version.tags);
                if !version.run_link.is_empty() && !self.schema.has_column("model_versions", "run_link") {
                    version.run_link.clear();
                    self.leave_out("links to runs of model versions", 1);
                }
            }
        }
    }

    /// Takes away and counts what there is no table for.
    fn keep<T>(&self, table: &str, what: &'static str, things: &mut Vec<T>) {
        if !self.schema.has(table) {
            self.leave_out(what, things.len());
            things.clear();
        }
    }

    fn leave_out(&self, what: &'static str, count: usize) {
        *self.left_out.borrow_mut().entry(what).or_default() += count as u64;
    }

    /// A database has no infinite numbers: MLflow writes the largest there are.
    fn clip(&self, value: &mut Double) {
        if value.0.is_infinite() {
            value.0 = f64::MAX.copysign(value.0);
            self.clipped.set(self.clipped.get() + 1);
        }
    }
}
