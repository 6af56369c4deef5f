//! Artifacts: objects of bucket `mlflow`. A path under `mlflow-artifacts:/` is the object's key.

use super::Service;
use crate::{
    kernel::error::{Error, Kind, Result},
    objects::{ByteStream, Completion, Condition, ListQuery, ListedPart, ObjectInfo, PutOptions},
};
use bytes::Bytes;
use futures::Stream;
use std::{borrow::Cow, io, ops::Range};

/// Where artifacts live.
pub const BUCKET: &str = "mlflow";

/// One file or folder of a listing, by its name within the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    /// `None` for a folder.
    pub size: Option<u64>,
}

impl Service {
    /// Stores a file, whole or not at all.
    pub async fn artifact_put<S>(
        &self,
        path: &str,
        body: S,
        content_type: Option<String>,
    ) -> Result<ObjectInfo>
    where
        S: Stream<Item = io::Result<Bytes>> + Send,
    {
        let key = new_file_key(path)?;
        let options = PutOptions { condition: as_tree(), ..PutOptions::of_type(content_type) };
        self.0.objects.put(BUCKET, &key, body, options).await
    }

    pub async fn artifact_head(&self, path: &str) -> Result<ObjectInfo> {
        let key = path_is_safe(path)?;
        match self.0.objects.head(BUCKET, &key).await {
            Err(error) if error.kind == Kind::NotFound => Err(self.absent(path, &key).await?),
            other => other,
        }
    }

    pub async fn artifact_get(&self, path: &str, range: Range<u64>) -> Result<ByteStream> {
        let key = path_is_safe(path)?;
        Ok(self.0.objects.get_range(BUCKET, &key, range).await?.1)
    }

    /// Says whether a path that is no file is a folder.
    async fn absent(&self, path: &str, key: &str) -> Result<Error> {
        let query = ListQuery { prefix: folder(key), limit: 1, ..ListQuery::default() };
        if self.0.objects.list(BUCKET, query).await?.objects.is_empty() {
            return Ok(Error::not_found(format!("No such artifact: '{path}'")));
        }
        Ok(Error::invalid(format!("Artifact path refers to a directory, not a file: '{path}'")))
    }

