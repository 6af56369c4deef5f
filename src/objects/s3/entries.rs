//! The objects of a listing as XML, written here: a page holds a thousand of them, and to build s3s's types
//! and let it write an event for each tag cost four times what reading the rows does.

use super::{super::model::Listed, convert};
use axum::body::Body;
use bytes::Bytes;
use chrono::{DateTime, Datelike, Timelike};
use http::Response;
use http_body_util::BodyExt;
use std::io::Write;

/// About what an entry takes, to make room once.
const ENTRY: usize = 256;
/// Room for more is made when it is needed: most listings are short.
const MANY: usize = 64;

/// Finished entries: an operation gives them to its answer, and `splice` puts them into the document.
#[derive(Clone)]
pub struct Entries(Bytes);

/// Writes entries one behind the other.
pub struct Writer {
    xml: Vec<u8>,
    count: usize,
    url: bool,
    with_owner: bool,
}

impl Writer {
    pub fn new(limit: usize, url: bool, with_owner: bool) -> Self {
        Self { xml: Vec::with_capacity(limit.min(MANY) * ENTRY), count: 0, url, with_owner }
    }

    pub fn count(&self) -> usize {
        self.count
    }

    pub fn finish(self) -> Entries {
        Entries(self.xml.into())
    }

    pub fn add(&mut self, listed: Listed<'_>) {
        self.count += 1;
        self.raw("<Contents><Key>");
        self.key(listed.key);
        self.raw("</Key><LastModified>");
        time(&mut self.xml, listed.modified_ms);
        self.raw("</LastModified><ETag>&quot;");
        self.text(listed.etag);
        self.raw("&quot;</ETag><Size>");
        number(&mut self.xml, listed.size);
        self.raw("</Size><StorageClass>");
        self.text(listed.class.unwrap_or(convert::STANDARD));
        self.raw("</StorageClass>");
        if self.with_owner {
            self.raw("<Owner><DisplayName>");
            self.text(listed.owner);
            self.raw("</DisplayName><ID>");
            self.text(listed.owner);
            self.raw("</ID></Owner>");
        }
        self.raw("</Contents>");
    }

    fn raw(&mut self, text: &str) {
        self.xml.extend_from_slice(text.as_bytes());
    }

    fn key(&mut self, key: &str) {
        match self.url {
            true => convert::encoded(key).for_each(|part| self.raw(part)),
            false => self.text(key),
        }
    }

    fn text(&mut self, text: &str) {
        if !text.bytes().any(|byte| replacement(byte).is_some()) {
            return self.raw(text);
        }
        for byte in text.bytes() {
            match replacement(byte) {
                Some(entity) => self.raw(entity),
                None => self.xml.push(byte),
            }
        }
    }
}

fn replacement(byte: u8) -> Option<&'static str> {
    match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'"' => Some("&quot;"),
        // A reader would take it for the end of a line, and make another character of it.
        b'\r' => Some("&#13;"),
        _ => None,
    }
}

fn number(xml: &mut Vec<u8>, number: u64) {
    // Writing to memory does not fail.
    let _ = write!(xml, "{number}");
}

/// `2026-01-31T09:15:00.000Z`.
fn time(xml: &mut Vec<u8>, ms: i64) {
    let at = DateTime::from_timestamp_millis(ms).unwrap_or_default().naive_utc();
    let (century, year) = (at.year() / 100, at.year() % 100);
    digits(xml, century as u32);
    digits(xml, year as u32);
    for (mark, part) in
        [(b'-', at.month()), (b'-', at.day()), (b'T', at.hour()), (b':', at.minute()), (b':', at.second())]
    {
        xml.push(mark);
        digits(xml, part);
    }
    let millis = at.nanosecond() / 1_000_000 % 1000;
    xml.extend_from_slice(&[b'.', b'0' + (millis / 100) as u8]);
    digits(xml, millis % 100);
    xml.push(b'Z');
}

/// Two of them.
fn digits(xml: &mut Vec<u8>, number: u32) {
    xml.extend_from_slice(&[b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8]);
}

/// Puts the entries an answer carries at the end of its document.
pub async fn splice(mut response: Response<Body>) -> Response<Body> {
    let Some(Entries(entries)) = response.extensions_mut().remove::<Entries>() else { return response };
    let (parts, body) = response.into_parts();
    // The document is in memory already: nothing can go wrong.
    let document = body.collect().await.map(|all| all.to_bytes()).unwrap_or_default();
    let end = document.windows(2).rposition(|two| two == b"</").unwrap_or(document.len());
    let (head, tail) = document.split_at(end);
    Response::from_parts(parts, Body::from([head, &entries, tail].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::clock::rfc3339;

    fn written(url: bool, with_owner: bool, listed: Listed<'_>) -> String {
        let mut writer = Writer::new(1, url, with_owner);
        writer.add(listed);
        assert_eq!(writer.count(), 1);
        String::from_utf8(writer.finish().0.to_vec()).unwrap()
    }

    #[test]
    fn an_entry_is_what_s3_writes() {
        let listed = Listed {
            key: "a & b/\u{e9}\r<c>",
            size: 5 << 40,
            etag: "d41d8cd98f00b204e9800998ecf8427e-2",
            modified_ms: 1_785_000_000_007,
            owner: "ann\"",
            class: Some("FROZEN"),
        };
        let rest = "<LastModified>2026-07-25T17:20:00.007Z</LastModified>\
                    <ETag>&quot;d41d8cd98f00b204e9800998ecf8427e-2&quot;</ETag><Size>5497558138880</Size>";
        assert_eq!(
            written(false, true, listed),
            format!(
                "<Contents><Key>a &amp; b/\u{e9}&#13;&lt;c&gt;</Key>{rest}<StorageClass>FROZEN</StorageClass>\
                 <Owner><DisplayName>ann&quot;</DisplayName><ID>ann&quot;</ID></Owner></Contents>"
            )
        );
        assert_eq!(
            written(true, false, Listed { class: None, ..listed }),
            format!(
                "<Contents><Key>a%20%26%20b/%C3%A9%0D%3Cc%3E</Key>{rest}<StorageClass>STANDARD</StorageClass></Contents>"
            )
        );
    }

    #[test]
    fn times_are_written_as_elsewhere() {
        for ms in [0, 999, 951_782_399_999, 1_709_210_096_010, 1_798_761_599_999, 253_402_300_799_999] {
            let mut xml = Vec::new();
            time(&mut xml, ms);
            assert_eq!(String::from_utf8(xml).unwrap(), rfc3339(ms));
        }
    }

    #[tokio::test]
    async fn entries_stand_at_the_end_of_their_document() {
        let mut response = Response::new(Body::from("<?xml?><R a=\"b\"><Name>n</Name></R>"));
        response.extensions_mut().insert(Entries(Bytes::from_static(b"<Contents/>")));
        let body = splice(response).await.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(&body[..], b"<?xml?><R a=\"b\"><Name>n</Name><Contents/></R>");
    }
}
