//! `durance.toml`: what a function app says of itself.

use crate::cli::LogFormat;
use durance_wasm::HostPattern;
use serde::{Deserialize, Deserializer, de::Error as _};
use std::{
    collections::HashMap,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    path::{Path, PathBuf},
};

/// The file's name.
pub(crate) const FILE_NAME: &str = "durance.toml";

/// A function app. Unknown keys are errors.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// The app's name: also that of its task hub.
    #[serde(deserialize_with = "not_empty")]
    pub(crate) name: String,
    /// Globs of component files, relative to the app folder.
    pub(crate) components: Vec<String>,
    /// Hosts that HTTP functions and activities may send requests to. Default: none.
    #[serde(default)]
    pub(crate) allowed_outbound_hosts: Vec<HostPattern>,
    /// How the host serves the app.
    #[serde(default)]
    pub(crate) host: HostTable,
    /// How much a function and the host may use.
    #[serde(default)]
    pub(crate) limits: LimitsTable,
    /// How long finished runs are kept.
    #[serde(default)]
    pub(crate) retention: RetentionTable,
}

/// The table `[retention]`, for runs that are started from now on. Unit: seconds. Default: for ever.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetentionTable {
    /// Completed runs.
    pub(crate) completed_seconds: Option<u64>,
    /// Failed runs.
    pub(crate) failed_seconds: Option<u64>,
    /// Terminated runs.
    pub(crate) terminated_seconds: Option<u64>,
}

fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        Err(D::Error::custom("the app needs a name: it must not be empty"))
    } else {
        Ok(text)
    }
}

/// The table `[host]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HostTable {
    /// See `--listen`.
    pub(crate) listen: Option<SocketAddr>,
    /// See `--data`; relative to the app folder.
    pub(crate) data: Option<PathBuf>,
    /// See `--require-keys`.
    pub(crate) require_keys: Option<bool>,
    /// See `--access-log`.
    pub(crate) access_log: Option<bool>,
    /// See `--log-format`.
    pub(crate) log_format: Option<LogFormat>,
    /// See `--log`.
    pub(crate) log: Option<String>,
    /// Before the route of every function. Default `api`; may be empty.
    pub(crate) route_prefix: Option<String>,
    /// How long management links are good for. Unit: seconds. Default 7 days.
    pub(crate) link_lifetime_seconds: Option<u64>,
    /// How long a stop waits for what is under way. Unit: seconds. Default 10.
    pub(crate) drain_seconds: Option<u64>,
    /// How long before that `/readyz` says that the host is stopping, while all is answered still: for load balancers that
    /// have to notice. Unit: seconds. Default 0.
    pub(crate) drain_notice_seconds: Option<u64>,
}

/// The table `[limits]`. None of them may be 0: then nothing would ever run.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsTable {
    /// The longest request body. Default 16 MiB.
    pub(crate) request_body_bytes: Option<NonZeroUsize>,
    /// The longest response body of an HTTP function. Default 64 MiB.
    pub(crate) response_body_bytes: Option<NonZeroUsize>,
    /// The longest JSON value of a function: an input, an output. Default 4 MiB.
    pub(crate) value_bytes: Option<NonZeroUsize>,
    /// The memory of one function instance. Default 128 MiB.
    pub(crate) memory_bytes: Option<NonZeroUsize>,
    /// How long an HTTP function may take. Unit: ms. Default 230,000.
    pub(crate) http_timeout_ms: Option<NonZeroU64>,
    /// How long one attempt of an activity may take, unless the call says otherwise. Unit: ms. Default 300,000.
    pub(crate) activity_timeout_ms: Option<NonZeroU64>,
    /// CPU time of one turn of an orchestrator. Unit: ms. Default 5,000.
    pub(crate) turn_cpu_ms: Option<NonZeroU64>,
    /// Requests under way at one time; more are answered 429. Default 4,096.
    pub(crate) concurrent_requests: Option<NonZeroUsize>,
    /// HTTP functions that run at one time; more are answered 429. Default 512.
    pub(crate) concurrent_http_functions: Option<NonZeroU32>,
    /// Activities that run at one time; more wait. Default 256.
    pub(crate) concurrent_activities: Option<NonZeroU32>,
    /// By function: how many of its activities run at one time; more wait.
    #[serde(default)]
    pub(crate) functions: HashMap<String, LimitTable>,
    /// The same, by the key that calls of activities name.
    #[serde(default)]
    pub(crate) keys: HashMap<String, LimitTable>,
    /// Waiting orchestrators that are kept in memory; the others are rebuilt when something comes. Default 2,000.
    pub(crate) hot_instances: Option<usize>,
}

/// The table of one limit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitTable {
    /// How many run at one time, at least 1.
    pub(crate) concurrency: NonZeroUsize,
}

