//! Snappy's raw format: literals, and copies of what came before.

/// The bytes as they were; none where they are not what Snappy makes, or are not `size` long.
pub fn unpack(bytes: &[u8], size: usize) -> Option<Vec<u8>> {
    let (mut at, mut told, mut shift) = (0, 0usize, 0);
    loop {
        let byte = *bytes.get(at)?;
        at += 1;
        told |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
        shift += 7;
        if shift > 28 {
            return None;
        }
    }
    if told != size {
        return None;
    }
    // Grown as there is something to put in: the size is only what the file says.
    let mut out = Vec::with_capacity(size.min(bytes.len().saturating_mul(4)));
    while at < bytes.len() {
        let tag = bytes[at];
        at += 1;
        if tag & 3 == 0 {
            let mut length = usize::from(tag >> 2);
            if length >= 60 {
                let wide = length - 59;
                length = number(bytes.get(at..at + wide)?);
                at += wide;
            }
            let end = at.checked_add(length)?.checked_add(1)?;
            out.extend_from_slice(bytes.get(at..end)?);
            at = end;
        } else {
            let (length, back, wide) = match tag & 3 {
                1 => {
                    let low = usize::from(*bytes.get(at)?);
                    (usize::from(tag >> 2 & 7) + 4, usize::from(tag >> 5) << 8 | low, 1)
                }
                2 => (usize::from(tag >> 2) + 1, number(bytes.get(at..at + 2)?), 2),
                _ => (usize::from(tag >> 2) + 1, number(bytes.get(at..at + 4)?), 4),
            };
            at += wide;
            let start = out.len().checked_sub(back).filter(|_| back > 0)?;
            // It may run into what it writes itself.
            for from in start..start + length {
                out.push(out[from]);
            }
        }
        if out.len() > size {
            return None;
        }
    }
    (out.len() == size).then_some(out)
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::unpack;

    #[test]
    fn literals_and_copies_are_unpacked_and_rubbish_is_refused() {
        // "abcd", then eight bytes from four back: the copy runs into itself.
        let packed = [12, 0b1100, b'a', b'b', b'c', b'd', 0b0001_0001, 4];
        assert_eq!(unpack(&packed, 12).as_deref(), Some(&b"abcdabcdabcd"[..]));
        assert_eq!(unpack(&packed, 11), None);
        assert_eq!(unpack(&packed[..6], 12), None);
        assert_eq!(unpack(&[4, 0b0001_0001, 9], 4), None);
        assert_eq!(unpack(&[0xff; 9], 4), None);
    }
}
