//! Attributes of other conventions under MLflow's names. A tracing library that has never heard of
//! MLflow says in its own words what was asked, what was answered and how many tokens it took; MLflow's
//! UI and totals read one set of names only.

use super::{
    json::{self, dumps, plain},
    keys::span as to,
};
use serde_json::{Map, Value};

/// The names one convention uses. In a name, `#` stands for a number.
struct Convention {
    kind: &'static str,
    kinds: &'static [(&'static str, &'static str)],
    /// Input, output, total, read from the cache, written to it (two names).
    tokens: [&'static str; 6],
    inputs: &'static [&'static str],
    outputs: &'static [&'static str],
    models: &'static [&'static str],
    provider: &'static str,
    tools: &'static str,
    /// How a chat's messages are written, if the convention fixes it.
    format: Option<&'static str>,
}

const NOTHING: Convention = Convention {
    kind: "",
    kinds: &[],
    tokens: [""; 6],
    inputs: &[],
    outputs: &[],
    models: &[],
    provider: "",
    tools: "",
    format: None,
};

/// The first that knows an answer gives it.
const CONVENTIONS: &[Convention] = &[
    // OpenInference
    Convention {
        kind: "openinference.span.kind",
        kinds: &[
            ("TOOL", "TOOL"),
            ("CHAIN", "CHAIN"),
            ("LLM", "LLM"),
            ("RETRIEVER", "RETRIEVER"),
            ("EMBEDDING", "EMBEDDING"),
            ("AGENT", "AGENT"),
            ("RERANKER", "RERANKER"),
            ("UNKNOWN", "UNKNOWN"),
            ("GUARDRAIL", "GUARDRAIL"),
            ("EVALUATOR", "EVALUATOR"),
        ],
        tokens: [
            "llm.token_count.prompt",
            "llm.token_count.completion",
            "llm.token_count.total",
            "llm.token_count.prompt_details.cache_read",
            "llm.token_count.prompt_details.cache_write",
            "",
        ],
        inputs: &["input.value"],
        outputs: &["output.value"],
        models: &[
            "llm.response.model_name",
            "llm.model_name",
            "llm.request.model_name",
            "embedding.model_name",
        ],
        provider: "llm.provider",
        ..NOTHING
    },
    // OpenTelemetry's own, for generative models
    Convention {
        kind: "gen_ai.operation.name",
        kinds: &[
            ("chat", "CHAT_MODEL"),
            ("create_agent", "AGENT"),
            ("embeddings", "EMBEDDING"),
            ("execute_tool", "TOOL"),
            ("generate_content", "LLM"),
            ("invoke_agent", "AGENT"),
            ("text_completion", "LLM"),
            ("response", "LLM"),
        ],
        tokens: [
            "gen_ai.usage.input_tokens",
            "gen_ai.usage.output_tokens",
            "",
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens",
        ],
        inputs: &["gen_ai.input.messages", "gen_ai.tool.call.arguments"],
        outputs: &["gen_ai.output.messages", "gen_ai.tool.call.result"],
        models: &["gen_ai.response.model", "gen_ai.request.model"],
        provider: "gen_ai.provider.name",
        tools: "gen_ai.tool.definitions",
        ..NOTHING
    },
    // Traceloop, OpenLLMetry
    Convention {
        kind: "traceloop.span.kind",
        kinds: &[
            ("workflow", "WORKFLOW"),
            ("task", "TASK"),
            ("agent", "AGENT"),
            ("tool", "TOOL"),
            ("unknown", "UNKNOWN"),
        ],
        tokens: [
            "gen_ai.usage.prompt_tokens",
            "gen_ai.usage.completion_tokens",
            "llm.usage.total_tokens",
            "",
            "",
            "",
        ],
        inputs: &[
            "traceloop.entity.input",
            "gen_ai.prompt.#.content",
            "gen_ai.completion.#.tool_calls.#.arguments",
        ],
        outputs: &["traceloop.entity.output", "gen_ai.completion.#.content"],
        provider: "gen_ai.system",
        ..NOTHING
    },
    // Google's agent kit
    Convention {
        inputs: &["gcp.vertex.agent.llm_request", "gcp.vertex.agent.tool_call_args"],
        outputs: &["gcp.vertex.agent.llm_response", "gcp.vertex.agent.tool_response"],
        ..NOTHING
    },
    // Vercel's SDK
    Convention {
        kind: "ai.operationId",
        kinds: &[
            ("ai.generateText", "LLM"),
            ("ai.generateText.doGenerate", "LLM"),
            ("ai.toolCall", "TOOL"),
            ("ai.streamText", "LLM"),
            ("ai.streamText.doStream", "LLM"),
            ("ai.generateObject", "LLM"),
            ("ai.generateObject.doGenerate", "LLM"),
            ("ai.streamObject", "LLM"),
            ("ai.streamObject.doStream", "LLM"),
            ("ai.embed", "EMBEDDING"),
            ("ai.embed.doEmbed", "EMBEDDING"),
            ("ai.embedMany", "EMBEDDING"),
        ],
        inputs: &["ai.prompt", "ai.toolCall.args", "ai.value", "ai.values"],
        outputs: &[
            "ai.response.text",
            "ai.toolCall.result",
            "ai.response.object",
            "ai.embedding",
            "ai.embeddings",
        ],
        ..NOTHING
    },
    // Laminar
    Convention {
        kind: "lmnr.span.type",
        kinds: &[
            ("LLM", "LLM"),
            ("TOOL", "TOOL"),
            ("DEFAULT", "CHAIN"),
            ("PIPELINE", "CHAIN"),
            ("EXECUTOR", "AGENT"),
            ("EVALUATOR", "EVALUATOR"),
            ("HUMAN_EVALUATOR", "EVALUATOR"),
            ("EVALUATION", "EVALUATOR"),
            ("CACHED", "LLM"),
        ],
        inputs: &["lmnr.span.input"],
        outputs: &["lmnr.span.output"],
        provider: "gen_ai.system",
        format: Some("openai"),
        ..NOTHING
    },
    // Langfuse
    Convention {
        kind: "langfuse.observation.type",
        kinds: &[
            ("generation", "LLM"),
            ("embedding", "EMBEDDING"),
            ("tool", "TOOL"),
            ("retriever", "RETRIEVER"),
            ("agent", "AGENT"),
            ("chain", "CHAIN"),
            ("evaluator", "EVALUATOR"),
            ("guardrail", "GUARDRAIL"),
            ("span", "UNKNOWN"),
        ],
        inputs: &["langfuse.observation.input"],
        outputs: &["langfuse.observation.output"],
        ..NOTHING
    },
];