    /// What a folder holds, in order of names; a file and nothing hold nothing.
    pub async fn artifact_list(&self, path: &str) -> Result<Vec<Entry>> {
        let prefix = folder(&path_is_safe(path)?);
        let mut entries = Vec::new();
        let mut after = None;
        loop {
            let query = ListQuery { prefix: prefix.clone(), delimiter: Some("/".into()), after, limit: 1000 };
            let page = self.0.objects.list(BUCKET, query).await?;
            entries.extend(page.prefixes.iter().map(|folder| Entry {
                name: folder[prefix.len()..].trim_end_matches('/').to_owned(),
                size: None,
            }));
            entries.extend(page.objects.iter().map(|object| Entry {
                name: object.key[prefix.len()..].to_owned(),
                size: Some(object.size),
            }));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        // A key that ends in a slash stands for its folder, which lists itself under no name.
        entries.retain(|entry| !entry.name.is_empty());
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Begins an upload in parts; answers its id.
    pub async fn artifact_upload_begin(&self, path: &str, content_type: Option<String>) -> Result<String> {
        let key = file_key(path)?;
        let options = PutOptions::of_type(content_type);
        Ok(self.0.objects.upload_create(BUCKET, &key, options, None).await?.id)
    }

    /// Makes the file of the parts that are in, each with the ETag it was answered with.
    pub async fn artifact_upload_complete(
        &self,
        path: &str,
        upload: &str,
        parts: Vec<(u32, String)>,
    ) -> Result<()> {
        let key = file_key(path)?;
        let listed = |(number, etag): (u32, String)| ListedPart {
            number,
            etag: etag.trim_matches('"').to_owned(),
            checksums: Vec::new(),
        };
        let parts = parts.into_iter().map(listed).collect();
        let completion = Completion { parts, condition: as_tree(), ..Completion::default() };
        self.0.objects.upload_complete(BUCKET, &key, upload, completion).await?;
        Ok(())
    }

    pub async fn artifact_upload_abort(&self, path: &str, upload: &str) -> Result<()> {
        self.0.objects.upload_abort(BUCKET, &file_key(path)?, upload).await
    }

    /// Deletes a file, or a folder with all that is in it.
    pub async fn artifact_delete(&self, path: &str) -> Result<()> {
        let key = file_key(path)?;
        self.0.objects.delete(BUCKET, &key).await?;
        self.0.objects.delete_prefix(BUCKET, &folder(&key)).await?;
        Ok(())
    }
}

/// The key of what is no mere root.
pub fn file_key(path: &str) -> Result<String> {
    let key = path_is_safe(path)?;
    if key.is_empty() { Err(invalid_path()) } else { Ok(key) }
}

/// The key of a file to be written, whose path must say it as it will be listed.
fn new_file_key(path: &str) -> Result<String> {
    let key = file_key(path)?;
    if path.ends_with('/') {
        return Err(Error::invalid("Artifact path must include a filename (cannot end with '/')."));
    }
    if key != path {
        return Err(Error::invalid(format!(
            "Invalid artifact path: '{path}'. Names may be treated as files in certain cases, and must not \
             resolve to other names when treated as such. This name would resolve to '{key}'"
        )));
    }
    Ok(key)
}

fn as_tree() -> Condition {
    Condition { as_tree: true, ..Condition::default() }
}

fn folder(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("{key}/") }
}

fn invalid_path() -> Error {
    Error::invalid("Invalid path")
}

/// The key a path stands for: no empty or `.` parts. A path that points above its root, is absolute,
/// or would do so once decoded again, is refused in MLflow's words.
pub fn path_is_safe(path: &str) -> Result<String> {
    let decoded = fully_decoded(path);
    let bytes = decoded.as_bytes();
    let drive = bytes.len() > 2
        && bytes[0].is_ascii_alphabetic()
        && bytes[1] == b':'
        && matches!(bytes[2], b'/' | b'\\');
    if decoded.contains(['#', '\0'])
        || decoded.starts_with(['/', '\\'])
        || drive
        || decoded.starts_with("file:")
        || decoded.split(['/', '\\']).any(|part| part == "..")
    {
        return Err(invalid_path());
    }
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    Ok(parts.join("/"))
}

/// Percent-decodes until nothing changes, a few times at most: whoever nests deeper is refused by
/// what is left.
fn fully_decoded(path: &str) -> Cow<'_, str> {
    let mut decoded = Cow::Borrowed(path);
    for _ in 0..8 {
        let next = percent_encoding::percent_decode_str(&decoded).decode_utf8_lossy().into_owned();
        if next == *decoded {
            break;
        }
        decoded = Cow::Owned(next);
    }
    decoded
}

/// The folder in bucket `mlflow` that an artifact URI of ours names. Artifacts kept elsewhere are
/// reached by the client directly, never through this server.
pub fn prefix_of(uri: &str) -> Result<String> {
    let elsewhere = || {
        Error::invalid(format!(
            "The artifacts at '{uri}' are not kept by this server: read them with the client of their store."
        ))
    };
    let rest = uri.strip_prefix("mlflow-artifacts:").ok_or_else(elsewhere)?;
    // `mlflow-artifacts://host:port/path` names a server as well; the path is what counts.
    let path = match rest.strip_prefix("//") {
        Some(rest) => rest.split_once('/').map_or("", |(_, path)| path),
        None => rest,
    };
    path_is_safe(path.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_above_its_root() {
        for bad in [
            "..",
            "../a",
            "a/../b",
            "a/..",
            "/a",
            "//a",
            "%2e%2e/a",
            "%252e%252e/a",
            "..%2fa",
            "a\\..\\b",
            "C:/x",
            "C:\\x",
            "a#b",
            "file:///etc",
            "\\\\host\\x",
            "%2Fetc",
        ] {
            assert_eq!(path_is_safe(bad).unwrap_err().message, "Invalid path", "{bad}");
        }
        for (path, key) in
            [("a/b", "a/b"), ("./a//b/", "a/b"), ("", ""), ("a..b/c", "a..b/c"), ("é ü", "é ü")]
        {
            assert_eq!(path_is_safe(path).unwrap(), key);
        }
    }

    #[test]
    fn uris_map_to_keys() {
        assert_eq!(prefix_of("mlflow-artifacts:/0/r/artifacts").unwrap(), "0/r/artifacts");
        assert_eq!(prefix_of("mlflow-artifacts://host:5000/0/r").unwrap(), "0/r");
        assert!(prefix_of("s3://bucket/x").is_err());
        assert!(prefix_of("mlflow-artifacts:/../x").is_err());
    }
}
