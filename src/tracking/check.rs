//! MLflow's limits and its words for what breaks them. Lengths are counted in characters.

use super::{fields::invalid_value, model::Pair};
use crate::kernel::error::{Error, Result};
use std::borrow::Cow;

pub const KEY_MAX: usize = 250;
pub const PARAM_VALUE_MAX: usize = 6000;
pub const TAG_VALUE_MAX: usize = 8000;
pub const EXPERIMENT_NAME_MAX: usize = 500;
pub const EXPERIMENT_TAG_VALUE_MAX: usize = 20_000;
pub const ARTIFACT_LOCATION_MAX: usize = 2048;
pub const BATCH_PAIRS_MAX: usize = 100;
pub const BATCH_MAX: usize = 1000;

/// Refuses text longer than `limit` characters.
pub fn length(what: &str, limit: usize, text: &str) -> Result<()> {
    if text.len() > limit && text.chars().count() > limit {
        return Err(Error::invalid(format!("'{what}' exceeds the maximum length of {limit} characters")));
    }
    Ok(())
}

/// Cuts text at `limit` characters: what MLflow's server does, unless told otherwise, with values of
/// params and run tags that are too long.
pub fn cut(limit: usize, text: &mut String) {
    if text.len() > limit
        && let Some((end, _)) = text.char_indices().nth(limit)
    {
        text.truncate(end);
    }
}

/// Checks the name of a metric, param or tag.
pub fn name(path: &str, name: &str) -> Result<()> {
    let known = |c: char| c.is_alphanumeric() || matches!(c, '/' | '_' | '.' | '-' | ' ' | ':');
    if !name.chars().all(known) {
        return Err(invalid_value(
            path,
            &name.into(),
            "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), \
             colon(:) and slashes (/).",
        ));
    }
    let normal = normalized(name);
    if normal != name || normal == "." || normal.starts_with("..") || normal.starts_with('/') {
        return Err(invalid_value(
            path,
            &name.into(),
            &format!(
                "Names may be treated as files in certain cases, and must not resolve to other names when \
                 treated as such. This name would resolve to '{normal}'"
            ),
        ));
    }
    Ok(())
}

/// What a POSIX path comes to once `.`, `..` and doubled slashes are worked out.
fn normalized(path: &str) -> Cow<'_, str> {
    if !path.is_empty() && !path.contains('/') {
        return Cow::Borrowed(path);
    }
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let root = match (rooted, path.starts_with("//") && !path.starts_with("///")) {
        (false, _) => "",
        (true, false) => "/",
        // POSIX leaves exactly two leading slashes alone.
        (true, true) => "//",
    };
    let joined = format!("{root}{}", parts.join("/"));
    if joined.is_empty() { Cow::Borrowed(".") } else { Cow::Owned(joined) }
}

pub fn param(param: &mut Pair, path: &str) -> Result<()> {
    name(path, &param.key)?;
    length("Param key", KEY_MAX, &param.key)?;
    cut(PARAM_VALUE_MAX, &mut param.value);
    Ok(())
}

pub fn run_tag(tag: &mut Pair, path: &str) -> Result<()> {
    name(path, &tag.key)?;
    length(path, KEY_MAX, &tag.key)?;
    cut(TAG_VALUE_MAX, &mut tag.value);
    Ok(())
}

pub fn experiment_tag(tag: &Pair) -> Result<()> {
    name("key", &tag.key)?;
    length("key", KEY_MAX, &tag.key)?;
    length("value", EXPERIMENT_TAG_VALUE_MAX, &tag.value)
}

pub fn experiment_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid("Invalid experiment name: ''"));
    }
    length("name", EXPERIMENT_NAME_MAX, name)
}

/// An experiment's id: an integer here, text on the wire.
pub fn experiment_id(id: &str) -> Result<i64> {
    id.trim().parse().map_err(|_| {
        Error::invalid(format!("Invalid experiment ID '{id}'. Experiment ID must be a valid integer."))
    })
}

