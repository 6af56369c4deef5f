//! A repository behind http(s): which commit a name stands for, and the files of that commit in one pack. It
//! speaks Git's smart protocol, version 2 and, where the server knows no better, the first one.

use super::packet::{Packet, Packets, packet};
use crate::kernel::web::{Coming, Question, Web};
use fs_err::tokio::File;
use gix_hash::ObjectId;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use std::{path::Path, time::Duration};
use tokio::io::AsyncWriteExt;

/// Bytes of a list of refs.
const LIST_MAX: usize = 16 << 20;
/// Bytes of a pack.
const PACK_MAX: u64 = 1 << 30;
const ASK: Duration = Duration::from_secs(30);
const FETCH: Duration = Duration::from_secs(15 * 60);
const AGENT: &str = concat!("agent=crannog/", env!("CARGO_PKG_VERSION"));

pub(super) struct Remote<'a> {
    pub web: &'a Web,
    pub url: &'a str,
    /// What goes into `Authorization`.
    pub authorization: Option<HeaderValue>,
}

/// What a server says first.
#[derive(Default)]
struct Greeting {
    second_version: bool,
    /// Lines in version 2, words in the first.
    abilities: Vec<String>,
    /// Told unasked in the first version: name and id.
    refs: Vec<(String, String)>,
}

impl Greeting {
    fn can(&self, ability: &str) -> bool {
        match self.second_version {
            true => self.abilities.iter().any(|line| {
                line.strip_prefix("fetch=").is_some_and(|words| words.split(' ').any(|word| word == ability))
            }),
            false => self.abilities.iter().any(|word| word == ability),
        }
    }

    fn check(&self) -> Result<(), String> {
        let format = self.abilities.iter().find_map(|line| line.strip_prefix("object-format="));
        match format {
            Some(format) if format != "sha1" => {
                Err(format!("the repository names its objects by {format}; only SHA-1 can be read"))
            }
            _ => Ok(()),
        }
    }
}

impl Remote<'_> {
    /// The object that the first of some names stands for there; tags are peeled.
    pub(super) async fn tip(&self, names: &[String]) -> Result<Option<ObjectId>, String> {
        let greeting = self.greet().await?;
        let refs = match greeting.second_version {
            true => self.list(names).await?,
            false => greeting.refs,
        };
        let find = |name: &str| refs.iter().find(|(one, _)| one == name).map(|(_, id)| id);
        let id = names.iter().find_map(|name| find(&format!("{name}^{{}}")).or_else(|| find(name)));
        id.map(|id| ObjectId::from_hex(id.as_bytes()).map_err(|_| format!("{id:?} is no id of an object")))
            .transpose()
    }

    async fn greet(&self) -> Result<Greeting, String> {
        let url = format!("{}/info/refs?service=git-upload-pack", self.url.trim_end_matches('/'));
        let mut coming = self.ask(Method::GET, url, None, ASK).await?;
        let mut greeting = Greeting::default();
        for packet in all(&mut coming).await? {
            let Some(line) = packet.line() else { continue };
            if line == "version 2" {
                greeting.second_version = true;
            } else if let Some(why) = line.strip_prefix("ERR ") {
                return Err(format!("the server says: {why}"));
            } else if greeting.second_version {
                greeting.abilities.push(line.to_owned());
            } else if !line.starts_with('#') && line != "version 1" {
                let (line, abilities) = line.split_once('\0').unwrap_or((line, ""));
                greeting.abilities.extend(abilities.split_whitespace().map(str::to_owned));
                greeting.refs.extend(line.split_once(' ').map(|(id, name)| (name.to_owned(), id.to_owned())));
            }
        }
        greeting.check()?;
        Ok(greeting)
    }

    /// The refs of these names, in version 2: one that is peeled is there a second time as `NAME^{}`.
    async fn list(&self, names: &[String]) -> Result<Vec<(String, String)>, String> {
        let prefixes = names.iter().map(|name| packet(&format!("ref-prefix {name}"))).collect::<String>();
        let body = [&packet("command=ls-refs"), &packet(AGENT), "0001", &packet("peel"), &prefixes, "0000"];
        let mut coming = self.post(body.concat(), ASK).await?;
        let mut refs = Vec::new();
        for packet in all(&mut coming).await? {
            let Some(line) = packet.line() else { continue };
            let mut words = line.split(' ');
            let (Some(id), Some(name)) = (words.next(), words.next()) else { continue };
            refs.push((name.to_owned(), id.to_owned()));
            if let Some(id) = words.find_map(|word| word.strip_prefix("peeled:")) {
                refs.push((format!("{name}^{{}}"), id.to_owned()));
            }
        }
        Ok(refs)
    }

    /// Writes the pack of one commit, without its past, into a file.
    pub(super) async fn fetch(&self, commit: ObjectId, file_max: u64, into: &Path) -> Result<(), String> {
        let greeting = self.greet().await?;
        let shallow = if greeting.can("shallow") { packet("deepen 1") } else { String::new() };
        let filter = match greeting.can("filter") {
            true => packet(&format!("filter blob:limit={file_max}")),
            false => String::new(),
        };
        let done = packet("done");
        let body = match greeting.second_version {
            true => {
                let (wants, ofs) = (packet(&format!("want {commit}")), packet("ofs-delta"));
                let quiet = packet("no-progress");
                let head = [packet("command=fetch"), packet(AGENT), "0001".into(), quiet, ofs].concat();
                [head, shallow, filter, wants, done, "0000".into()].concat()
            }
            false => {
                let words = ["side-band-64k", "ofs-delta", "no-progress", "shallow", "filter"];
                let words: Vec<_> = words.into_iter().filter(|word| greeting.can(word)).collect();
                let wants = packet(&format!("want {commit} {} {AGENT}", words.join(" ")));
                [wants, shallow, filter, "0000".into(), done].concat()
            }
        };
        receive(self.post(body, FETCH).await?, into).await
    }

    async fn post(&self, body: String, timeout: Duration) -> Result<Coming, String> {
        let url = format!("{}/git-upload-pack", self.url.trim_end_matches('/'));
        self.ask(Method::POST, url, Some(body), timeout).await
    }

    async fn ask(
        &self,
        method: Method,
        url: String,
        body: Option<String>,
        timeout: Duration,
    ) -> Result<Coming, String> {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("git-protocol"), HeaderValue::from_static("version=2"));
        if body.is_some() {
            let kind = HeaderValue::from_static("application/x-git-upload-pack-request");
            headers.insert(header::CONTENT_TYPE, kind);
        }
        if let Some(authorization) = &self.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        let coming = self.web.open(Question { method, url, headers, body, timeout }).await?;
        check(&coming, self.authorization.is_some())?;
        Ok(coming)
    }
}

