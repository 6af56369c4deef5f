//! Every configuration key, declared once: the doc comment is its reference, the type parses it, the
//! text is its default. `docs/configuration.md` is written from this table.

use super::{
    Issue,
    value::{DefaultPermission, Duration, LogFormat, OptionalPattern, OptionalText, Value},
};
use std::{net::SocketAddr, path::PathBuf};

/// A configuration key: how it is named, explained, set and shown.
pub struct Key {
    /// As in the file: `http.listen`.
    pub name: &'static str,
    pub doc: &'static str,
    pub kind: &'static str,
    /// The default, as one would write it.
    pub default: &'static str,
    pub set: fn(&mut Config, &str) -> Result<(), String>,
    pub show: fn(&Config) -> String,
}

impl Key {
    /// `CRANNOG_HTTP_LISTEN` for `http.listen`.
    pub fn variable(&self) -> String {
        format!("CRANNOG_{}", self.name.replace('.', "_").to_uppercase())
    }

    /// `--http-listen` for `http.listen`.
    pub fn flag(&self) -> String {
        format!("--{}", self.name.replace(['.', '_'], "-"))
    }
}

/// The key of this name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

macro_rules! settings {
    (
        top {
            $($(#[doc = $root_doc:literal])+ $root:ident: $root_type:ty = $root_default:literal;)+
        }
        $($(#[doc = $section_doc:literal])+ $section:ident: $Section:ident {
            $($(#[doc = $doc:literal])+ $field:ident: $type:ty = $default:literal;)+
        })+
    ) => {
        $($(#[doc = $section_doc])+
        #[derive(Clone, Debug)]
        pub struct $Section {
            $($(#[doc = $doc])+ pub $field: $type,)+
        })+

        /// The whole configuration, typed.
        #[derive(Clone, Debug)]
        pub struct Config {
            $($(#[doc = $root_doc])+ pub $root: $root_type,)+
            $($(#[doc = $section_doc])+ pub $section: $Section,)+
        }

        impl Default for Config {
            fn default() -> Self {
                Self {
                    $($root: default($root_default),)+
                    $($section: $Section { $($field: default($default),)+ },)+
                }
            }
        }

        /// Every key, in the order of the reference page.
        pub static KEYS: &[Key] = &[
            $(Key {
                name: stringify!($root),
                doc: concat!($($root_doc),+),
                kind: <$root_type as Value>::KIND,
                default: $root_default,
                set: |config, text| { config.$root = Value::parse(text)?; Ok(()) },
                show: |config| config.$root.show(),
            },)+
            $($(Key {
                name: concat!(stringify!($section), ".", stringify!($field)),
                doc: concat!($($doc),+),
                kind: <$type as Value>::KIND,
                default: $default,
                set: |config, text| { config.$section.$field = Value::parse(text)?; Ok(()) },
                show: |config| config.$section.$field.show(),
            },)+)+
        ];
    };
}

fn default<T: Value>(text: &str) -> T {
    T::parse(text).expect("a key's default is a valid value, which a test checks for all of them")
}

settings! {
    top {
        /// The directory that holds all of the server's state. A local disk: SQLite's locks and fsync
        /// need a real file system, and memory (tmpfs) forgets.
        data_dir: PathBuf = "~/.local/share/crannog";
    }

    /// The main door: web UI, MLflow, inference, own API.
    http: Http {
        /// Where the main door listens.
        listen: SocketAddr = "127.0.0.1:5000";
        /// Lets the doors listen beyond this machine without TLS, which they otherwise speak there. Passwords
        /// then cross the network in clear: say so only behind a proxy that ends TLS, or on a network you
        /// trust.
        allow_plaintext: bool = "false";
        /// The address clients reach the main door at, when it is not the one it listens on (behind
        /// a proxy or a Kubernetes Service). Shown in the UI and by `crannog env`.
        public_url: OptionalText = "";
    }

    /// The S3 door.
    s3: S3 {
        /// Where the S3 door listens. Requests that carry an AWS signature are also answered on the
        /// main door.
        listen: SocketAddr = "127.0.0.1:9000";
        /// The address clients reach the S3 door at, when it is not the one it listens on. Buckets may stand
        /// before its name (`BUCKET.NAME`).
        public_url: OptionalText = "";
        /// Serves clients that sign with version 2 (`AWS KEY:SIGNATURE`, or `Signature` in a URL) and know no
        /// other. That signature covers neither the body nor most headers, so whoever can change a request on
        /// its way changes what is stored: only where the way is TLS or this machine.
        allow_sigv2: bool = "false";
    }

    /// TLS on both doors. They speak it when one of them listens beyond this machine, with a certificate of
    /// the authority that Crannog makes for itself (`crannog ca`), or with yours.
    tls: Tls {
        /// Your certificate, a PEM file with its chain. It is read again when it changes. The doors then speak
        /// TLS wherever they listen; at loopback addresses, clients that ask for no other name than
        /// `localhost` still meet Crannog's own.
        certificate: Option<PathBuf> = "";
        /// The private key of `tls.certificate`, a PEM file.
        key: Option<PathBuf> = "";
        /// Further names of this machine, separated by commas, for certificates of Crannog's own authority.
        /// Its host name, the names in the public URLs and whatever address a client came to are in there
        /// anyway.
        names: OptionalText = "";
        /// Speak TLS also when both doors listen on this machine only.
        loopback: bool = "false";
        /// A PEM file of authorities that are trusted besides the machine's own when Crannog asks others
        /// over https: webhooks, `http` tasks of pipelines.
        trusted: Option<PathBuf> = "";
    }

    /// The object store's own work.
    objects: Objects {
        /// How long a "day" of a lifecycle rule is, in seconds. Another value than that of a real day
        /// is for tests.
        lifecycle_day_s: usize = "86400";
        /// Multipart uploads are aborted when nobody completed them for this long; 0s is never.
        upload_expiry: Duration = "7d";
        /// How long lines of an access log are gathered before they are written to their bucket.
        log_interval: Duration = "5m";
        /// In which time every stored byte is read again and compared with its checksum; 0s is never.
        /// What turns out damaged is told in the log and in `/status`, and never deleted.
        scrub_period: Duration = "30d";
    }

    /// Snapshots of the whole data directory, taken while the server runs.
    backup: Backup {
        /// The folder that snapshots are written into, an absolute path: on another disk, or a mounted share;
        /// empty for none. Under systemd, `ReadWritePaths=` has to name it as well.
        dir: Option<PathBuf> = "";
        /// Between two snapshots; 0s is only when one is asked for.
        every: Duration = "24h";
        /// Snapshots that are kept; older ones go when a new one is there.
        keep: usize = "7";
        /// Whether the keys and credentials in `secrets` go along. Without them nothing that was encrypted can
        /// be read, so keep them elsewhere then.
        secrets: bool = "true";
    }

    /// Logs, on standard error.
    log: Log {
        /// What is logged: error, warn, info, debug, trace, or a filter such as `info,crannog=debug`.
        level: String = "info";
        /// How a line looks: text for people, json for machines.
        format: LogFormat = "text";
    }

    /// Experiments, runs and logged models.
    tracking: Tracking {
        /// How long after their deletion runs, experiments and logged models are removed for good, files
        /// included; 0s is never, and `crannog gc` does it on demand.
        deleted_retention: Duration = "0s";
    }

    /// Experiments, runs and models, as MLflow's clients see them.
    mlflow: Mlflow {
        /// What a member may do with the experiments and models of others, where nothing was granted:
        /// NO_PERMISSIONS, READ, USE, EDIT or MANAGE. Viewers, editors and admins are not asked: their
        /// role says it.
        default_permission: DefaultPermission = "READ";
        /// What the source of a new model version must match anywhere in it, such as
        /// `^(mlflow-artifacts|runs|models):/`; others are refused. Empty for any source.
        version_source_pattern: OptionalPattern = "";
    }

    /// Endpoints.
    serving: Serving {
        /// How long rows of the prediction log are gathered before they are written to their bucket.
        log_interval: Duration = "1m";
        /// The virtual environment that runs models which are not ONNX: a name in `pipelines.venvs`, or a path;
        /// a model with an environment of its own name there uses that. Empty for none. Such models run their
        /// own code as this server's user, so whoever may register a version may run code.
        venv: OptionalText = "";
        /// How long one request to a model in Python may take before its process is ended and started again.
        python_timeout: Duration = "60s";
        /// Whether editors may register POSIX shared memory of this machine (`/dev/shm`), as Triton's clients do, for
        /// inputs and outputs of their predictions.
        shared_memory: bool = "true";
    }

    /// Pipelines and their tasks.
    pipelines: Pipelines {
        /// A directory of pipeline files (`*.yaml`) that the server follows; empty for none.
        dir: Option<PathBuf> = "";
        /// Where the virtual environments are that tasks name; empty for `venvs` in the data directory.
        venvs: Option<PathBuf> = "";
        /// A bucket of pipeline files, or a prefix of one (`definitions/nightly/`), that the server
        /// follows; empty for none. Who may write there decides what runs on this machine.
        bucket: OptionalText = "";
        /// A Git repository of pipeline files that the server follows: an http(s) address, or the path of a
        /// repository or a bundle on this machine; empty for none. Who may push there decides what runs on this
        /// machine.
        git: OptionalText = "";
        /// The branch, tag or commit (all 40 digits of its id) of the repository.
        git_ref: String = "HEAD";
        /// The folder of the repository whose files count and are checked out for tasks; empty for all.
        git_folder: OptionalText = "";
        /// Between two looks at the repository; 0s is only when a push is told.
        git_interval: Duration = "1m";
        /// A file with `user:password`, or a token alone, for the repository.
        git_credentials: Option<PathBuf> = "";
        /// How many tasks run at the same time.
        max_tasks: usize = "16";
        /// Runs of each pipeline that are kept however old they are.
        keep_runs: usize = "100";
        /// How long every run is kept, with the logs of its tasks.
        keep_age: Duration = "90d";
        /// Whether the logs of runs that are over are copied into the bucket `pipeline-logs`, where they
        /// stay when the run is forgotten.
        archive_logs: bool = "true";
    }

    /// The process.
    server: Server {
        /// How long a stopping server waits for requests and background work to end.
        stop_deadline: Duration = "10s";
    }
}

impl Config {
    /// Whether the doors speak TLS: where the operator gave a certificate or asks for it, and wherever another
    /// machine can listen, unless plain text was allowed in so many words.
    pub fn speaks_tls(&self) -> bool {
        let wide = [self.http.listen, self.s3.listen].iter().any(|address| !address.ip().is_loopback());
        self.tls.certificate.is_some() || self.tls.loopback || (wide && !self.http.allow_plaintext)
    }

    /// Rules that need more than one value.
    pub(super) fn check(&self, issues: &mut Vec<Issue>) {
        if self.data_dir.starts_with("~") {
            issues.push(Issue {
                message: format!("data_dir = {:?}: there is no HOME to put it in", self.data_dir.display()),
                hint: Some("name a directory with --data-dir or CRANNOG_DATA_DIR".into()),
            });
        }
        if let Some(dir) = self.backup.dir.as_ref().filter(|dir| !dir.is_absolute()) {
            issues.push(Issue {
                message: format!("backup.dir = {:?} is not an absolute path", dir.display()),
                hint: Some("name the folder from the root, such as /mnt/backup/crannog".into()),
            });
        }
        let missing = match (&self.tls.certificate, &self.tls.key) {
            (Some(_), None) => Some(("tls.certificate", "tls.key")),
            (None, Some(_)) => Some(("tls.key", "tls.certificate")),
            _ => None,
        };
        if let Some((given, missing)) = missing {
            issues.push(Issue {
                message: format!("{given} is set and {missing} is not"),
                hint: Some(
                    "a door needs both: the certificate's chain and its private key, as PEM files".into(),
                ),
            });
        }
        for (name, url) in
            [("http.public_url", &self.http.public_url), ("s3.public_url", &self.s3.public_url)]
        {
            let Some(url) = url else { continue };
            if !url.starts_with("http://") && !url.starts_with("https://") {
                issues.push(Issue {
                    message: format!("{name} = {url:?} is not a URL"),
                    hint: Some("it begins with http:// or https://".into()),
                });
            }
        }
    }
}