/// The app cannot be read. The text says where and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    #[error(
        "{folder} is not a function app: it has no {FILE_NAME}; name the folder of one, or make one: durance new FOLDER"
    )]
    Missing { folder: String },
    #[error("cannot read {path}: {source}")]
    Unreadable { path: String, source: std::io::Error },
    #[error("{path}: {source}")]
    Invalid { path: String, source: Box<toml::de::Error> },
    #[error("{path}: components: '{pattern}' is not a glob: {source}")]
    Glob { path: String, pattern: String, source: glob::PatternError },
    #[error(
        "{path}: components: nothing matches '{pattern}'; build the functions first (durance build, in their folder)"
    )]
    NoComponent { path: String, pattern: String },
}

impl Manifest {
    /// The text of the manifest of the app in `folder`.
    pub(crate) fn read_text(folder: &Path) -> Result<String, ManifestError> {
        let file = folder.join(FILE_NAME);
        match std::fs::read_to_string(&file) {
            Ok(text) => Ok(text),
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
                Err(ManifestError::Missing { folder: folder.display().to_string() })
            }
            Err(source) => Err(ManifestError::Unreadable { path: file.display().to_string(), source }),
        }
    }

    /// Reads the manifest of the app in `folder`.
    pub(crate) fn read(folder: &Path) -> Result<Self, ManifestError> {
        Self::parse(&Self::read_text(folder)?, &folder.join(FILE_NAME))
    }

    /// What a manifest says; `path` is where it is from, for errors.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, ManifestError> {
        let path = path.display().to_string();
        toml::from_str(text).map_err(|source| ManifestError::Invalid { path, source: Box::new(source) })
    }

    /// The component files, sorted, each once.
    pub(crate) fn component_files(&self, folder: &Path) -> Result<Vec<PathBuf>, ManifestError> {
        let path = || folder.join(FILE_NAME).display().to_string();
        let base = PathBuf::from(glob::Pattern::escape(&folder.display().to_string()));
        let mut files = Vec::new();
        for pattern in &self.components {
            let found = glob::glob(&base.join(pattern).display().to_string())
                .map_err(|source| ManifestError::Glob { path: path(), pattern: pattern.clone(), source })?;
            let before = files.len();
            files.extend(found.flatten());
            if files.len() == before {
                return Err(ManifestError::NoComponent { path: path(), pattern: pattern.clone() });
            }
        }
        files.sort();
        files.dedup();
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE_NAME), text).unwrap();
        let read = Manifest::read(folder.path());
        let error = read.and_then(|manifest| manifest.component_files(folder.path()).map(drop));
        error.expect_err(text).to_string()
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let table = [
            ("name = \"a\"\ncomponents = []\nport = 1\n", "line 3", "unknown field `port`"),
            ("name = \"a\"\ncomponents = []\n[limits]\nmemory = 1\n", "line 4", "unknown field `memory`"),
            ("name = \"a\"\ncomponents = []\n[host]\nlisten = \"here\"\n", "line 4", "socket address"),
            ("name = \"a\"\ncomponents = []\n[limits]\nconcurrent_activities = 0\n", "line 4", "nonzero"),
            ("name = \"\"\ncomponents = []\n", "line 1", "must not be empty"),
            (
                "name = \"a\"\ncomponents = []\nallowed_outbound_hosts = [\"ftp://a\"]\n",
                "line 3",
                "neither http nor https",
            ),
            ("name = \"a\"\ncomponents = []\n[limits.keys.db]\nconcurrency = 0\n", "line 4", "nonzero"),
            ("name = \"a\"\n", "line 1", "missing field `components`"),
            ("name = \n", "line 1", "expected"),
            ("name = \"a\"\ncomponents = [\"*.wasm\"]\n", "'*.wasm'", "build the functions first"),
            ("name = \"a\"\ncomponents = [\"***\"]\n", "'***'", "not a glob"),
        ];
        for (text, place, what) in table {
            let error = error_of(text);
            assert!(error.contains(place) && error.contains(what), "{text}\n{error}");
            assert!(error.contains(FILE_NAME), "{error}");
        }
    }

    #[test]
    fn a_folder_without_the_file_is_no_app() {
        let folder = tempfile::tempdir().unwrap();
        let error = Manifest::read(folder.path()).expect_err("no file").to_string();
        assert!(error.contains("is not a function app"), "{error}");
    }

    #[test]
    fn a_component_that_two_globs_match_is_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.wasm"), "").unwrap();
        let text = "name = \"a\"\ncomponents = [\"*.wasm\", \"a.*\"]\n";
        let manifest: Manifest = toml::from_str(text).unwrap();
        assert_eq!(manifest.component_files(folder.path()).unwrap(), [folder.path().join("a.wasm")]);
    }
}
