//! The fields of an upload form before its file.

use super::super::refuse;
use http::{HeaderMap, HeaderName, HeaderValue};
use multer::{Field, Multipart};
use s3s::{S3Error, S3ErrorCode, S3Result};

/// Bytes all fields before the file may have together.
const FIELDS_MAX: usize = 20 * 1024;
/// Fields that become headers of the object under their own names.
const HEADERS: &[&str] = &[
    "cache-control",
    "content-type",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
];

#[derive(Debug, Default)]
pub struct Fields(Vec<(String, String)>);

/// The one field that is not kept in memory.
pub struct File {
    pub field: Field<'static>,
    /// Its name on the client's disk, without the folders.
    pub name: String,
}

impl Fields {
    /// Reads up to the file. Whatever comes behind it does not count.
    pub async fn read(form: &mut Multipart<'static>) -> S3Result<(Self, File)> {
        let (mut fields, mut size) = (Self::default(), 0);
        while let Some(mut field) = form.next_field().await.map_err(|error| malformed(&error))? {
            let name = field.name().unwrap_or_default().to_ascii_lowercase();
            if name == "file" {
                let name = base_name(field.file_name().unwrap_or_default()).to_owned();
                return Ok((fields, File { field, name }));
            }
            let mut value = Vec::new();
            size += name.len();
            while let Some(chunk) = field.chunk().await.map_err(|error| malformed(&error))? {
                size += chunk.len();
                if size > FIELDS_MAX {
                    return Err(refuse(
                        S3ErrorCode::MaxPostPreDataLengthExceededError,
                        "Your POST request fields preceeding the upload file was too large.",
                    ));
                }
                value.extend_from_slice(&chunk);
            }
            let value = String::from_utf8(value)
                .map_err(|_| argument(format!("The field {name:?} is not valid UTF-8.")))?;
            fields.push(name, value)?;
        }
        Err(argument("POST requires exactly one file upload per request."))
    }

    /// A second field of one name would be one that the policy was not asked about.
    fn push(&mut self, name: String, value: String) -> S3Result<()> {
        if self.get(&name).is_some() {
            return Err(argument(format!("The form has more than one field {name:?}.")));
        }
        self.0.push((name, value));
        Ok(())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn set(&mut self, name: &str, value: String) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value));
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Puts the file's name where the form asks for it.
    pub fn fill_in(&mut self, file_name: &str) {
        for (_, value) in &mut self.0 {
            if value.contains("${filename}") {
                *value = value.replace("${filename}", file_name);
            }
        }
    }

    /// The fields as the headers of the PUT that would do the same.
    pub fn headers(&self) -> S3Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        for (name, value) in self.iter() {
            let header = match name {
                "acl" => "x-amz-acl",
                "x-amz-algorithm" | "x-amz-credential" | "x-amz-date" | "x-amz-signature" => continue,
                _ if name.starts_with("x-amz-") || HEADERS.contains(&name) => name,
                _ => continue,
            };
            let bad = || argument(format!("The field {name:?} cannot be a header."));
            let header = HeaderName::try_from(header).map_err(|_| bad())?;
            headers.insert(header, HeaderValue::from_str(value).map_err(|_| bad())?);
        }
        Ok(headers)
    }
}

/// Some browsers send the whole path.
fn base_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

pub fn argument(message: impl Into<std::borrow::Cow<'static, str>>) -> S3Error {
    refuse(S3ErrorCode::InvalidArgument, message)
}

fn malformed(error: &multer::Error) -> S3Error {
    tracing::debug!(%error, "an upload form could not be read");
    refuse(
        S3ErrorCode::MalformedPOSTRequest,
        "The body of your POST request is not well-formed multipart/form-data.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::convert::Infallible;

    async fn read(parts: &[(&str, &str)]) -> S3Result<(Fields, Vec<u8>, String)> {
        let mut text = String::new();
        for (disposition, value) in parts {
            text += &format!("--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{value}\r\n");
        }
        text += "--b--\r\n";
        let pieces: Vec<Result<Bytes, Infallible>> =
            text.as_bytes().chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let mut form = Multipart::new(futures::stream::iter(pieces), "b");
        let (fields, mut file) = Fields::read(&mut form).await?;
        let mut body = Vec::new();
        while let Some(chunk) = file.field.chunk().await.unwrap() {
            body.extend_from_slice(&chunk);
        }
        Ok((fields, body, file.name))
    }

    fn code<T>(outcome: S3Result<T>) -> Option<String> {
        outcome.err().map(|error| error.code().as_str().to_owned())
    }

    #[tokio::test]
    async fn fields_come_before_the_file_and_name_it() {
        let parts = [
            ("name=\"kEy\"; filename=\"kEy\"", "in/${filename}"),
            ("name=\"aCl\"", "private"),
            ("name=\"x-amz-meta-a\"", "ä"),
            ("name=\"file\"; filename=\"C:\\docs\\a.txt\"", "\r\n--not the end"),
            ("name=\"late\"", "ignored"),
        ];
        let (mut fields, body, name) = read(&parts).await.unwrap();
        fields.fill_in(&name);
        assert_eq!((body.as_slice(), fields.get("key")), (b"\r\n--not the end".as_slice(), Some("in/a.txt")));
        assert_eq!(fields.get("late"), None);
        let headers = fields.headers().unwrap();
        assert_eq!(headers.get("x-amz-acl").map(HeaderValue::as_bytes), Some(b"private".as_slice()));
        assert_eq!(headers.get("x-amz-meta-a").map(HeaderValue::as_bytes), Some("ä".as_bytes()));
        assert_eq!(headers.len(), 2);
    }

    #[tokio::test]
    async fn a_form_without_a_file_or_with_too_much_before_it_is_refused() {
        assert_eq!(code(read(&[("name=\"key\"", "k")]).await).as_deref(), Some("InvalidArgument"));
        let twice = [("name=\"key\"", "a"), ("name=\"Key\"", "b"), ("name=\"file\"", "")];
        assert_eq!(code(read(&twice).await).as_deref(), Some("InvalidArgument"));
        let much = "x".repeat(FIELDS_MAX + 1);
        let refused = code(read(&[("name=\"a\"", &much), ("name=\"file\"", "")]).await);
        assert_eq!(refused.as_deref(), Some("MaxPostPreDataLengthExceededError"));
        let line = fields_with("x-amz-meta-a", "b\nc").headers();
        assert_eq!(code(line).as_deref(), Some("InvalidArgument"));
    }

    fn fields_with(name: &str, value: &str) -> Fields {
        Fields(vec![(name.to_owned(), value.to_owned())])
    }
}
