//! `http`: the request is made, and its answer judged. What is secret in it is shown nowhere.

use super::{DEFAULT_TIMEOUT, Done, Inside};
use crate::{
    kernel::{
        error::{Error, Result},
        web::Question,
    },
    pipelines::{
        definition::kinds::http::{Body, Request},
        hidden::{hide, hide_in},
        template,
    },
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::{Value, json};

/// As much of an answer as later tasks are given.
const KEPT: usize = 64 << 10;

impl Inside<'_> {
    pub(super) async fn http(&self, request: &Request) -> Result<Done> {
        let shown = |text: &str| hide(text, &self.values.secrets);
        let question = self.question(request)?;
        self.log(&shown(&format!("{} {}", question.method, question.url)));
        let answer = match self.executor.web().ask(question).await {
            Ok(answer) => answer,
            Err(why) => return Ok(Err(shown(&why))),
        };
        let code = answer.status.as_u16();
        self.log(&format!("answered {code} with {} bytes", answer.text.len()));
        let fits = match request.status.is_empty() {
            true => answer.status.is_success(),
            false => request.status.contains(&code),
        };
        if !fits {
            let said: String = shown(&answer.text).chars().take(200).collect();
            return Ok(Err(format!("it answered {code}: {}", said.trim())));
        }
        let mut output = json!({ "status": code });
        match serde_json::from_str::<Value>(&answer.text) {
            Ok(json) if answer.text.len() <= KEPT => output["json"] = hide_in(json, &self.values.secrets),
            _ => output["body"] = shown(&answer.text).chars().take(KEPT).collect::<String>().into(),
        }
        Ok(Ok(output))
    }

    fn question(&self, request: &Request) -> Result<Question> {
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let name = HeaderName::try_from(name.as_str()).map_err(Error::internal)?;
            // The value may be secret, so the complaint names the header alone.
            let mut value = HeaderValue::try_from(self.render(value)?)
                .map_err(|_| Error::invalid(format!("http: the value of header {name} cannot be sent")))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let body = match &request.body {
            None => None,
            Some(Body::Text(text)) => Some(self.render(text)?),
            Some(Body::Json(value)) => {
                headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
                Some(self.render_in(value.clone())?.to_string())
            }
        };
        let method = Method::from_bytes(request.method.as_bytes()).map_err(Error::internal)?;
        let timeout = self.task.timeout.unwrap_or(DEFAULT_TIMEOUT);
        Ok(Question { method, url: self.render(&request.url)?, headers, body, timeout })
    }

    /// Renders every text in a value; one that is a template alone becomes what it names.
    fn render_in(&self, value: Value) -> Result<Value> {
        Ok(match value {
            Value::String(text) => match template::sole_name(&text) {
                Some(name) => match self.values.get(name) {
                    Some(found) => found,
                    None => Value::String(self.render(&text)?),
                },
                None => Value::String(self.render(&text)?),
            },
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|item| self.render_in(item)).collect::<Result<_>>()?)
            }
            Value::Object(fields) => {
                let rendered = fields.into_iter().map(|(name, field)| Ok((name, self.render_in(field)?)));
                Value::Object(rendered.collect::<Result<_>>()?)
            }
            other => other,
        })
    }
}
