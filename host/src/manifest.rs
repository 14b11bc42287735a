//! `durance.toml`: what a function app says of itself.

use crate::cli::LogFormat;
use durance_wasm::{AuthLevel, FunctionManifest, HostPattern, HttpComponent};
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
    #[serde(default)]
    pub(crate) components: Vec<String>,
    /// HTTP functions that are components of `wasi:http`.
    #[serde(default)]
    pub(crate) http: Vec<HttpTable>,
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

/// A table `[[http]]`: a component of `wasi:http/incoming-handler@0.2`, from any toolchain, as an HTTP function.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpTable {
    /// The function's name.
    pub(crate) name: String,
    /// The component's file, relative to the app folder.
    pub(crate) component: PathBuf,
    /// Its route template. Default: its name.
    pub(crate) route: Option<String>,
    /// The methods that it takes. Default: all.
    #[serde(default)]
    pub(crate) methods: Vec<String>,
    /// Who may call it: `anonymous`, `function` or `admin`. Default `function`.
    #[serde(default)]
    pub(crate) auth: AuthLevel,
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
        "{folder} is not a function app: it has no {FILE_NAME}; name the folder of one: durance start FOLDER"
    )]
    Missing { folder: String },
    #[error("cannot read {path}: {source}")]
    Unreadable { path: String, source: std::io::Error },
    #[error("{path}: {source}")]
    Invalid { path: String, source: Box<toml::de::Error> },
    #[error("{path}: components: '{pattern}' is not a glob: {source}")]
    Glob { path: String, pattern: String, source: glob::PatternError },
    #[error(
        "{path}: components: nothing matches '{pattern}'; build the functions first (cargo build --release in their folder)"
    )]
    NoComponent { path: String, pattern: String },
    #[error(
        "{path}: it names no component: components = [\"target/wasm32-wasip2/release/*.wasm\"], or a table [[http]]"
    )]
    Empty { path: String },
    #[error("{path}: [[http]]: {why}")]
    Http { path: String, why: String },
    #[error("{path}: [[http]]: '{name}' has the component '{component}', which is not there: build it first")]
    NoHttpComponent { path: String, name: String, component: String },
}

impl Manifest {
    /// Reads the manifest of the app in `folder`.
    pub(crate) fn read(folder: &Path) -> Result<Self, ManifestError> {
        let file = folder.join(FILE_NAME);
        let path = file.display().to_string();
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
                return Err(ManifestError::Missing { folder: folder.display().to_string() });
            }
            Err(source) => return Err(ManifestError::Unreadable { path, source }),
        };
        toml::from_str(&text).map_err(|source| ManifestError::Invalid { path, source: Box::new(source) })
    }

    /// The component files, sorted, each once.
    pub(crate) fn component_files(&self, folder: &Path) -> Result<Vec<PathBuf>, ManifestError> {
        let path = || folder.join(FILE_NAME).display().to_string();
        if self.components.is_empty() && self.http.is_empty() {
            return Err(ManifestError::Empty { path: path() });
        }
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
        files.extend(self.http_components(folder)?.into_iter().map(|function| function.file));
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// The HTTP functions that are components of `wasi:http`.
    pub(crate) fn http_components(&self, folder: &Path) -> Result<Vec<HttpComponent>, ManifestError> {
        self.http.iter().map(|table| table.component(folder)).collect()
    }
}

impl HttpTable {
    fn component(&self, folder: &Path) -> Result<HttpComponent, ManifestError> {
        let path = || folder.join(FILE_NAME).display().to_string();
        let Self { name, component, route, methods, auth } = self.clone();
        let file = folder.join(&component);
        if !file.is_file() {
            let component = component.display().to_string();
            return Err(ManifestError::NoHttpComponent { path: path(), name, component });
        }
        let manifest = FunctionManifest::http(name, route, methods, auth);
        let manifest = manifest.map_err(|why| ManifestError::Http { path: path(), why })?;
        Ok(HttpComponent { manifest, file })
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
            ("name = \"a\"\n", "names no component", "[[http]]"),
            ("name = \"a\"\n[[http]]\nname = \"H\"\n", "line 2", "missing field `component`"),
            ("name = \"a\"\n[[http]]\nname = \"H\"\ncomponent = \"h.wasm\"\n", "'h.wasm'", "build it first"),
            (
                "name = \"a\"\n[[http]]\nname = \"a/b\"\ncomponent = \"durance.toml\"\n",
                "[[http]]",
                "cannot be the name",
            ),
            (
                "name = \"a\"\n[[http]]\nname = \"H\"\ncomponent = \"h.wasm\"\nauth = \"none\"\n",
                "line 5",
                "unknown variant `none`",
            ),
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
