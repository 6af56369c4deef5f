//! Until when a caller waits: as gRPC says it in a header, and as Triton's clients say it in the request.

use crate::serving::doors::oip::messages::{Parameter, Value};
use http::HeaderMap;
use std::{collections::BTreeMap, time::Duration};

/// `grpc-timeout`: up to eight digits and a unit.
pub fn of_headers(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// The parameter `timeout`, in microseconds; 0 says nothing.
pub fn of_parameters(parameters: &BTreeMap<String, Parameter>) -> Option<Duration> {
    let micros = match parameters.get("timeout")?.value.as_ref()? {
        Value::Int(micros) => u64::try_from(*micros).ok()?,
        Value::Uint(micros) => *micros,
        Value::Text(text) => text.parse().ok()?,
        Value::Bool(_) | Value::Double(_) => return None,
    };
    (micros > 0).then(|| Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_header_is_digits_and_a_unit() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().expect("a header"));
            of_headers(&headers)
        };
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(read("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        for odd in ["", "5", "m", "-1S", "123456789S", "5s"] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}