/// A span's attributes; each value is the text of its JSON.
pub type Attributes = Map<String, Value>;

pub fn get<'a>(attributes: &'a Attributes, key: &str) -> Option<&'a str> {
    attributes.get(key).and_then(Value::as_str)
}

/// Adds MLflow's names for what other names say, where MLflow's own are missing.
pub fn translate(attributes: &mut Attributes) {
    let kind = get(attributes, to::TYPE).map(plain);
    if kind.is_none_or(|kind| kind == "UNKNOWN")
        && let Some(kind) = CONVENTIONS.iter().find_map(|names| kind_of(names, attributes))
    {
        attributes.insert(to::TYPE.into(), dumps(&kind).into());
    }
    add(attributes, to::INPUTS, |a| first(a, |names| names.inputs));
    add(attributes, to::OUTPUTS, |a| first(a, |names| names.outputs));
    add(attributes, to::USAGE, |a| CONVENTIONS.iter().find_map(|names| usage_of(names, a)));
    add(attributes, to::FORMAT, |a| {
        let known = CONVENTIONS.iter().filter(|names| a.contains_key(names.kind));
        known.filter_map(|names| names.format).next().map(|format| dumps(&format))
    });
    add(attributes, to::TOOLS, |a| first(a, |names| std::slice::from_ref(&names.tools)));
    add(attributes, to::MODEL, |a| {
        first(a, |names| names.models).map(|model| dumps(&plain(&model))).or_else(|| model_in_messages(a))
    });
    add(attributes, to::PROVIDER, |a| {
        first(a, |names| std::slice::from_ref(&names.provider)).map(|provider| dumps(&plain(&provider)))
    });
}

fn add(attributes: &mut Attributes, key: &str, find: impl Fn(&Attributes) -> Option<String>) {
    if !attributes.contains_key(key)
        && let Some(value) = find(attributes)
    {
        attributes.insert(key.to_owned(), value.into());
    }
}

