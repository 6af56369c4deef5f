//! How much a message would take in memory, told from its bytes before it is read: two bytes on the wire
//! can be a hundred in memory, and a message may hold millions of them.

use crate::kernel::error::{Error, Kind, Result};
use prost::encoding::{WireType, decode_key, decode_varint};

/// Fields of all depths in one inference request. A tensor's packed or raw values are one field.
const MOST_FIELDS: usize = 1 << 18;

/// The fields of a request that hold messages, and of those messages again: parameters, inputs, outputs.
const REQUEST: [u32; 3] = [4, 5, 6];
const INSIDE: [u32; 3] = [2, 4, 5];

pub fn check(message: &[u8]) -> Result<()> {
    let mut left = MOST_FIELDS;
    count(message, &REQUEST, 2, &mut left)
}

fn count(mut message: &[u8], descend: &[u32], depth: u8, left: &mut usize) -> Result<()> {
    while !message.is_empty() {
        *left = left.checked_sub(1).ok_or_else(too_many)?;
        let (tag, wire) = decode_key(&mut message).map_err(|_| malformed())?;
        let size = match wire {
            WireType::Varint => {
                decode_varint(&mut message).map_err(|_| malformed())?;
                0
            }
            WireType::SixtyFourBit => 8,
            WireType::ThirtyTwoBit => 4,
            WireType::LengthDelimited => decode_varint(&mut message).map_err(|_| malformed())?,
            WireType::StartGroup | WireType::EndGroup => return Err(malformed()),
        };
        let size = usize::try_from(size).map_err(|_| malformed())?;
        let (field, rest) = message.split_at_checked(size).ok_or_else(malformed)?;
        if depth > 0 && wire == WireType::LengthDelimited && descend.contains(&tag) {
            // A field that only looks like a message is not one, and not counted further.
            match count(field, &INSIDE, depth - 1, left) {
                Err(error) if error.kind == Kind::TooLarge => return Err(error),
                _ => {}
            }
        }
        message = rest;
    }
    Ok(())
}

pub fn malformed() -> Error {
    Error::invalid("The message is not the one this method takes: its bytes do not read as its fields.")
}

fn too_many() -> Error {
    Error::new(
        Kind::TooLarge,
        format!("The message has more than {MOST_FIELDS} fields. Send many texts as raw_input_contents."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serving::doors::oip::messages::{Contents, Input, Request};
    use bytes::Bytes;
    use prost::Message;

    fn texts(count: usize) -> Vec<u8> {
        let contents = Contents { bytes: vec![Bytes::new(); count], ..Contents::default() };
        let input = Input { name: "x".into(), contents: Some(contents), ..Input::default() };
        Request { inputs: vec![input], ..Request::default() }.encode_to_vec()
    }

    #[test]
    fn small_fields_by_the_million_are_refused_wherever_they_are() {
        check(&texts(1000)).expect("a thousand texts");
        assert_eq!(check(&texts(MOST_FIELDS)).expect_err("too many texts").kind, Kind::TooLarge);
        let inputs = Request { inputs: vec![Input::default(); MOST_FIELDS + 1], ..Request::default() };
        assert_eq!(check(&inputs.encode_to_vec()).expect_err("too many inputs").kind, Kind::TooLarge);
    }

    #[test]
    fn a_large_tensor_is_one_field() {
        let contents = Contents { fp32s: vec![1.0; 1 << 20], ..Contents::default() };
        let input = Input { contents: Some(contents), ..Input::default() };
        let request = Request {
            inputs: vec![input],
            raw_input_contents: vec![vec![0; 1 << 20].into()],
            ..Request::default()
        };
        check(&request.encode_to_vec()).expect("four fields");
    }

    #[test]
    fn cut_messages_are_malformed() {
        let whole = texts(10);
        for length in 1..whole.len() {
            let outcome = check(&whole[..length])
                .and_then(|()| Request::decode(&whole[..length]).map_err(|_| malformed()));
            assert_eq!(outcome.expect_err("a cut message").kind, Kind::Invalid, "{length} bytes");
        }
    }
}
