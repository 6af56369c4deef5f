//! The layer over MLflow's routes: meets the rule, narrows the search, notes who made what.

use super::{
    model::{Grant, Kind, Permission, Rights},
    rules::{self, Rule, Target},
    service::Service,
    target::{self, Resource},
};
use crate::{
    auth::{Principal, Role},
    kernel::error::{Error, Result},
    tracking::{
        links_refused,
        search::reach::ExperimentReach,
        wire::{Fields, MlflowError},
    },
};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{Method, header, request::Parts};
use serde_json::{Value, json};

/// The largest body read here; the handlers' own limit on JSON is no larger.
const BODY_MAX: usize = 32 << 20;

/// For `axum::middleware::from_fn_with_state`, inside of the guard.
pub async fn enforce(State(service): State<Service>, request: Request, next: Next) -> Response {
    let Some(role) = request.extensions().get::<Principal>().map(|who| who.role) else {
        return next.run(request).await;
    };
    let change = Change::of(request.method(), request.uri().path());
    let who = change.and_then(|_| request.extensions().get::<Principal>().cloned());
    let response = if role >= Role::Editor {
        next.run(request).await
    } else {
        match admit(&service, request).await {
            // A link would carry the user's own rights at the S3 door, and there the user has none.
            Ok(Some(request)) if rules::hands_out_links(request.uri().path()) && is_lent(&request, role) => {
                links_refused(request.uri().path())
            }
            Ok(Some(request)) => next.run(request).await,
            Ok(None) => axum::Json(json!({})).into_response(),
            Err(error) => return MlflowError(error).into_response(),
        }
    };
    match (change, who) {
        (Some(change), Some(who)) if response.status().is_success() => {
            change.follow(&service, &who, response).await
        }
        _ => response,
    }
}

/// The request as its handler may have it. A viewer's is left as it was when nothing was granted that
/// would allow more than the role: the handler knows what to say. None when there is nothing to search.
async fn admit(service: &Service, request: Request) -> Result<Option<Request>> {
    let (parts, body) = request.into_parts();
    let Some(who) = parts.extensions.get::<Principal>().cloned() else {
        return Ok(Some(Request::from_parts(parts, body)));
    };
    let rights = service.rights(&who).await?;
    let viewer = who.role == Role::Viewer;
    let rule = rules::of(&parts.method, parts.uri.path());
    // What no grant is about, a viewer's role decides.
    let granted = matches!(rule, Some(Rule::On(..) | Rule::NewVersion | Rule::Spans));
    if viewer && (rights.is_bare() || !granted) {
        return Ok(Some(Request::from_parts(parts, body)));
    }
    let mut asked = Asked { service, rights, parts, body: Some(body), bytes: None };
    let outcome = match rule {
        Some(rule) => asked.meet(rule).await,
        None => Err(denied("this is not open to members")),
    };
    match outcome {
        Ok(true) => {
            asked.parts.extensions.insert(Principal { role: Role::Editor, user: who.user });
            Ok(Some(asked.request()))
        }
        Ok(false) => Ok(None),
        Err(_) if viewer => Ok(Some(asked.request())),
        Err(error) => Err(error),
    }
}

/// Whether the request has more rights than its user.
fn is_lent(request: &Request, role: Role) -> bool {
    request.extensions().get::<Principal>().is_some_and(|who| who.role > role)
}

/// MLflow's two words come first: its clients' users look for them.
fn denied(why: &str) -> Error {
    Error::forbidden(format!("Permission denied: {why}."))
}

/// A request under examination.
struct Asked<'a> {
    service: &'a Service,
    rights: Rights,
    parts: Parts,
    /// Until it was read.
    body: Option<Body>,
    bytes: Option<Bytes>,
}

