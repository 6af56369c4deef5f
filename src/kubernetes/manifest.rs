//! The manifests of a single-pod installation, as values; `render` writes them as one YAML stream.

use super::{DATA_DIR, HTTP_PORT, S3_PORT, UID};
use crate::kernel::{
    VERSION,
    error::{Error, Result},
};
use serde_json::{Value, json};

/// What the operator chooses.
pub struct Options {
    pub namespace: String,
    pub image: String,
    /// The cluster's default when absent.
    pub storage_class: Option<String>,
    pub size: String,
    /// A PersistentVolumeClaim that exists, for backups.
    pub backup_claim: Option<String>,
    pub password: Password,
    pub network_policy: bool,
}

/// Where the administrator's first password comes from.
pub enum Password {
    /// A Secret that exists already, with the key `password`.
    Existing(String),
    /// Put into a Secret of its own.
    New(String),
}

const SECRET: &str = "crannog-admin";
/// Where the volume of backups is mounted.
const BACKUP: &str = "/backup";

/// All manifests, in the order they must be applied.
pub fn manifests(options: &Options) -> Result<Vec<Value>> {
    check(options)?;
    let mut all = vec![namespace(options)];
    if let Password::New(password) = &options.password {
        all.push(secret(options, password));
    }
    all.extend([volume_claim(options), stateful_set(options), service(options)]);
    if options.network_policy {
        all.push(network_policy(options));
    }
    Ok(all)
}

/// The manifests as one YAML stream.
pub fn render(options: &Options) -> Result<String> {
    let documents = manifests(options)?;
    let texts: Vec<String> = documents
        .iter()
        .map(|one| serde_saphyr::to_string(one).map_err(Error::internal))
        .collect::<Result<_>>()?;
    Ok(texts.iter().map(|text| format!("---\n{}\n", text.trim_end())).collect())
}

fn check(options: &Options) -> Result<()> {
    let label = |text: &str| {
        let inner = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        inner && (1..=63).contains(&text.len()) && !text.starts_with('-') && !text.ends_with('-')
    };
    if !label(&options.namespace) {
        return Err(Error::invalid(format!(
            "{:?} is not a namespace: use at most 63 of a-z, 0-9 and -, with no - at either end",
            options.namespace
        )));
    }
    let digits = options.size.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &options.size[digits.len()..];
    if digits.is_empty()
        || !digits.bytes().all(|b| b.is_ascii_digit())
        || !["Mi", "Gi", "Ti", "M", "G", "T"].contains(&unit)
    {
        return Err(Error::invalid(format!("{:?} is not a size: write it as 20Gi", options.size)));
    }
    let (name, tag) = options.image.rsplit_once('/').unwrap_or(("", &options.image));
    let fixed = options.image.contains("@sha256:")
        || tag.split_once(':').is_some_and(|(_, tag)| tag != "latest" && !tag.is_empty());
    if !fixed {
        return Err(Error::invalid(format!(
            "the image {:?} has no fixed tag: a restart could bring another version. Name one, such as {}",
            options.image,
            if name.is_empty() { super::image_name() } else { format!("{name}/crannog:{VERSION}") }
        )));
    }
    Ok(())
}

fn labels() -> Value {
    json!({
        "app.kubernetes.io/name": "crannog",
        "app.kubernetes.io/instance": "crannog",
        "app.kubernetes.io/version": VERSION,
        "app.kubernetes.io/managed-by": "crannog",
    })
}

/// What the Service and the StatefulSet find the pod by; it must never change, so no version in it.
fn selector() -> Value {
    json!({ "app.kubernetes.io/name": "crannog", "app.kubernetes.io/instance": "crannog" })
}

fn metadata(options: &Options, name: &str) -> Value {
    json!({ "name": name, "namespace": options.namespace, "labels": labels() })
}

fn namespace(options: &Options) -> Value {
    let mut labels = labels();
    for mode in ["enforce", "audit", "warn"] {
        labels[format!("pod-security.kubernetes.io/{mode}")] = "restricted".into();
    }
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": options.namespace, "labels": labels },
    })
}

fn secret(options: &Options, password: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": metadata(options, SECRET),
        "type": "Opaque", "stringData": { "password": password },
    })
}

fn volume_claim(options: &Options) -> Value {
    let mut claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata(options, "crannog-data"),
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": { "requests": { "storage": options.size } },
        },
    });
    if let Some(class) = &options.storage_class {
        claim["spec"]["storageClassName"] = class.as_str().into();
    }
    claim
}

fn stateful_set(options: &Options) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata(options, "crannog"),
        "spec": {
            // One: the state is a directory, and a second server is refused by its lock.
            "replicas": 1,
            "serviceName": "crannog",
            "selector": { "matchLabels": selector() },
            "template": {
                "metadata": { "labels": labels() },
                "spec": pod(options),
            },
        },
    })
}