fn check(coming: &Coming, has_credentials: bool) -> Result<(), String> {
    let header = |name| coming.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match coming.status {
        StatusCode::OK if header(header::CONTENT_TYPE).starts_with("application/x-git-upload-pack") => Ok(()),
        StatusCode::OK => Err("what answers there is no Git server with the smart protocol".into()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(match has_credentials {
            true => "the server does not take the credentials".into(),
            false => "the server asks for credentials (pipelines.git_credentials)".into(),
        }),
        StatusCode::NOT_FOUND => Err("the server has no such repository, or does not show it".into()),
        status if status.is_redirection() => {
            Err(format!("the server sends on to {}: name that address", header(header::LOCATION)))
        }
        status => Err(format!("the server answers {status}")),
    }
}

/// All packets of a short answer.
async fn all(coming: &mut Coming) -> Result<Vec<Packet>, String> {
    let (mut packets, mut found, mut bytes) = (Packets::default(), Vec::new(), 0);
    while let Some(chunk) = coming.chunk().await? {
        bytes += chunk.len();
        if bytes > LIST_MAX {
            return Err(format!("the server's list of refs is longer than {} MiB", LIST_MAX >> 20));
        }
        packets.push(&chunk);
        while let Some(packet) = packets.next()? {
            found.push(packet);
        }
    }
    Ok(found)
}

/// The pack out of an answer: what comes before it are lines, and it comes in the first of three bands.
async fn receive(mut coming: Coming, into: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| error.to_string();
    let mut file = File::create(into).await.map_err(failed)?;
    let (mut packets, mut bytes) = (Packets::default(), 0);
    while let Some(chunk) = coming.chunk().await? {
        packets.push(&chunk);
        while let Some(one) = packets.next()? {
            let Packet::Data(data) = &one else { continue };
            match data.split_first() {
                Some((1, piece)) => {
                    bytes += piece.len() as u64;
                    if bytes > PACK_MAX {
                        return Err(format!("the commit's pack is larger than {} MiB", PACK_MAX >> 20));
                    }
                    file.write_all(piece).await.map_err(failed)?;
                }
                Some((2, _)) => {}
                Some((3, why)) => return Err(says(&String::from_utf8_lossy(why))),
                _ => {
                    if let Some(why) = one.line().and_then(|line| line.strip_prefix("ERR ")) {
                        return Err(says(why));
                    }
                }
            }
        }
    }
    file.flush().await.map_err(failed)?;
    if bytes == 0 { Err("the server sent no pack".into()) } else { Ok(()) }
}

fn says(why: &str) -> String {
    format!("the server says: {}", why.trim())
}
