//! What each of MLflow's routes asks of a member. A route that is not here is closed to members.

use super::model::{
    Kind,
    Permission::{self, Edit, Manage, Read},
};
use http::Method;

/// What must hold before a handler is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nothing but being signed in; where there is more to it, the handler says so.
    Anyone,
    /// Being an admin.
    Admins,
    /// At least this permission over all that the request names.
    On(Target, Permission),
    /// Nothing: the search finds what can be read.
    Search(Kind),
    /// Nothing: of the experiments named, those that can be read are searched.
    SearchIn,
    /// Not choosing where its artifacts are kept: that could be another's folder.
    NewExperiment,
    /// Nothing: each part of the query is narrowed to what can be read.
    Graph,
    /// Editing the experiment the header names, and those of the traces the spans are of.
    Spans,
    /// Editing the model and reading what the version is made from.
    NewVersion,
}

/// How a request names what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The field `experiment_id`.
    Experiment,
    /// The field `experiment_name`.
    ExperimentByName,
    /// The fields `experiment_ids` and `experiment_id`, whichever there are.
    Experiments,
    /// The header that OTLP exporters send.
    ExperimentHeader,
    /// The field `run_id`.
    Run,
    /// The field `run_id`, or `model_id` for a logged model.
    RunOrLoggedModel,
    /// `run_uuid` in the query of a request whose body is a file.
    RunInQuery,
    /// A list of runs under this name.
    Runs(&'static str),
    /// The id of a logged model in the path.
    LoggedModel(String),
    /// The field `name`, of a registered model.
    Model,
    /// A path below the root of all artifacts.
    Artifact(String),
    /// The same, in the field `path`.
    ArtifactInQuery,
    /// The id of a trace in the path.
    Trace(String),
    /// The id of a trace, in the field of this name.
    TraceIn(&'static str),
    /// The trace in the field `request_id`, and where its files are.
    TraceFile,
    /// The field `scorer_ids`.
    Scorers,
    /// The field `trace_ids`.
    Traces,
    /// The field `trace_ids`, and `run_id`.
    TracesAndRun,
    /// A whole trace, as its maker sends it.
    NewTrace,
    /// The field `locations`, a list of experiments.
    Locations,
    /// The fields `resource_type` and `resource_id`.
    Resource,
}

impl Target {
    /// Whether a handler reads it from fields; otherwise the body may be a file, which is left alone.
    pub fn is_in_fields(&self) -> bool {
        !matches!(
            self,
            Self::ExperimentHeader
                | Self::RunInQuery
                | Self::LoggedModel(_)
                | Self::Trace(_)
                | Self::Artifact(_)
        )
    }
}

/// The rule for a route, if members may have anything to do with it.
pub fn of(method: &Method, path: &str) -> Option<Rule> {
    let method = method.as_str();
    let Some(rest) = path.strip_prefix("/api/").or_else(|| path.strip_prefix("/ajax-api/")) else {
        return outside(method, path);
    };
    if rest == "2.0mlflow/experiments/search-datasets" {
        return Some(Rule::On(Target::Experiments, Read));
    }
    let (version, rest) = rest.split_once('/')?;
    if !matches!(version, "2.0" | "3.0") {
        return None;
    }
    if let Some(rest) = rest.strip_prefix("mlflow-artifacts/") {
        return artifact(method, rest);
    }
    let parts: Vec<&str> = rest.strip_prefix("mlflow/")?.split('/').collect();
    match parts.as_slice() {
        ["experiments", rest @ ..] => experiment(rest),
        ["runs", rest @ ..] => run(rest),
        ["metrics", "get-history"] | ["artifacts", "list"] => Some(Rule::On(Target::Run, Read)),
        ["metrics", "get-history-bulk"] => Some(Rule::On(Target::Runs("run_id"), Read)),
        ["metrics", "get-history-bulk-interval"] => Some(Rule::On(Target::Runs("run_ids"), Read)),
        ["artifacts", "presigned-upload-url"] => Some(Rule::On(Target::RunOrLoggedModel, Edit)),
        ["artifacts", "presigned-download-url"] => Some(Rule::On(Target::Run, Read)),
        ["upload-artifact"] => Some(Rule::On(Target::RunInQuery, Edit)),
        ["logged-models", rest @ ..] => logged_model(method, rest),
        ["registered-models", rest @ ..] => registered_model(method, rest),
        ["model-versions", rest @ ..] => model_version(rest),
        ["scorers", "register" | "online-config"] => Some(Rule::On(Target::Experiment, Edit)),
        ["scorers", "list" | "versions" | "get"] => Some(Rule::On(Target::Experiments, Read)),
        ["scorers", "delete"] => Some(Rule::On(Target::Experiment, Manage)),
        ["scorers", "online-configs"] => Some(Rule::On(Target::Scorers, Read)),
        ["prompt-optimization", "jobs"] => Some(Rule::On(Target::Experiment, Edit)),
        ["prompt-optimization", "jobs", "search"] => Some(Rule::On(Target::Experiment, Read)),
        ["traces", rest @ ..] => trace(method, rest),
        ["get-trace-artifact"] => Some(Rule::On(Target::TraceFile, Read)),
        ["users", rest @ ..] => user(rest),
        // What a form offers, whoever fills it in.
        ["gateway", "supported-providers" | "supported-models" | "provider-config"]
        | ["gateway", "secrets", "config"]
        | ["server-info" | "ui-telemetry"] => Some(Rule::Anyone),
        _ => None,
    }
}

/// Whether the answer would be a link to the S3 door; a client that is refused one sends the file through
/// the proxy instead.
pub fn hands_out_links(path: &str) -> bool {
    path.contains("/mlflow-artifacts/mpu/")
        || path.contains("/mlflow-artifacts/presigned/")
        || path.contains("/mlflow/artifacts/presigned-")
}

fn outside(method: &str, path: &str) -> Option<Rule> {
    match (method, path) {
        (_, "/graphql") => Some(Rule::Graph),
        (_, "/health" | "/version") => Some(Rule::Anyone),
        ("GET", "/get-artifact") => Some(Rule::On(Target::Run, Read)),
        ("GET", "/model-versions/get-artifact") => Some(Rule::On(Target::Model, Read)),
        ("POST", "/v1/traces") => Some(Rule::Spans),
        _ => None,
    }
}

fn experiment(parts: &[&str]) -> Option<Rule> {
    let needed = match parts {
        ["create"] => return Some(Rule::NewExperiment),
        ["search"] => return Some(Rule::Search(Kind::Experiment)),
        ["search-datasets"] => return Some(Rule::On(Target::Experiments, Read)),
        ["get-by-name"] => return Some(Rule::On(Target::ExperimentByName, Read)),
        ["get"] => Read,
        ["update" | "set-experiment-tag" | "delete-experiment-tag"] => Edit,
        ["delete" | "restore"] | ["permissions", _] => Manage,
        _ => return None,
    };
    Some(Rule::On(Target::Experiment, needed))
}

fn run(parts: &[&str]) -> Option<Rule> {
    let needed = match parts {
        ["create" | "create-promptlab-run"] => return Some(Rule::On(Target::Experiment, Edit)),
        ["search" | "count"] => return Some(Rule::SearchIn),
        ["get"] => Read,
        ["delete" | "restore"] => Manage,
        [
            "update" | "log-metric" | "log-parameter" | "set-tag" | "delete-tag" | "log-batch" | "log-model",
        ]
        | ["log-inputs" | "outputs"] => Edit,
        _ => return None,
    };
    Some(Rule::On(Target::Run, needed))
}

fn logged_model(method: &str, parts: &[&str]) -> Option<Rule> {
    let (id, needed) = match parts {
        [] => return Some(Rule::On(Target::Experiment, Edit)),
        ["search"] => return Some(Rule::SearchIn),
        [id] => match method {
            "GET" | "HEAD" => (id, Read),
            "PATCH" => (id, Edit),
            _ => (id, Manage),
        },
        [id, "artifacts", "directories" | "files"] => (id, Read),
        [id, "params" | "tags"] => (id, Edit),
        [id, "tags", _] => (id, Manage),
        _ => return None,
    };
    Some(Rule::On(Target::LoggedModel(decoded(id)), needed))
}

fn registered_model(method: &str, parts: &[&str]) -> Option<Rule> {
    let needed = match (method, parts) {
        (_, ["create"]) => return Some(Rule::Anyone),
        (_, ["search"]) => return Some(Rule::Search(Kind::RegisteredModel)),
        (_, ["get" | "get-latest-versions"]) | ("GET", ["alias"]) => Read,
        (_, ["update" | "rename" | "set-tag" | "delete-tag"]) | ("POST", ["alias"]) => Edit,
        (_, ["delete"] | ["permissions", _]) | ("DELETE", ["alias"]) => Manage,
        _ => return None,
    };
    Some(Rule::On(Target::Model, needed))
}

fn model_version(parts: &[&str]) -> Option<Rule> {
    let needed = match parts {
        ["create"] => return Some(Rule::NewVersion),
        ["search"] => return Some(Rule::Search(Kind::RegisteredModel)),
        ["get" | "get-download-uri"] => Read,
        ["update" | "transition-stage" | "set-tag"] => Edit,
        ["delete" | "delete-tag"] => Manage,
        _ => return None,
    };
    Some(Rule::On(Target::Model, needed))
}

fn trace(method: &str, parts: &[&str]) -> Option<Rule> {
    let (target, needed) = match (method, parts) {
        ("GET", []) => (Target::Experiments, Read),
        (_, []) => (Target::NewTrace, Edit),
        (_, ["search"]) => (Target::Locations, Read),
        (_, ["metrics" | "calculate-filter-correlation"]) => (Target::Experiments, Read),
        (_, ["get"]) => (Target::TraceIn("trace_id"), Read),
        (_, ["batchGet" | "batchGetInfos"]) => (Target::Traces, Read),
        (_, ["delete-traces"]) => (Target::Experiment, Manage),
        (_, ["link-to-run"]) => (Target::TracesAndRun, Edit),
        (_, ["link-prompts"]) => (Target::TraceIn("trace_id"), Edit),
        ("GET", [id] | [id, "info"] | [id, "assessments", _]) => (Target::Trace(decoded(id)), Read),
        (_, [id] | [id, "tags" | "assessments"] | [id, "assessments", _]) => {
            (Target::Trace(decoded(id)), Edit)
        }
        _ => return None,
    };
    Some(Rule::On(target, needed))
}

fn user(parts: &[&str]) -> Option<Rule> {
    match parts {
        ["permissions", "grant" | "revoke"] => Some(Rule::On(Target::Resource, Manage)),
        // Who may see or change which user, the handlers say.
        ["get" | "current" | "update-password"]
        | ["current", "permissions"]
        | ["permissions", "get" | "list"]
        | ["roles", "list"] => Some(Rule::Anyone),
        _ => Some(Rule::Admins),
    }
}

fn artifact(method: &str, rest: &str) -> Option<Rule> {
    if rest == "artifacts" {
        return Some(Rule::On(Target::ArtifactInQuery, Read));
    }
    let (path, needed) = if let Some(path) = rest.strip_prefix("artifacts/") {
        let needed = match method {
            "GET" | "HEAD" => Read,
            "PUT" => Edit,
            "DELETE" => Manage,
            _ => return None,
        };
        (path, needed)
    } else if let Some(path) = rest.strip_prefix("presigned/") {
        (path, Read)
    } else {
        (rest.strip_prefix("mpu/")?.split_once('/')?.1, Edit)
    };
    Some(Rule::On(Target::Artifact(decoded(path)), needed))
}

/// A piece of the path as the handler will have it.
fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(method: &str, path: &str) -> Option<Rule> {
        of(&method.parse().expect("a method"), path)
    }

    #[test]
    fn both_prefixes_mean_the_same_and_the_unknown_is_closed() {
        let deleted = Some(Rule::On(Target::Experiment, Manage));
        assert_eq!(rule("POST", "/api/2.0/mlflow/experiments/delete"), deleted);
        assert_eq!(rule("POST", "/ajax-api/2.0/mlflow/experiments/delete"), deleted);
        for closed in ["/api/2.0/mlflow/webhooks", "/api/9.0/mlflow/runs/get", "/api/crannog/v1/users", "/v2"]
        {
            assert_eq!(rule("GET", closed), None, "{closed}");
        }
        assert_eq!(rule("POST", "/api/2.0/mlflow/users/create"), Some(Rule::Admins));
    }

    #[test]
    fn the_method_tells_reading_from_writing() {
        let model = |needed| Some(Rule::On(Target::LoggedModel("m 1".into()), needed));
        let path = "/api/2.0/mlflow/logged-models/m%201";
        assert_eq!([rule("GET", path), rule("DELETE", path)], [model(Read), model(Manage)]);
        let file = |needed| Some(Rule::On(Target::Artifact("1/r/a b".into()), needed));
        let path = "/api/2.0/mlflow-artifacts/artifacts/1/r/a%20b";
        assert_eq!(
            [rule("GET", path), rule("PUT", path), rule("DELETE", path)],
            [Read, Edit, Manage].map(file)
        );
        assert_eq!(rule("POST", "/api/2.0/mlflow-artifacts/mpu/create/1/r/a b"), file(Edit));
    }
}
