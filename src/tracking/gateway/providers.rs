//! The providers a form can offer: what each is asked with, and the best known of their models. Any
//! other provider and model can be named just as well.

use serde_json::{Value, json};

/// A field of a credential: its name, what it is, and whether it must be given.
type Field = (&'static str, &'static str, bool);

/// One way to prove to a provider who asks.
struct Mode {
    name: &'static str,
    title: &'static str,
    about: &'static str,
    secret: &'static [Field],
    open: &'static [Field],
}

const ACCESS_KEY: Field = ("aws_access_key_id", "AWS access key id", true);
const SECRET_KEY: Field = ("aws_secret_access_key", "AWS secret access key", true);
const REGION: Field = ("aws_region_name", "AWS region, such as us-east-1", false);
const ROLE: Field = ("aws_role_name", "ARN of the IAM role", true);
const ROLE_OR_NONE: Field = ("aws_role_name", "ARN of an IAM role to assume", false);
const SESSION: Field = ("aws_session_name", "Name of the assumed role's session", false);
const PROJECT: Field = ("vertex_project", "GCP project", true);
const LOCATION: Field = ("vertex_location", "GCP region, us-central1 if none is given", false);
const WORKSPACE: Field = ("api_base", "URL of the Databricks workspace", true);

const API_KEY: Mode = Mode {
    name: "api_key",
    title: "API Key",
    about: "A key of the provider",
    secret: &[("api_key", "API key", true)],
    open: &[("api_base", "Base URL of the API, if it is not the provider's own", false)],
};

const BEDROCK: &[Mode] = &[
    Mode {
        name: "api_key",
        title: "API Key",
        about: "A key of Amazon Bedrock",
        secret: &[("api_key", "Bedrock API key", true)],
        open: &[("aws_region_name", "AWS region, such as us-east-1", true)],
    },
    Mode {
        name: "access_keys",
        title: "Access Keys",
        about: "An access key of AWS",
        secret: &[ACCESS_KEY, SECRET_KEY],
        open: &[REGION],
    },
    Mode {
        name: "iam_role",
        title: "IAM Role",
        about: "A role assumed with what the server has of AWS",
        secret: &[],
        open: &[ROLE, REGION],
    },
    Mode {
        name: "default_chain",
        title: "Default Chain",
        about: "What the server has of AWS",
        secret: &[],
        open: &[ROLE_OR_NONE, SESSION, REGION],
    },
];

const SAGEMAKER: &[Mode] = &[
    Mode {
        name: "access_keys",
        title: "Access Keys",
        about: "An access key of AWS",
        secret: &[ACCESS_KEY, SECRET_KEY],
        open: &[("aws_region_name", "AWS region, such as us-east-1", true)],
    },
    Mode {
        name: "iam_role",
        title: "IAM Role",
        about: "A role assumed with an access key, for another account",
        secret: &[ACCESS_KEY, SECRET_KEY],
        open: &[ROLE, SESSION, REGION],
    },
    Mode {
        name: "default_chain",
        title: "Default Chain",
        about: "What the server has of AWS",
        secret: &[],
        open: &[ROLE_OR_NONE, SESSION, REGION],
    },
];

const AZURE: &[Mode] = &[Mode {
    name: "api_key",
    title: "API Key",
    about: "A key of Azure OpenAI",
    secret: &[("api_key", "Azure OpenAI key", true)],
    open: &[
        ("api_base", "URL of the Azure OpenAI resource", true),
        ("api_version", "Version of the API, such as 2024-02-01", true),
    ],
}];

const VERTEX: &[Mode] = &[
    Mode {
        name: "service_account_json",
        title: "Service Account",
        about: "The key file of a GCP service account",
        secret: &[("vertex_credentials", "Contents of the key file", true)],
        open: &[PROJECT, LOCATION],
    },
    Mode {
        name: "default_chain",
        title: "Default Chain",
        about: "What the server has of GCP",
        secret: &[],
        open: &[PROJECT, LOCATION],
    },
];

const DATABRICKS: &[Mode] = &[
    Mode {
        name: "pat_token",
        title: "Personal Access Token",
        about: "A user's token",
        secret: &[("api_key", "Personal access token", true)],
        open: &[WORKSPACE],
    },
    Mode {
        name: "oauth_m2m",
        title: "Service Principal",
        about: "The OAuth client of a service principal",
        secret: &[("client_secret", "OAuth client secret", true)],
        open: &[WORKSPACE, ("client_id", "OAuth client id", true)],
    },
];

