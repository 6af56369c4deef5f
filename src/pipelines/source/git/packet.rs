//! The packets in which Git's protocol comes: four hexadecimal digits of length, then what they announce.

use bytes::{Buf, Bytes, BytesMut};

/// The longest packet there can be.
const MAX: usize = 65_520;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// The end of a list, or of the answer.
    Flush,
    /// Between the sections of an answer.
    Delimiter,
    Data(Bytes),
}

impl Packet {
    /// A packet that is a line of text, without its end.
    pub(super) fn line(&self) -> Option<&str> {
        match self {
            Self::Data(data) => std::str::from_utf8(data).ok().map(|text| text.trim_end_matches('\n')),
            _ => None,
        }
    }
}

/// Puts packets together from the pieces in which they arrive.
#[derive(Default)]
pub(super) struct Packets {
    buffer: BytesMut,
}

impl Packets {
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The next packet, if all of it is there.
    pub(super) fn next(&mut self) -> Result<Option<Packet>, String> {
        let Some(head) = self.buffer.get(..4) else { return Ok(None) };
        // Digits only: a sign would be read as part of the number.
        let text =
            std::str::from_utf8(head).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let length = text.and_then(|text| usize::from_str_radix(text, 16).ok());
        let special = match length {
            Some(0) => Some(Packet::Flush),
            Some(1) => Some(Packet::Delimiter),
            // The end of a response, which only a connection that stays open needs.
            Some(2) => Some(Packet::Flush),
            Some(4..=MAX) => None,
            _ => return Err("the answer is not of Git's smart protocol".into()),
        };
        if let Some(packet) = special {
            self.buffer.advance(4);
            return Ok(Some(packet));
        }
        let length = length.unwrap_or_default();
        if self.buffer.len() < length {
            return Ok(None);
        }
        let mut packet = self.buffer.split_to(length).freeze();
        packet.advance(4);
        Ok(Some(Packet::Data(packet)))
    }
}

/// A line as a packet.
pub(super) fn packet(line: &str) -> String {
    format!("{:04x}{line}\n", line.len() + 5)
}

#[cfg(test)]
mod tests {
    use super::{Packet, Packets, packet};

    #[test]
    fn packets_are_put_together_from_any_pieces() {
        let wire = format!("{}0001{}0000", packet("command=ls-refs"), packet("peel"));
        for size in 1..wire.len() {
            let (mut packets, mut found) = (Packets::default(), Vec::new());
            for piece in wire.as_bytes().chunks(size) {
                packets.push(piece);
                while let Some(one) = packets.next().expect("the packets are sound") {
                    found.push(one);
                }
            }
            assert_eq!(found.len(), 4, "in pieces of {size}");
            assert_eq!(found[0].line(), Some("command=ls-refs"));
            assert_eq!(found[1], Packet::Delimiter);
            assert_eq!(found[2].line(), Some("peel"));
            assert_eq!(found[3], Packet::Flush);
        }
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        for wire in ["<!DOCTYPE html>", "0003", "fff1", "+123abc"] {
            let mut packets = Packets::default();
            packets.push(wire.as_bytes());
            assert!(packets.next().is_err(), "{wire}");
        }
    }
}
