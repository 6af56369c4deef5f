//! A prediction as it is asked for, whatever the protocol: who asks, with what headers and until when.

use crate::{
    auth::Viewer,
    kernel::http::REQUEST_ID,
    serving::{engine::NamedTensor, loading::load::Loaded},
};
use axum::extract::FromRequestParts;
use http::{HeaderMap, HeaderName, HeaderValue, request::Parts};
use serde_json::{Map, Value};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// For how many milliseconds the caller waits. A request that has not begun by then is not run.
const TIMEOUT: &str = "x-crannog-timeout-ms";
/// Tells which version of the model answered.
pub const VERSION_HEADER: HeaderName = HeaderName::from_static("x-crannog-model-version");
/// Tells by which of the endpoint's routes it was asked.
pub const ROUTE_HEADER: HeaderName = HeaderName::from_static("x-crannog-route");
/// Bytes of a body that is read in some microseconds.
pub const SMALL: usize = 16 << 10;
/// No caller waits longer, and a deadline must be a time that can be reckoned with.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// What is known of a request before its body is read.
pub struct Call {
    pub user: String,
    pub headers: HeaderMap,
    pub request_id: String,
    /// The version that is asked for by name; else the endpoint's routes decide.
    pub version: Option<String>,
    pub began: Instant,
    pub deadline: Option<Instant>,
    /// Whether its body is short as it came, so that reading it cannot take long.
    pub is_small: bool,
}

impl Call {
    pub fn new(user: String, headers: HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let request_id = text(REQUEST_ID).unwrap_or_default().to_owned();
        let millis = text(TIMEOUT).and_then(|text| text.trim().parse().ok());
        let length: Option<usize> = text("content-length").and_then(|text| text.parse().ok());
        let is_small =
            length.is_some_and(|length| length <= SMALL) && !headers.contains_key("content-encoding");
        let (began, version, deadline) = (Instant::now(), None, None);
        let call = Self { user, headers, request_id, version, began, deadline, is_small };
        match millis {
            Some(millis) => call.within(Duration::from_millis(millis)),
            None => call,
        }
    }

    pub fn of_version(self, version: Option<String>) -> Self {
        Self { version, ..self }
    }

    /// The caller waits no longer than this; the shortest time said counts.
    pub fn within(mut self, wait: Duration) -> Self {
        let deadline = self.began + wait.min(LONGEST_WAIT);
        self.deadline = Some(self.deadline.map_or(deadline, |known| known.min(deadline)));
        self
    }
}

/// From a request whose caller may see what the house holds.
impl<S: Send + Sync> FromRequestParts<S> for Call {
    type Rejection = <Viewer as FromRequestParts<S>>::Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> std::result::Result<Self, Self::Rejection> {
        let Viewer(who) = Viewer::from_request_parts(parts, state).await?;
        Ok(Self::new(who.user, parts.headers.clone()))
    }
}

/// Settings of one prediction, by name, for models that take some.
pub type Params = Arc<Map<String, Value>>;

/// What a model is asked.
pub struct Question {
    pub inputs: Vec<NamedTensor>,
    pub params: Option<Params>,
}

impl From<Vec<NamedTensor>> for Question {
    fn from(inputs: Vec<NamedTensor>) -> Self {
        Self { inputs, params: None }
    }
}

/// An answer, and which model gave it.
pub struct Answered<T> {
    pub answer: T,
    pub model: Arc<Loaded>,
    pub route: Arc<str>,
}

impl<T> Answered<T> {
    /// Which version answered, and by which route, as every HTTP answer tells.
    pub fn headers(&self) -> [(HeaderName, HeaderValue); 2] {
        [(VERSION_HEADER, value(&self.model.version)), (ROUTE_HEADER, value(&self.route))]
    }
}

pub fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unknown"))
}
