//! The keys of tags, metadata and span attributes that mean something to MLflow.

pub const NAME: &str = "mlflow.traceName";
pub const ARTIFACT_LOCATION: &str = "mlflow.artifactLocation";
pub const SPANS_LOCATION: &str = "mlflow.trace.spansLocation";
/// The value of `SPANS_LOCATION` for spans kept in this database.
pub const TRACKING_STORE: &str = "TRACKING_STORE";
pub const LINKED_PROMPTS: &str = "mlflow.linkedPrompts";

pub const SESSION: &str = "mlflow.trace.session";
pub const USER: &str = "mlflow.trace.user";
pub const TOKEN_USAGE: &str = "mlflow.trace.tokenUsage";
pub const COST: &str = "mlflow.trace.cost";
pub const SIZE_STATS: &str = "mlflow.trace.sizeStats";
pub const SOURCE_RUN: &str = "mlflow.sourceRun";
/// Set once the client has said what the trace is; spans that come later fill gaps only.
pub const FINALIZED: &str = "mlflow.trace.infoFinalized";

/// Tags nobody but the server sets.
pub const FIXED_TAGS: [&str; 3] =
    [SPANS_LOCATION, "mlflow.trace.archiveLocation", "mlflow.trace.archivalFailure"];
/// The one of them that may be taken off.
pub const ARCHIVAL_FAILURE: &str = "mlflow.trace.archivalFailure";

/// Attributes of spans.
pub mod span {
    pub const REQUEST_ID: &str = "mlflow.traceRequestId";
    pub const TYPE: &str = "mlflow.spanType";
    pub const INPUTS: &str = "mlflow.spanInputs";
    pub const OUTPUTS: &str = "mlflow.spanOutputs";
    pub const USAGE: &str = "mlflow.chat.tokenUsage";
    pub const COST: &str = "mlflow.llm.cost";
    pub const MODEL: &str = "mlflow.llm.model";
    pub const PROVIDER: &str = "mlflow.llm.provider";
    pub const TOOLS: &str = "mlflow.chat.tools";
    pub const FORMAT: &str = "mlflow.message.format";
    /// Before each of the trace's tags, on the root span of a trace exported by OpenTelemetry.
    pub const TAG_PREFIX: &str = "mlflow.traceTag.";
    pub const SESSION: &str = "session.id";
    pub const CONVERSATION: &str = "gen_ai.conversation.id";
    pub const USER: &str = "user.id";
}

pub const TOKENS: [&str; 6] = [
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation_input_tokens_above_1hr",
];
pub const COSTS: [&str; 3] = ["input_cost", "output_cost", "total_cost"];
