//! Artifacts past the proxy: uploads in parts, and presigned URLs. The URLs lead to the S3 service at the
//! very address the client came to, which takes signed requests too, so one open port is enough.

use super::{artifacts::joined, files};
use crate::{
    auth::{self, Editor, Principal, Role, Viewer},
    kernel::error::{Error, Result},
    objects::{Address, Link, Signer, check_life},
    tracking::{
        Service,
        service::{BUCKET, file_key, path_is_safe},
        wire::{Answer, Fields, MlflowError, failure},
    },
};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

/// S3's limit.
const PARTS_MAX: i64 = 10_000;
/// A large file takes its time.
const PART_S: u32 = 24 * 3600;
/// How long MLflow's links live unless they are asked for otherwise.
const UPLOAD_S: i64 = 900;
const DOWNLOAD_S: i64 = 300;

/// What a client looks for before it falls back to a plain stream.
const PARTS: &str = "Multipart upload is not supported for the current artifact repository";
const UPLOAD: &str = "Presigned upload is not supported for the current artifact repository";
const DOWNLOAD: &str = "Presigned download is not supported for the current artifact repository";

/// Says that the route at `path` hands out no links to this user, in the words at which the client falls back.
pub fn links_refused(path: &str) -> Response {
    let words = if path.contains("/mpu/") {
        PARTS
    } else if path.ends_with("presigned-upload-url") {
        UPLOAD
    } else {
        DOWNLOAD
    };
    Refused::NotOffered(words).into_response()
}

/// What a handler that makes links returns.
type Given = Result<Json<Value>, Refused>;

/// Why there is no link.
enum Refused {
    Error(Error),
    /// None for this user.
    NotOffered(&'static str),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Error(error) => MlflowError(error).into_response(),
            Self::NotOffered(what) => failure(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", what),
        }
    }
}

#[derive(Clone)]
pub struct Links {
    pub tracker: Service,
    pub auth: auth::Service,
    pub address: Address,
}

pub fn routes(links: Links) -> Router {
    let routes = Router::new()
        .route("/mlflow-artifacts/mpu/create/{*path}", post(begin))
        .route("/mlflow-artifacts/mpu/complete/{*path}", post(complete))
        .route("/mlflow-artifacts/mpu/abort/{*path}", post(abort))
        .route("/mlflow-artifacts/presigned/{*path}", get(download_of_path))
        .route("/mlflow/artifacts/presigned-upload-url", post(upload_of_owner))
        .route("/mlflow/artifacts/presigned-download-url", post(download_of_run))
        .with_state(links);
    Router::new().nest("/api/2.0", routes.clone()).nest("/ajax-api/2.0", routes)
}

/// Where a file of this name goes in the folder of the address: the client sends its own path of it.
fn target(folder: &str, fields: &Fields) -> Result<String> {
    let name = fields.required("path")?;
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    if name.is_empty() || name == "." {
        return Err(Error::invalid("Invalid path"));
    }
    path_is_safe(name)?;
    file_key(&format!("{}/{name}", path_is_safe(folder)?))
}

async fn begin(
    Editor(who): Editor,
    State(links): State<Links>,
    Path(folder): Path<String>,
    headers: HeaderMap,
    fields: Fields,
) -> Given {
    let key = target(&folder, &fields)?;
    let count = fields.int("num_parts")?.unwrap_or(1);
    let count = u32::try_from(count).ok().filter(|_| (1..=PARTS_MAX).contains(&count)).ok_or_else(|| {
        Error::invalid(format!("num_parts must be between 1 and {PARTS_MAX} (got {count})."))
    })?;
    let kind = files::type_for(&key, &HeaderMap::new());
    let (signer, base) = links.signer(&who, &headers, Role::Editor, PARTS).await?;
    let upload = links.tracker.artifact_upload_begin(&key, Some(kind)).await?;
    let part = |number: u32| {
        let query = [("partNumber", number.to_string()), ("uploadId", upload.clone())];
        let link =
            Link { method: "PUT", base: &base, bucket: BUCKET, key: &key, query: &query, expires_s: PART_S };
        json!({ "url": signer.sign(&link), "part_number": number, "headers": {} })
    };
    let credentials: Vec<Value> = (1..=count).map(part).collect();
    Ok(Json(json!({ "upload_id": upload, "credentials": credentials })))
}