impl Asked<'_> {
    /// The request again, with what was read of it.
    fn request(self) -> Request {
        let body = match self.bytes {
            Some(bytes) => Body::from(bytes),
            None => self.body.unwrap_or_default(),
        };
        Request::from_parts(self.parts, body)
    }

    /// The fields, as the handler will read them.
    async fn fields(&mut self) -> Result<Fields> {
        if let Some(body) = self.body.take() {
            let read = to_bytes(body, BODY_MAX).await;
            self.bytes =
                Some(read.map_err(|error| {
                    Error::invalid(format!("The request body could not be read: {error}."))
                })?);
        }
        Fields::read(&self.parts, self.bytes.as_deref().unwrap_or_default())
    }

    /// Whether the handler is to be asked at all; an error when it must not be.
    async fn meet(&mut self, rule: Rule) -> Result<bool> {
        match rule {
            Rule::Anyone => {}
            Rule::Admins => return Err(denied("this is for admins")),
            Rule::On(target, needed) => {
                let fields = if target.is_in_fields() { self.fields().await? } else { Fields::default() };
                let named = target::find(self.service, &target, &self.parts, &fields).await?;
                self.need(&named, needed)?;
            }
            Rule::Graph => {
                let experiments = self.rights.reach(Kind::Experiment, Permission::Read);
                self.parts.extensions.insert(ExperimentReach(experiments));
                let models = self.rights.reach(Kind::RegisteredModel, Permission::Read);
                self.parts.extensions.insert(models);
            }
            Rule::Spans => {
                let target = Target::ExperimentHeader;
                let named = target::find(self.service, &target, &self.parts, &Fields::default()).await?;
                self.need(&named, Permission::Edit)?;
                // The spans may be of a trace that is in another experiment: the store knows.
                self.parts.extensions.insert(self.rights.reach(Kind::Experiment, Permission::Edit));
            }
            Rule::Search(kind) => {
                let reach = self.rights.reach(kind, Permission::Read);
                self.parts.extensions.insert(reach);
            }
            Rule::SearchIn => return self.narrow().await,
            Rule::NewExperiment => {
                if self.fields().await?.text("artifact_location")?.is_some_and(|text| !text.is_empty()) {
                    return Err(denied("a member cannot choose an experiment's artifact_location"));
                }
            }
            Rule::NewVersion => self.new_version().await?,
        }
        Ok(true)
    }

    fn need(&self, named: &[Resource], needed: Permission) -> Result<()> {
        if named.is_empty() {
            return Err(denied("this belongs to no experiment that could be shared"));
        }
        let short = named.iter().find(|(kind, id)| self.rights.on(*kind, id) < needed);
        short.map_or(Ok(()), |resource| Err(denied(&target::words(resource, needed))))
    }

    async fn new_version(&mut self) -> Result<()> {
        let fields = self.fields().await?;
        let name = fields.required("name")?.to_owned();
        self.need(&[(Kind::RegisteredModel, name)], Permission::Edit)?;
        if fields.text_or_empty("source")?.trim_start().to_ascii_lowercase().starts_with("s3:") {
            return Err(denied("a member cannot make a version from a bucket: log the model first"));
        }
        let sources = target::sources(self.service, &fields).await?;
        if sources.is_empty() { Ok(()) } else { self.need(&sources, Permission::Read) }
    }

    /// Takes the experiments out of a search that may not be read.
    async fn narrow(&mut self) -> Result<bool> {
        let asked = self.fields().await?.texts("experiment_ids")?;
        let readable = |id: &&String| {
            let (kind, id) = target::resource(Kind::Experiment, id);
            self.rights.on(kind, &id) >= Permission::Read
        };
        let kept: Vec<_> = asked.iter().filter(readable).cloned().collect();
        if kept.len() == asked.len() {
            return Ok(true);
        }
        let mut body: Value = serde_json::from_slice(self.bytes.as_deref().unwrap_or_default())
            .map_err(|_| Error::invalid("The request body must be a JSON object."))?;
        let Some(fields) = body.as_object_mut() else {
            return Err(Error::invalid("The request body must be a JSON object."));
        };
        fields.remove("experimentIds");
        fields.insert("experiment_ids".into(), json!(kept));
        self.parts.headers.remove(header::CONTENT_LENGTH);
        self.bytes = Some(Bytes::from(body.to_string()));
        Ok(!kept.is_empty())
    }
}

/// What a request does to what is granted.
#[derive(Clone, Copy)]
enum Change {
    /// The maker manages what was made.
    Made(Kind),
    /// The database has moved the grants along with the model.
    Moved,
}

impl Change {
    fn of(method: &Method, path: &str) -> Option<Self> {
        if method.is_safe() {
            return None;
        }
        let path = path.strip_suffix("/create").map_or_else(|| Err(path), Ok);
        match path {
            Ok(path) if path.ends_with("/mlflow/experiments") => Some(Self::Made(Kind::Experiment)),
            Ok(path) if path.ends_with("/mlflow/registered-models") => {
                Some(Self::Made(Kind::RegisteredModel))
            }
            Err(path) if path.ends_with("/mlflow/registered-models/delete") => Some(Self::Moved),
            Err(path) if path.ends_with("/mlflow/registered-models/rename") => Some(Self::Moved),
            _ => None,
        }
    }

    async fn follow(self, service: &Service, who: &Principal, response: Response) -> Response {
        let Self::Made(kind) = self else {
            service.forget();
            return response;
        };
        let (parts, body) = response.into_parts();
        let noted = async {
            let bytes = to_bytes(body, BODY_MAX).await.map_err(Error::internal)?;
            let answer: Value = serde_json::from_slice(&bytes).map_err(Error::internal)?;
            let made = match kind {
                Kind::Experiment => &answer["experiment_id"],
                _ => &answer["registered_model"]["name"],
            };
            let resource = made.as_str().unwrap_or_default().to_owned();
            service.grant(&who.user, Grant { kind, resource, permission: Permission::Manage }).await?;
            Ok::<_, Error>(bytes)
        };
        match noted.await {
            Ok(bytes) => Response::from_parts(parts, Body::from(bytes)),
            Err(error) => MlflowError(error).into_response(),
        }
    }
}
