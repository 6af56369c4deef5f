//! What the manifests promise, and the image's structure down to its digests.

use super::{
    image::{build, needs_loader},
    image_name,
    manifest::{Options, Password, manifests, render},
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, io::Read};

fn options() -> Options {
    Options {
        namespace: "lake".into(),
        image: image_name(),
        storage_class: Some("local-path".into()),
        size: "20Gi".into(),
        backup_claim: None,
        password: Password::New("yes".into()),
        network_policy: true,
    }
}

fn unpack(tar: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().expect("a tar");
    entries
        .map(|entry| {
            let mut entry = entry.expect("an entry");
            assert_eq!(entry.header().mtime().expect("a time"), 0);
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("its body");
            (entry.path().expect("its path").display().to_string(), bytes)
        })
        .collect()
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

#[test]
fn the_image_is_an_oci_layout_whose_digests_fit_and_a_docker_archive() {
    let tar = build(b"a program", &image_name(), "amd64").expect("an image");
    let files = unpack(&tar);
    for (path, bytes) in
        files.iter().filter(|(path, _)| path.starts_with("blobs/sha256/") && !path.ends_with('/'))
    {
        assert_eq!(path.trim_start_matches("blobs/sha256/"), hex::encode(Sha256::digest(bytes)));
    }
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().expect("a digest").trim_start_matches("sha256:");
        let bytes = &files[&format!("blobs/sha256/{digest}")];
        assert_eq!(descriptor["size"], bytes.len());
        bytes.clone()
    };
    let index = json(&files["index.json"]);
    assert_eq!(index["manifests"][0]["annotations"]["io.containerd.image.name"], image_name());
    let manifest = json(&blob(&index["manifests"][0]));
    let config = json(&blob(&manifest["config"]));
    let layer = blob(&manifest["layers"][0]);
    assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", hex::encode(Sha256::digest(&layer))));
    assert_eq!(unpack(&layer)["usr/bin/crannog"], b"a program");
    let docker = json(&files["manifest.json"]);
    assert_eq!(docker[0]["RepoTags"][0], image_name());
    assert!(files.contains_key(docker[0]["Layers"][0].as_str().expect("a path")));
    assert_eq!(json(&files["oci-layout"])["imageLayoutVersion"], "1.0.0");
}

#[test]
fn the_same_binary_gives_the_same_bytes() {
    let image = || build(b"a program", &image_name(), "amd64").expect("an image");
    assert_eq!(image(), image());
}

#[test]
fn a_program_that_needs_a_loader_is_told_from_one_that_does_not() {
    let mut header = vec![0_u8; 64 + 56];
    header[32] = 64; // the program headers start after the file header
    header[54] = 56;
    header[56] = 1;
    assert!(!needs_loader(&header));
    header[64] = 3; // PT_INTERP
    assert!(needs_loader(&header));
    assert!(!needs_loader(b"\x7fELF"));
}

#[test]
fn the_manifests_survive_yaml_and_share_the_images_constant() {
    let text = render(&options()).expect("valid options");
    let parsed: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
    assert_eq!(parsed, manifests(&options()).expect("valid options"));
    let kinds: Vec<_> = parsed.iter().map(|one| one["kind"].as_str().expect("a kind")).collect();
    let all = ["Namespace", "Secret", "PersistentVolumeClaim", "StatefulSet", "Service", "NetworkPolicy"];
    assert_eq!(kinds, all);
    assert_eq!(parsed[3]["spec"]["template"]["spec"]["containers"][0]["image"], image_name());
    // A text that YAML 1.1 would read as true stays a text.
    assert_eq!(parsed[1]["stringData"]["password"], "yes");
}

#[test]
fn options_that_would_fail_later_are_refused_now() {
    let refused = |change: fn(&mut Options)| {
        let mut options = options();
        change(&mut options);
        render(&options).expect_err("refused").message
    };
    assert!(refused(|o| o.namespace = "Lake Dwelling".into()).contains("Lake Dwelling"));
    assert!(refused(|o| o.size = "plenty".into()).contains("plenty"));
    assert!(refused(|o| o.image = "registry:5000/crannog".into()).contains("fixed tag"));
    assert!(refused(|o| o.image = "crannog:latest".into()).contains("fixed tag"));
}
