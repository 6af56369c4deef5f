//! JSON as Python writes it: NaN and the infinities stand as bare words, which JSON does not know and MLflow's
//! server reads. They are put in quotes, as protobuf's JSON has them.

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
        inside = byte == b'"';
        out.push(byte);
        at += 1;
    }
    found.then_some(out)
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
    fn what_has_none_is_not_copied() {
        for body in [r#"{"a": "NaN"}"#, "", "{", r#""\"#, "\"open NaN"] {
            assert_eq!(text(body), None, "{body}");
        }
    }
}