fn kind_of(names: &Convention, attributes: &Attributes) -> Option<&'static str> {
    let kind = plain(get(attributes, names.kind)?);
    names.kinds.iter().find(|(theirs, _)| *theirs == kind).map(|(_, ours)| *ours)
}

/// The first attribute under one of the names that says anything.
fn first(
    attributes: &Attributes,
    names: impl Fn(&'static Convention) -> &'static [&'static str],
) -> Option<String> {
    CONVENTIONS.iter().flat_map(names).filter(|name| !name.is_empty()).find_map(|name| {
        if !name.contains('#') {
            return get(attributes, name).filter(|value| says_something(value)).map(str::to_owned);
        }
        let mut found = attributes.iter().filter(|(key, _)| matches_numbered(key, name));
        found.find_map(|(_, value)| value.as_str().filter(|value| says_something(value))).map(str::to_owned)
    })
}

/// What Python takes for true.
fn says_something(text: &str) -> bool {
    match json::loads(text) {
        Value::Null => false,
        Value::Bool(flag) => flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

fn matches_numbered(key: &str, name: &str) -> bool {
    let (keys, names) = (key.split('.'), name.split('.'));
    key.split('.').count() == name.split('.').count()
        && keys.zip(names).all(|(key, name)| match name {
            "#" => !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit()),
            name => key == name,
        })
}

fn usage_of(names: &Convention, attributes: &Attributes) -> Option<String> {
    let count = |name: &str| -> Option<i64> {
        match json::loads(get(attributes, name)?) {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    };
    let [input, output, total, read, written, written_before] = names.tokens.map(count);
    let sum = || input.zip(output).and_then(|(input, output)| input.checked_add(output));
    let total = total.or_else(sum);
    input.or(output).or(total)?;
    let counts = [input, output, total, read, written.or(written_before)];
    let known = super::keys::TOKENS.iter().zip(counts);
    let usage: Map<String, Value> =
        known.filter_map(|(key, count)| Some(((*key).to_owned(), count?.into()))).collect();
    Some(dumps(&usage))
}

/// Requests and responses of chats name their model.
fn model_in_messages(attributes: &Attributes) -> Option<String> {
    [to::INPUTS, to::OUTPUTS].iter().find_map(|key| {
        let value = json::loads(get(attributes, key)?);
        value.get("model")?.as_str().filter(|model| !model.is_empty()).map(|model| dumps(&model))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn translated(attributes: Value) -> Attributes {
        let mut texts: Attributes = attributes
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| (key.clone(), Value::String(dumps(value))))
            .collect();
        translate(&mut texts);
        texts
    }

    #[test]
    fn opentelemetrys_names() {
        let found = translated(json!({
            "gen_ai.operation.name": "chat", "gen_ai.request.model": "m-1", "gen_ai.provider.name": "p",
            "gen_ai.usage.input_tokens": 3, "gen_ai.usage.output_tokens": "4",
            "gen_ai.usage.cache_creation.input_tokens": 1,
        }));
        assert_eq!(get(&found, to::TYPE), Some("\"CHAT_MODEL\""));
        assert_eq!(get(&found, to::MODEL), Some("\"m-1\""));
        assert_eq!(get(&found, to::PROVIDER), Some("\"p\""));
        assert_eq!(
            get(&found, to::USAGE).unwrap(),
            r#"{"input_tokens": 3, "output_tokens": 4, "total_tokens": 7, "cache_creation_input_tokens": 1}"#
        );
    }

    #[test]
    fn names_with_numbers_and_empty_values() {
        let found = translated(json!({ "input.value": "", "gen_ai.prompt.0.content": "hi" }));
        assert_eq!(get(&found, to::INPUTS), Some("\"hi\""));
        assert_eq!(get(&found, to::OUTPUTS), None);
        assert!(!matches_numbered("gen_ai.prompt.x.content", "gen_ai.prompt.#.content"));
    }

    #[test]
    fn mlflows_own_names_stay() {
        let found = translated(json!({
            "mlflow.spanType": "AGENT", "gen_ai.operation.name": "chat", "mlflow.spanInputs": {"model": "m"},
        }));
        assert_eq!(get(&found, to::TYPE), Some("\"AGENT\""));
        assert_eq!(get(&found, to::MODEL), Some("\"m\""));
    }
}
