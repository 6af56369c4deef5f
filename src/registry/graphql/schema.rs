//! The types of MLflow's GraphQL schema: what may be asked for, and how its values are written.

/// How a field's value is written.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Text,
    Texts,
    /// A 64-bit number as text, which JavaScript would otherwise cut.
    Long,
    Float,
    Bool,
    /// The name of one of a few values.
    Choice,
    One(&'static Type),
    Many(&'static Type),
}

#[derive(Debug)]
pub struct Type {
    pub name: &'static str,
    pub fields: &'static [(&'static str, Kind)],
}

impl Type {
    pub fn field(&self, name: &str) -> Option<Kind> {
        self.fields.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }
}

/// A field of `Query` or `Mutation`: it takes one `input`.
#[derive(Clone, Copy, Debug)]
pub struct Root {
    pub read: Read,
    pub input: &'static [&'static str],
    pub output: &'static Type,
}

/// What is read to answer a root field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    Experiment,
    Run,
    Runs,
    Histories,
    Artifacts,
    Datasets,
    Versions,
}

pub fn query(name: &str) -> Option<Root> {
    let root = match name {
        "mlflowGetExperiment" => {
            Root { read: Read::Experiment, input: &["experimentId"], output: &GET_EXPERIMENT }
        }
        "mlflowGetRun" => Root { read: Read::Run, input: &["runId", "runUuid"], output: &GET_RUN },
        "mlflowGetMetricHistoryBulkInterval" => Root {
            read: Read::Histories,
            input: &["runIds", "metricKey", "startStep", "endStep", "maxResults"],
            output: &HISTORIES,
        },
        "mlflowListArtifacts" => Root {
            read: Read::Artifacts,
            input: &["runId", "runUuid", "path", "pageToken"],
            output: &LIST_ARTIFACTS,
        },
        "mlflowSearchModelVersions" => Root {
            read: Read::Versions,
            input: &["filter", "maxResults", "orderBy", "pageToken"],
            output: &SEARCH_VERSIONS,
        },
        _ => return search_runs(name),
    };
    Some(root)
}

pub fn mutation(name: &str) -> Option<Root> {
    match name {
        "mlflowSearchDatasets" => {
            Some(Root { read: Read::Datasets, input: &["experimentIds"], output: &SEARCH_DATASETS })
        }
        _ => search_runs(name),
    }
}

/// In the protocol this search is a query and a mutation.
fn search_runs(name: &str) -> Option<Root> {
    let input = &["experimentIds", "filter", "runViewType", "maxResults", "orderBy", "pageToken"];
    (name == "mlflowSearchRuns").then_some(Root { read: Read::Runs, input, output: &SEARCH_RUNS })
}

use Kind::{Bool, Choice, Float, Long, Many, One, Text, Texts};

static PAIR_OF_RUN: Type = Type { name: "MlflowRunTag", fields: PAIR };
static PARAM: Type = Type { name: "MlflowParam", fields: PAIR };
static EXPERIMENT_TAG: Type = Type { name: "MlflowExperimentTag", fields: PAIR };
static VERSION_TAG: Type = Type { name: "MlflowModelVersionTag", fields: PAIR };
static INPUT_TAG: Type = Type { name: "MlflowInputTag", fields: PAIR };
const PAIR: &[(&str, Kind)] = &[("key", Text), ("value", Text)];

static ERROR: Type = Type {
    name: "ApiError",
    fields: &[
        ("code", Text),
        ("message", Text),
        ("helpUrl", Text),
        ("traceId", Text),
        ("errorDetails", Many(&ERROR_DETAIL)),
    ],
};
static ERROR_DETAIL: Type = Type { name: "ErrorDetail", fields: &[("field", Text), ("message", Text)] };

static GET_EXPERIMENT: Type = Type {
    name: "MlflowGetExperimentResponse",
    fields: &[("experiment", One(&EXPERIMENT)), ("apiError", One(&ERROR))],
};
static EXPERIMENT: Type = Type {
    name: "MlflowExperiment",
    fields: &[
        ("experimentId", Text),
        ("name", Text),
        ("artifactLocation", Text),
        ("lifecycleStage", Text),
        ("lastUpdateTime", Long),
        ("creationTime", Long),
        ("tags", Many(&EXPERIMENT_TAG)),
        ("effectiveTraceArchivalRetention", Text),
        ("workspace", Text),
    ],
};

static GET_RUN: Type =
    Type { name: "MlflowGetRunResponse", fields: &[("run", One(&RUN)), ("apiError", One(&ERROR))] };
