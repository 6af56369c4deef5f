//! One line of a `COPY` block: values between tabs, with escapes.

/// The values of a line without its end; `\N` alone is NULL.
pub fn values(line: &str) -> Vec<Option<String>> {
    line.split('\t').map(|value| (value != "\\N").then(|| unescaped(value))).collect()
}

fn unescaped(value: &str) -> String {
    if !value.contains('\\') {
        return value.to_owned();
    }
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let [letter, after @ ..] = rest else { break };
        rest = after;
        out.push(match letter {
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 11,
            b'f' => 12,
            b'r' => b'\r',
            b'0'..=b'7' => number(u32::from(letter - b'0'), &mut rest, 2, 8),
            b'x' if rest.first().is_some_and(u8::is_ascii_hexdigit) => number(0, &mut rest, 2, 16),
            other => *other,
        });
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A byte by its number: up to so many more digits.
fn number(mut value: u32, rest: &mut &[u8], digits: usize, base: u32) -> u8 {
    for _ in 0..digits {
        let [first, after @ ..] = *rest else { break };
        let Some(digit) = char::from(*first).to_digit(base) else { break };
        (value, *rest) = (value * base + digit, after);
    }
    // As in PostgreSQL, the low byte of what is too large.
    value.to_le_bytes()[0]
}