/// The ways to ask a provider, the usual one first.
fn modes(provider: &str) -> &'static [Mode] {
    match provider {
        "bedrock" | "bedrock_converse" | "bedrock_mantle" => BEDROCK,
        "sagemaker" => SAGEMAKER,
        "azure" => AZURE,
        "vertex_ai" => VERTEX,
        "databricks" => DATABRICKS,
        _ => std::slice::from_ref(&API_KEY),
    }
}

/// What a form has to ask for.
pub fn config(provider: &str) -> Value {
    let modes = modes(&provider.to_lowercase());
    let shown: Vec<_> = modes
        .iter()
        .map(|mode| {
            json!({
                "mode": mode.name,
                "display_name": mode.title,
                "description": mode.about,
                "secret_fields": fields(mode.secret),
                "config_fields": fields(mode.open),
            })
        })
        .collect();
    json!({ "auth_modes": shown, "default_mode": modes[0].name })
}

fn fields(fields: &[Field]) -> Vec<Value> {
    let field = |(name, about, required): &Field| json!({ "name": name, "type": "string", "description": about, "required": required });
    fields.iter().map(field).collect()
}

/// Models by provider: name and mode.
const MODELS: &[(&str, &[(&str, &str)])] = &[
    (
        "anthropic",
        &[("claude-opus-4-1", "chat"), ("claude-sonnet-4-5", "chat"), ("claude-haiku-4-5", "chat")],
    ),
    ("azure", &[("gpt-4o", "chat"), ("gpt-4.1", "chat"), ("text-embedding-3-large", "embedding")]),
    (
        "bedrock",
        &[
            ("anthropic.claude-3-5-sonnet-20240620-v1:0", "chat"),
            ("amazon.nova-pro-v1:0", "chat"),
            ("amazon.titan-embed-text-v2:0", "embedding"),
        ],
    ),
    ("cohere", &[("command-r-plus", "chat"), ("embed-english-v3.0", "embedding")]),
    (
        "databricks",
        &[("databricks-meta-llama-3-3-70b-instruct", "chat"), ("databricks-gte-large-en", "embedding")],
    ),
    ("deepseek", &[("deepseek-chat", "chat"), ("deepseek-reasoner", "chat")]),
    ("fireworks_ai", &[("accounts/fireworks/models/llama-v3p1-70b-instruct", "chat")]),
    (
        "gemini",
        &[("gemini-2.5-pro", "chat"), ("gemini-2.5-flash", "chat"), ("gemini-embedding-001", "embedding")],
    ),
    ("groq", &[("llama-3.3-70b-versatile", "chat")]),
    ("mistral", &[("mistral-large-latest", "chat"), ("mistral-embed", "embedding")]),
    ("ollama", &[("llama3.1", "chat"), ("mistral", "chat")]),
    (
        "openai",
        &[
            ("gpt-5", "chat"),
            ("gpt-5-mini", "chat"),
            ("gpt-4.1", "chat"),
            ("gpt-4o", "chat"),
            ("gpt-4o-mini", "chat"),
            ("text-embedding-3-large", "embedding"),
            ("text-embedding-3-small", "embedding"),
        ],
    ),
    ("openrouter", &[("openai/gpt-4o", "chat"), ("anthropic/claude-3.5-sonnet", "chat")]),
    ("sagemaker", &[("meta-textgeneration-llama-2-70b", "chat")]),
    ("together_ai", &[("meta-llama/Llama-3.3-70B-Instruct-Turbo", "chat")]),
    ("vertex_ai", &[("gemini-2.5-pro", "chat"), ("text-embedding-004", "embedding")]),
    ("xai", &[("grok-4", "chat"), ("grok-3-mini", "chat")]),
];

pub fn names() -> Vec<&'static str> {
    MODELS.iter().map(|(provider, _)| *provider).collect()
}

/// The models of one provider, or of all. What we do not know of a model is null.
pub fn models(provider: Option<&str>) -> Vec<Value> {
    let wanted = MODELS.iter().filter(|(name, _)| provider.is_none_or(|provider| provider == *name));
    let shown = |provider: &str, (model, mode): &(&str, &str)| {
        json!({
            "model": model, "provider": provider, "mode": mode,
            "supports_function_calling": null, "supports_vision": null, "supports_reasoning": null,
            "supports_prompt_caching": null, "supports_response_schema": null,
            "max_input_tokens": null, "max_output_tokens": null,
            "input_cost_per_token": null, "output_cost_per_token": null,
            "modality": null, "deprecation_date": null, "last_updated_at": null,
        })
    };
    wanted.flat_map(|(provider, models)| models.iter().map(move |model| shown(provider, model))).collect()
}
