//! JSON as Python reads it: NaN and the infinities may stand as bare words, which JSON does not know, and a
//! number too large for a double is infinite. Both are put in quotes, as protobuf's JSON has the former.

const WORDS: [&[u8]; 3] = [b"NaN", b"-Infinity", b"Infinity"];

/// The same JSON with its bare words in quotes; `None` where there is none.
pub fn quoted(body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(body.len() + 16);
    let (mut at, mut inside, mut found) = (0, false, false);
    while let Some(&byte) = body.get(at) {
        if inside {
            // What is escaped is copied with its backslash, so that no quote ends the text too early.
            let step = if byte == b'\\' { 2 } else { 1 };
            inside = byte != b'"';
            out.extend(body.iter().skip(at).take(step));
            at += step;
            continue;
        }
        if let Some(word) = WORDS.iter().find(|word| body[at..].starts_with(word)) {
            out.push(b'"');
            out.extend_from_slice(word);
            out.push(b'"');
            at += word.len();
            found = true;
            continue;
        }
        if byte == b'-' || byte.is_ascii_digit() {
            let number = number(&body[at..]);
            let infinite = str::from_utf8(number).ok().and_then(|text| text.parse::<f64>().ok());
            let quote = infinite.is_some_and(f64::is_infinite);
            out.extend(quote.then_some(b'"'));
            out.extend_from_slice(number);
            out.extend(quote.then_some(b'"'));
            at += number.len();
            found |= quote;
            continue;
        }
        inside = byte == b'"';
        out.push(byte);
        at += 1;
    }
    found.then_some(out)
}

/// The characters that a number may have, from the front of `body`: the first is one.
fn number(body: &[u8]) -> &[u8] {
    let part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    let length = body.iter().position(|byte| !part(byte)).unwrap_or(body.len());
    &body[..length]
}

#[cfg(test)]
mod tests {
    use super::quoted;

    fn text(body: &str) -> Option<String> {
        quoted(body.as_bytes()).map(|out| String::from_utf8(out).unwrap())
    }

    #[test]
    fn bare_words_are_quoted_and_texts_left_alone() {
        let read = text(r#"{"a": NaN, "b": [-Infinity,Infinity], "NaN": "Infinity \" NaN \\"}"#).unwrap();
        assert_eq!(read, r#"{"a": "NaN", "b": ["-Infinity","Infinity"], "NaN": "Infinity \" NaN \\"}"#);
    }

    #[test]
    fn numbers_too_large_are_quoted_and_others_left_alone() {
        let read = text(r#"{"a": 1e400, "b": [-1E+999,1e308, -2.5], "c": "1e400", "d": NaN}"#).unwrap();
        assert_eq!(read, r#"{"a": "1e400", "b": ["-1E+999",1e308, -2.5], "c": "1e400", "d": "NaN"}"#);
        for body in ["1e-400", "-", "1e", "1.2.3e999", "{\"a\": 12}"] {
            assert_eq!(text(body), None, "{body}");
        }
    }

    #[test]
    fn what_has_none_is_not_copied() {
        for body in [r#"{"a": "NaN"}"#, "", "{", r#""\"#, "\"open NaN"] {
            assert_eq!(text(body), None, "{body}");
        }
    }
}