pub fn run_id(id: &str) -> Result<()> {
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let begins = id.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    if begins && id.chars().count() <= 256 && id.chars().all(word) {
        return Ok(());
    }
    Err(Error::invalid(format!("Invalid value {} for parameter 'run_id' supplied.", serde_json::json!(id))))
}

/// Where an experiment's artifacts go: a URI that neither escapes its root nor points at a run.
pub fn artifact_location(location: &str) -> Result<()> {
    if location.starts_with("runs:") {
        return Err(Error::invalid(format!("Artifact location cannot be a runs:/ URI. Given: '{location}'")));
    }
    if location.contains('#') || location.contains(';') {
        return Err(Error::invalid("'artifact_location' URL can't include fragments or params."));
    }
    if location.contains("..") {
        return Err(Error::invalid(format!("Invalid artifact location: '{location}'")));
    }
    own_host("artifact_location", location)?;
    length("artifact_location", ARTIFACT_LOCATION_MAX, location)
}

/// Refuses a URI whose scheme makes whoever reads it connect to the host that it names.
pub fn own_host(field: &str, uri: &str) -> Result<()> {
    const HOSTED: [&str; 9] = ["ftp", "sftp", "hdfs", "viewfs", "http", "https", "r2", "b2", "abfss"];
    let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
    // `mlflow-artifacts:/path` is this server's; `mlflow-artifacts://host/path` is said of any.
    let named = scheme == "mlflow-artifacts"
        && uri[scheme.len() + 1..]
            .strip_prefix("//")
            .is_some_and(|rest| !rest.starts_with('/') && !rest.is_empty());
    if !named && !HOSTED.contains(&scheme.as_str()) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "'{field}' cannot use the '{scheme}' scheme: the '{scheme}' scheme addresses a host other than the \
         tracking server's configured artifact storage, so the server would connect to the host named in the URI."
    )))
}

pub fn logged_model_name(name: &str) -> Result<()> {
    if name.is_empty() || name.contains(['/', ':', '.', '%', '"', '\'']) {
        return Err(Error::invalid(format!(
            "Invalid model name ('{name}') provided. Model name must be a non-empty string and cannot \
             contain the following characters: ('/', ':', '.', '%', '\"', \"'\")"
        )));
    }
    length("name", EXPERIMENT_NAME_MAX, name)
}

/// Refuses a batch with more than `limit` of one kind.
pub fn batch(what: &str, limit: usize, count: usize) -> Result<()> {
    if count > limit {
        return Err(Error::invalid(format!(
            "A batch logging request can contain at most {limit} {what}. Got {count} {what}. \
             Please split up {what} across multiple requests and try again."
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_paths_elsewhere_are_refused() {
        for good in ["a", "a/b", "a.b-c_d e:f", "été", "a..b"] {
            assert!(name("key", good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "../a", "/a", "a//b", "a/", "a/../b", "a\nb", "a*b", "a%b"] {
            assert!(name("key", bad).is_err(), "{bad}");
        }
        let message = name("metrics[3].name", "a/../b").unwrap_err().message;
        assert!(
            message.starts_with("Invalid value \"a/../b\" for parameter 'metrics[3].name' supplied:"),
            "{message}"
        );
        assert!(message.ends_with("would resolve to 'b'"), "{message}");
    }

    #[test]
    fn no_location_names_a_host() {
        for bad in
            ["http://h", "HTTPS://h/x", "mlflow-artifacts://h", "mlflow-artifacts://h:5000/x", "hdfs:/x"]
        {
            assert!(artifact_location(bad).unwrap_err().message.contains("cannot use the"), "{bad}");
        }
        for good in ["mlflow-artifacts:/x", "mlflow-artifacts:///x", "s3://b/x", "gs://b", "/srv/x", "x"] {
            assert!(artifact_location(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn lengths_count_characters() {
        let text = "é".repeat(250);
        assert!(length("key", 250, &text).is_ok());
        assert!(length("key", 249, &text).is_err());
        let mut cut_text = text;
        cut(10, &mut cut_text);
        assert_eq!(cut_text.chars().count(), 10);
    }
}
