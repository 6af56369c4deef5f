//! OpenTelemetry's way in: a body of protobuf or JSON, perhaps compressed, to spans. `body` undoes
//! the compression, `proto` and `json` read the two forms, `value` turns attributes into JSON.

mod body;
mod json;
pub mod proto;
pub mod value;

pub use body::inflate;

use prost::Message;
use proto::ExportRequest;

/// Why a body was not taken, in the words of MLflow's server.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused(pub String);

/// The request in a body of the given type.
pub fn read(media_type: &str, body: &[u8]) -> Result<ExportRequest, Refused> {
    let request = match media_type {
        "application/x-protobuf" => {
            ExportRequest::decode(body).map_err(|_| Refused("Invalid OpenTelemetry format".into()))?
        }
        "application/json" => json::read(body)?,
        other => return Err(wrong_type(other)),
    };
    if request.resource_spans.is_empty() {
        return Err(Refused("Invalid OpenTelemetry format - no spans found".into()));
    }
    Ok(request)
}

pub fn wrong_type(given: &str) -> Refused {
    Refused(format!("Invalid Content-Type: {given}. Expected: application/x-protobuf or application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_request_is_refused() {
        let words = |media_type, body: &[u8]| read(media_type, body).unwrap_err().0;
        assert_eq!(words("application/x-protobuf", b"not protobuf"), "Invalid OpenTelemetry format");
        assert!(words("application/x-protobuf", b"").ends_with("no spans found"));
        assert!(words("text/plain", b"").starts_with("Invalid Content-Type: text/plain."));
        assert!(words("application/json", b"\x0a\x00").starts_with("Invalid Content-Type"));
        assert_eq!(words("application/json", b"[]"), "Invalid OpenTelemetry format");
        assert!(words("application/json", b"{}").ends_with("no spans found"));
    }
}