async fn complete(
    _: Editor,
    State(links): State<Links>,
    Path(folder): Path<String>,
    fields: Fields,
) -> Answer {
    let key = target(&folder, &fields)?;
    if !fields.has("parts") {
        return Err(fields.missing("parts").into());
    }
    let part = |part: &Fields| {
        let number = part.int("part_number")?.and_then(|number| u32::try_from(number).ok());
        Ok((number.ok_or_else(|| part.missing("part_number"))?, part.required("etag")?.to_owned()))
    };
    let parts = fields.items("parts")?.iter().map(part).collect::<Result<_>>()?;
    links.tracker.artifact_upload_complete(&key, fields.required("upload_id")?, parts).await?;
    Ok(Json(json!({})))
}

async fn abort(_: Editor, State(links): State<Links>, Path(folder): Path<String>, fields: Fields) -> Answer {
    let key = target(&folder, &fields)?;
    links.tracker.artifact_upload_abort(&key, fields.required("upload_id")?).await?;
    Ok(Json(json!({})))
}

async fn download_of_path(
    Viewer(who): Viewer,
    State(links): State<Links>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Given {
    let (url, size) = links.download(&who, &headers, &path, DOWNLOAD_S).await?;
    Ok(Json(json!({ "url": url, "headers": {}, "file_size": size })))
}

async fn download_of_run(
    Viewer(who): Viewer,
    State(links): State<Links>,
    headers: HeaderMap,
    fields: Fields,
) -> Given {
    let (run_id, path) = (fields.required("run_id")?, fields.required("path")?);
    let path = path_is_safe(path)?;
    let life = life(&fields, DOWNLOAD_S)?;
    let root = links.tracker.run_info(run_id).await?.artifact_uri;
    let (url, size) = links.download(&who, &headers, &joined(&root, &path)?, life).await?;
    Ok(Json(json!({ "presigned_url": url, "headers": {}, "file_size": size })))
}

async fn upload_of_owner(
    Editor(who): Editor,
    State(links): State<Links>,
    headers: HeaderMap,
    fields: Fields,
) -> Given {
    let (run, model) = (fields.text_or_empty("run_id")?, fields.text_or_empty("model_id")?);
    if run.is_empty() == model.is_empty() {
        return Err(Error::invalid("Exactly one of run_id and model_id must be provided.").into());
    }
    let path = path_is_safe(fields.required("path")?)?;
    let life = life(&fields, UPLOAD_S)?;
    let root = match run {
        "" => links.tracker.logged_model_get(model, false).await?.info.artifact_uri,
        run => links.tracker.run_info(run).await?.artifact_uri,
    };
    let key = file_key(&joined(&root, &path)?)?;
    let (signer, base) = links.signer(&who, &headers, Role::Editor, UPLOAD).await?;
    let expires_s = check_life(life)?;
    let link = Link { method: "PUT", base: &base, bucket: BUCKET, key: &key, query: &[], expires_s };
    let kind = files::type_for(&key, &HeaderMap::new());
    Ok(Json(json!({ "presigned_url": signer.sign(&link), "headers": { "Content-Type": kind } })))
}

fn life(fields: &Fields, otherwise: i64) -> Result<i64> {
    let asked = fields.int("expiration")?.unwrap_or(otherwise);
    check_life(asked).map(i64::from).map_err(|_| {
        Error::invalid(format!("expiration must be between 1 and 604800 seconds (got {asked})."))
    })
}

impl Links {
    /// Who signs for this user, and the address links begin with. What was granted over experiments does
    /// not count at the S3 service: whose role falls short there is told that there are no links, at which
    /// a client streams instead.
    async fn signer(
        &self,
        who: &Principal,
        headers: &HeaderMap,
        needed: Role,
        what: &'static str,
    ) -> Result<(Signer, String), Refused> {
        let known = self.auth.user_find(&who.user).await?;
        if known.is_none_or(|known| known.role < needed) {
            return Err(Refused::NotOffered(what));
        }
        Ok((Signer::of(&self.auth, who).await?, (self.address)(headers)))
    }

    /// A link to a file that is there, and the file's size.
    async fn download(
        &self,
        who: &Principal,
        headers: &HeaderMap,
        path: &str,
        life: i64,
    ) -> Result<(String, u64), Refused> {
        let key = file_key(path)?;
        let size = self.tracker.artifact_head(&key).await?.size;
        let (signer, base) = self.signer(who, headers, Role::Viewer, DOWNLOAD).await?;
        // Whoever opens the link in a browser gets a file, and no page of this server's.
        let query = [("response-content-disposition", files::attachment(&key))];
        let expires_s = check_life(life)?;
        let link = Link { method: "GET", base: &base, bucket: BUCKET, key: &key, query: &query, expires_s };
        Ok((signer.sign(&link), size))
    }
}