static SEARCH_RUNS: Type = Type {
    name: "MlflowSearchRunsResponse",
    fields: &[("runs", Many(&RUN)), ("nextPageToken", Text), ("apiError", One(&ERROR))],
};
static RUN: Type = Type {
    name: "MlflowRunExtension",
    fields: &[
        ("info", One(&RUN_INFO)),
        ("data", One(&RUN_DATA)),
        ("inputs", One(&RUN_INPUTS)),
        ("outputs", One(&RUN_OUTPUTS)),
        ("experiment", One(&EXPERIMENT)),
        ("modelVersions", Many(&VERSION)),
    ],
};
static RUN_INFO: Type = Type {
    name: "MlflowRunInfo",
    fields: &[
        ("runId", Text),
        ("runUuid", Text),
        ("runName", Text),
        ("experimentId", Text),
        ("userId", Text),
        ("status", Choice),
        ("startTime", Long),
        ("endTime", Long),
        ("artifactUri", Text),
        ("lifecycleStage", Text),
    ],
};
static RUN_DATA: Type = Type {
    name: "MlflowRunData",
    fields: &[("metrics", Many(&METRIC)), ("params", Many(&PARAM)), ("tags", Many(&PAIR_OF_RUN))],
};
static METRIC: Type = Type {
    name: "MlflowMetricExtension",
    fields: &[
        ("key", Text),
        ("value", Float),
        ("timestamp", Long),
        ("step", Long),
        ("datasetName", Text),
        ("datasetDigest", Text),
        ("modelId", Text),
        ("runId", Text),
    ],
};
static RUN_INPUTS: Type = Type {
    name: "MlflowRunInputs",
    fields: &[("datasetInputs", Many(&DATASET_INPUT)), ("modelInputs", Many(&MODEL_INPUT))],
};
static DATASET_INPUT: Type =
    Type { name: "MlflowDatasetInput", fields: &[("tags", Many(&INPUT_TAG)), ("dataset", One(&DATASET))] };
static DATASET: Type = Type {
    name: "MlflowDataset",
    fields: &[
        ("name", Text),
        ("digest", Text),
        ("sourceType", Text),
        ("source", Text),
        ("schema", Text),
        ("profile", Text),
    ],
};
static MODEL_INPUT: Type = Type { name: "MlflowModelInput", fields: &[("modelId", Text)] };
static RUN_OUTPUTS: Type =
    Type { name: "MlflowRunOutputs", fields: &[("modelOutputs", Many(&MODEL_OUTPUT))] };
static MODEL_OUTPUT: Type = Type { name: "MlflowModelOutput", fields: &[("modelId", Text), ("step", Long)] };

static HISTORIES: Type = Type {
    name: "MlflowGetMetricHistoryBulkIntervalResponse",
    fields: &[("metrics", Many(&POINT)), ("apiError", One(&ERROR))],
};
static POINT: Type = Type {
    name: "MlflowMetricWithRunId",
    fields: &[("key", Text), ("value", Float), ("timestamp", Long), ("step", Long), ("runId", Text)],
};

static LIST_ARTIFACTS: Type = Type {
    name: "MlflowListArtifactsResponse",
    fields: &[("rootUri", Text), ("files", Many(&FILE)), ("nextPageToken", Text), ("apiError", One(&ERROR))],
};
static FILE: Type =
    Type { name: "MlflowFileInfo", fields: &[("path", Text), ("isDir", Bool), ("fileSize", Long)] };

static SEARCH_DATASETS: Type = Type {
    name: "MlflowSearchDatasetsResponse",
    fields: &[("datasetSummaries", Many(&DATASET_SUMMARY)), ("apiError", One(&ERROR))],
};
static DATASET_SUMMARY: Type = Type {
    name: "MlflowDatasetSummary",
    fields: &[("experimentId", Text), ("name", Text), ("digest", Text), ("context", Text)],
};

static SEARCH_VERSIONS: Type = Type {
    name: "MlflowSearchModelVersionsResponse",
    fields: &[("modelVersions", Many(&VERSION)), ("nextPageToken", Text), ("apiError", One(&ERROR))],
};
static VERSION: Type = Type {
    name: "MlflowModelVersion",
    fields: &[
        ("name", Text),
        ("version", Text),
        ("creationTimestamp", Long),
        ("lastUpdatedTimestamp", Long),
        ("userId", Text),
        ("currentStage", Text),
        ("description", Text),
        ("source", Text),
        ("runId", Text),
        ("status", Choice),
        ("statusMessage", Text),
        ("tags", Many(&VERSION_TAG)),
        ("runLink", Text),
        ("aliases", Texts),
        ("modelId", Text),
    ],
};
