//! The container image: one tar that is an OCI layout and a docker-archive at once, so that
//! `ctr images import`, `k3s ctr images import`, `docker load` and `podman load` all take it. The same
//! binary gives the same bytes: every time is 0 and every entry comes in a fixed order.

use super::{DATA_DIR, HTTP_PORT, S3_PORT, UID};
use crate::kernel::{
    VERSION,
    error::{Error, Result},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const EPOCH: &str = "1970-01-01T00:00:00Z";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Builds the image named `name` around `binary` for `architecture` (Go's word: `amd64`).
pub fn build(binary: &[u8], name: &str, architecture: &str) -> Result<Vec<u8>> {
    let layer = Blob::new(LAYER, layer(binary)?);
    let config = Blob::new(CONFIG, json_bytes(&config(&layer, architecture))?);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": config.descriptor(), "layers": [layer.descriptor()],
    });
    let manifest = Blob::new(MANIFEST, json_bytes(&manifest)?);
    let mut described = manifest.descriptor();
    described["platform"] = json!({ "architecture": architecture, "os": "linux" });
    // containerd names the image by the first, skopeo and podman by the second.
    described["annotations"] =
        json!({ "io.containerd.image.name": name, "org.opencontainers.image.ref.name": VERSION });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [described] });
    let docker = json!([{ "Config": config.path(), "RepoTags": [name], "Layers": [layer.path()] }]);

    let mut tar = Tar::new();
    tar.folder("blobs", 0o755, 0)?;
    tar.folder("blobs/sha256", 0o755, 0)?;
    for blob in [&config, &layer, &manifest] {
        tar.file(&blob.path(), &blob.bytes, 0o644)?;
    }
    tar.file("index.json", &json_bytes(&index)?, 0o644)?;
    tar.file("manifest.json", &json_bytes(&docker)?, 0o644)?;
    tar.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#, 0o644)?;
    tar.finish()
}

/// Whether an ELF program asks for a dynamic loader, which an empty image does not have.
pub fn needs_loader(binary: &[u8]) -> bool {
    const PT_INTERP: u32 = 3;
    let word = |at: usize, width: usize| -> Option<u64> {
        let bytes = binary.get(at..at.checked_add(width)?)?;
        Some(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    };
    let (Some(table), Some(size), Some(count)) = (word(32, 8), word(54, 2), word(56, 2)) else {
        return false;
    };
    (0..count).any(|n| {
        let at = n.checked_mul(size).and_then(|offset| offset.checked_add(table)).unwrap_or(u64::MAX);
        usize::try_from(at).ok().and_then(|at| word(at, 4)) == Some(u64::from(PT_INTERP))
    })
}

/// The word Go, and so every container runtime, has for an architecture.
pub fn go_architecture(rust: &str) -> &str {
    match rust {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

struct Blob {
    kind: &'static str,
    digest: String,
    bytes: Vec<u8>,
}

impl Blob {
    fn new(kind: &'static str, bytes: Vec<u8>) -> Self {
        Self { kind, digest: hex::encode(Sha256::digest(&bytes)), bytes }
    }

    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.digest)
    }

    fn descriptor(&self) -> Value {
        json!({ "mediaType": self.kind, "digest": format!("sha256:{}", self.digest), "size": self.bytes.len() })
    }
}

fn config(layer: &Blob, architecture: &str) -> Value {
    json!({
        "created": EPOCH, "architecture": architecture, "os": "linux",
        "config": {
            "User": format!("{UID}:{UID}"),
            "Entrypoint": ["/usr/bin/crannog"],
            "Cmd": ["serve"],
            "Env": ["PATH=/usr/bin", "HOME=/tmp", format!("CRANNOG_DATA_DIR={DATA_DIR}")],
            "WorkingDir": "/",
            "ExposedPorts": { format!("{HTTP_PORT}/tcp"): {}, format!("{S3_PORT}/tcp"): {} },
            "Volumes": { DATA_DIR: {} },
            "StopSignal": "SIGTERM",
            "Labels": { "org.opencontainers.image.title": "crannog", "org.opencontainers.image.version": VERSION,
                        "org.opencontainers.image.licenses": "Apache-2.0" },
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", layer.digest)] },
        "history": [{ "created": EPOCH, "created_by": "crannog image" }],
    })
}

/// The root file system: the binary, and the few files a C library and a user name need.
fn layer(binary: &[u8]) -> Result<Vec<u8>> {
    let mut tar = Tar::new();
    tar.folder("etc", 0o755, 0)?;
    tar.file("etc/group", format!("root:x:0:\ncrannog:x:{UID}:\n").as_bytes(), 0o644)?;
    tar.file("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n", 0o644)?;
    let users =
        format!("root:x:0:0:root:/:/sbin/nologin\ncrannog:x:{UID}:{UID}:crannog:{DATA_DIR}:/sbin/nologin\n");
    tar.file("etc/passwd", users.as_bytes(), 0o644)?;
    tar.folder("tmp", 0o1777, 0)?;
    tar.folder("usr", 0o755, 0)?;
    tar.folder("usr/bin", 0o755, 0)?;
    tar.file("usr/bin/crannog", binary, 0o755)?;
    tar.folder("var", 0o755, 0)?;
    tar.folder("var/lib", 0o755, 0)?;
    tar.folder(DATA_DIR.trim_start_matches('/'), 0o700, UID)?;
    tar.finish()
}

/// A tar whose entries carry nothing of the moment or the machine they were made on.
struct Tar(tar::Builder<Vec<u8>>);

impl Tar {
    fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    fn file(&mut self, path: &str, bytes: &[u8], mode: u32) -> Result<()> {
        let mut header = header(mode, 0);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(bytes.len() as u64);
        Ok(self.0.append_data(&mut header, path, bytes)?)
    }

    fn folder(&mut self, path: &str, mode: u32, owner: u64) -> Result<()> {
        let mut header = header(mode, owner);
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        Ok(self.0.append_data(&mut header, format!("{path}/"), std::io::empty())?)
    }

    fn finish(self) -> Result<Vec<u8>> {
        Ok(self.0.into_inner()?)
    }
}

fn header(mode: u32, owner: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    header.set_mtime(0);
    header
}

fn json_bytes(value: &Value) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(Error::internal)
}