fn pod(options: &Options) -> Value {
    let mut volumes = vec![
        json!({ "name": "data", "persistentVolumeClaim": { "claimName": "crannog-data" } }),
        json!({ "name": "tmp", "emptyDir": {} }),
    ];
    volumes.extend(
        options
            .backup_claim
            .as_ref()
            .map(|claim| json!({ "name": "backup", "persistentVolumeClaim": { "claimName": claim } })),
    );
    json!({
        "automountServiceAccountToken": false,
        // Otherwise Kubernetes sets CRANNOG_PORT and its like, which are not settings of ours.
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": true, "runAsUser": UID, "runAsGroup": UID, "fsGroup": UID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "containers": [container(options)],
        "volumes": volumes,
    })
}

fn container(options: &Options) -> Value {
    let probe = |path: &str, period: u32, failures: u32| {
        json!({
            "httpGet": { "path": path, "port": "http" },
            "periodSeconds": period, "failureThreshold": failures, "timeoutSeconds": 3,
        })
    };
    let mut mounts =
        vec![json!({ "name": "data", "mountPath": DATA_DIR }), json!({ "name": "tmp", "mountPath": "/tmp" })];
    mounts.extend(options.backup_claim.as_ref().map(|_| json!({ "name": "backup", "mountPath": BACKUP })));
    json!({
        "name": "crannog", "image": options.image, "imagePullPolicy": "IfNotPresent",
        "args": ["serve"],
        "env": environment(options),
        "ports": [
            { "name": "http", "containerPort": HTTP_PORT },
            { "name": "s3", "containerPort": S3_PORT },
        ],
        // A migration or a long recovery may take minutes: only after that is the pod judged.
        "startupProbe": probe("/readyz", 1, 300),
        "livenessProbe": probe("/livez", 10, 3),
        "readinessProbe": probe("/readyz", 5, 2),
        "resources": {
            "requests": { "cpu": "100m", "memory": "128Mi" },
            "limits": { "cpu": "2", "memory": "2Gi" },
        },
        "securityContext": {
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        },
        "volumeMounts": mounts,
    })
}

fn environment(options: &Options) -> Value {
    let host = format!("crannog.{}.svc", options.namespace);
    let secret = match &options.password {
        Password::Existing(name) => name.as_str(),
        Password::New(_) => SECRET,
    };
    let mut variables = vec![json!({ "name": "CRANNOG_DATA_DIR", "value": DATA_DIR })];
    // A folder in the volume: its root may belong to somebody else.
    let folder = || json!({ "name": "CRANNOG_BACKUP_DIR", "value": format!("{BACKUP}/crannog") });
    variables.extend(options.backup_claim.as_ref().map(|_| folder()));
    variables.extend([
        json!({ "name": "CRANNOG_HTTP_LISTEN", "value": format!("0.0.0.0:{HTTP_PORT}") }),
        json!({ "name": "CRANNOG_S3_LISTEN", "value": format!("0.0.0.0:{S3_PORT}") }),
        // Said in so many words: inside the cluster the doors speak plain HTTP; TLS ends at the ingress.
        json!({ "name": "CRANNOG_HTTP_ALLOW_PLAINTEXT", "value": "true" }),
        json!({ "name": "CRANNOG_HTTP_PUBLIC_URL", "value": format!("http://{host}:{HTTP_PORT}") }),
        json!({ "name": "CRANNOG_S3_PUBLIC_URL", "value": format!("http://{host}:{S3_PORT}") }),
        json!({ "name": "CRANNOG_LOG_FORMAT", "value": "json" }),
        json!({ "name": "CRANNOG_ADMIN_PASSWORD", "valueFrom": { "secretKeyRef": { "name": secret, "key": "password" } } }),
    ]);
    variables.into()
}

fn service(options: &Options) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": metadata(options, "crannog"),
        "spec": {
            "type": "ClusterIP",
            "selector": selector(),
            "ports": [
                { "name": "http", "port": HTTP_PORT, "targetPort": "http" },
                { "name": "s3", "port": S3_PORT, "targetPort": "s3" },
            ],
        },
    })
}

/// Lets pods of the same namespace in, and nobody else; what the tasks reach stays open.
fn network_policy(options: &Options) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata(options, "crannog"),
        "spec": {
            "podSelector": { "matchLabels": selector() },
            "policyTypes": ["Ingress"],
            "ingress": [{
                "from": [{ "podSelector": {} }],
                "ports": [{ "port": "http", "protocol": "TCP" }, { "port": "s3", "protocol": "TCP" }],
            }],
        },
    })
}
