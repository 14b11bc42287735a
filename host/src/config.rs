//! Every setting, from the command line, the environment and `durance.toml`, in that order of strength.

use crate::{
    cli::{DoctorArgs, LogFormat, StartArgs},
    deploy::AppPackage,
    manifest::{FILE_NAME, HostTable, LimitTable, Manifest, ManifestError},
    watch::Build,
};
use durance_cli::doctor::DoctorSettings;
use durance_durable::RetentionPolicy;
use durance_ingress::GatewaySettings;
use durance_taskhub::{ActivityLimits, TaskHubSettings};
use durance_wasm::WasmSettings;
use std::{
    collections::HashMap,
    io::IsTerminal as _,
    net::{Ipv4Addr, SocketAddr},
    num::{NonZero, NonZeroU64},
    path::{Path, PathBuf},
    time::Duration,
};

/// Where the host listens if nobody says otherwise: the port of the model's local runtime.
const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7071);

/// What `durance start` needs to know.
#[derive(Debug)]
pub(crate) struct Config {
    /// What is served.
    pub(crate) app: AppSource,
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// Where everything is kept.
    pub(crate) data: PathBuf,
    /// Whether keys are asked for on loopback.
    pub(crate) require_keys: bool,
    /// Whether each answered request is a log line.
    pub(crate) access_log: bool,
    /// How log lines look.
    pub(crate) log_format: LogFormat,
    /// Which there are.
    pub(crate) log: String,
    /// How long links are good for.
    pub(crate) link_lifetime: Duration,
    /// How long a stop waits.
    pub(crate) drain: Duration,
    /// How long it announces itself before.
    pub(crate) drain_notice: Duration,
    /// Whether sources are compiled when they have changed, if the app's folder is watched at all.
    pub(crate) watch: Option<Build>,
}

/// Where the app comes from that is served first.
#[derive(Debug)]
pub(crate) enum AppSource {
    /// A folder.
    Folder {
        /// Where it is.
        path: PathBuf,
        /// What is in it now.
        package: AppPackage,
    },
    /// What was deployed to the data folder last.
    Deployed {
        /// The app's name, if nothing was deployed yet.
        name: Option<String>,
    },
}

/// The settings cannot be used. The text says which and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl Config {
    /// Reads the app's manifest, if a folder is to be served, and puts the arguments on top.
    pub(crate) fn read(args: StartArgs) -> Result<Self, ConfigError> {
        let Some(folder) = app_folder(&args) else {
            let app = AppSource::Deployed { name: args.name.clone() };
            return Ok(Self::with(args, app, HostTable::default(), Path::new(".")));
        };
        let package = AppPackage::read(&folder)?;
        let host = Manifest::parse(&package.manifest, &folder.join(FILE_NAME))?.host;
        let app = AppSource::Folder { path: folder.clone(), package };
        Ok(Self::with(args, app, host, &folder))
    }

    fn with(args: StartArgs, app: AppSource, host: HostTable, folder: &Path) -> Self {
        Self {
            app,
            listen: listen(args.listen, host.listen),
            data: data(args.data, folder, host.data),
            require_keys: args.require_keys || host.require_keys.unwrap_or(false),
            access_log: args.access_log || host.access_log.unwrap_or(false),
            log_format: args.log_format.or(host.log_format).unwrap_or(LogFormat::Text),
            log: args.log.or(host.log).unwrap_or_else(|| "info".to_owned()),
            link_lifetime: Duration::from_secs(host.link_lifetime_seconds.unwrap_or(7 * 24 * 3600)),
            drain: Duration::from_secs(host.drain_seconds.unwrap_or(10)),
            drain_notice: Duration::from_secs(host.drain_notice_seconds.unwrap_or(0)),
            watch: (args.watch || (!args.no_watch && std::io::stdout().is_terminal()))
                .then_some(if args.no_build { Build::Never } else { Build::IfStale }),
        }
    }
}

/// What the manifest of an app says of how it is served.
///
/// How much runs at one time (`concurrent_…`, `hot_instances`) is fixed by the app that a host starts with; all else holds
/// for a version from the moment at which it is active.
#[derive(Debug, Clone)]
pub(crate) struct AppSettings {
    /// For requests.
    pub(crate) gateway: GatewaySettings,
    /// For the engine.
    pub(crate) task_hub: TaskHubSettings,
    /// For the functions.
    pub(crate) wasm: WasmSettings,
}

impl AppSettings {
    /// `base_url` is for links of those who have no request to take the host's address from.
    pub(crate) fn of(manifest: Manifest, base_url: &str) -> Self {
        let limits = manifest.limits;
        let mut wasm = WasmSettings { base_url: base_url.to_owned(), ..WasmSettings::default() };
        let mut task_hub = TaskHubSettings::default();
        let mut gateway = GatewaySettings::default();
        wasm.allowed_outbound_hosts = manifest.allowed_outbound_hosts;
        set(&mut wasm.memory_bytes_max, limits.memory_bytes.map(NonZero::get));
        set(&mut wasm.value_bytes_max, limits.value_bytes.map(NonZero::get));
        set(&mut task_hub.value_bytes_max, limits.value_bytes.map(NonZero::get));
        set(&mut wasm.response_body_bytes_max, limits.response_body_bytes.map(NonZero::get));
        set(&mut wasm.http_timeout, limits.http_timeout_ms.map(millis));
        set(&mut wasm.activity_timeout, limits.activity_timeout_ms.map(millis));
        set(&mut wasm.turn_cpu_budget, limits.turn_cpu_ms.map(millis));
        set(&mut wasm.http_calls_max, limits.concurrent_http_functions.map(NonZero::get));
        set(&mut wasm.activities_max, limits.concurrent_activities.map(NonZero::get));
        let by_name = |limits: HashMap<String, LimitTable>, name: fn(String) -> String| {
            limits.into_iter().map(|(key, limit)| (name(key).into(), limit.concurrency.get())).collect()
        };
        task_hub.activity_limits = ActivityLimits {
            functions: by_name(limits.functions, |name| name.to_ascii_lowercase()),
            keys: by_name(limits.keys, |key| key),
        };
        let kept = manifest.retention;
        task_hub.retention = RetentionPolicy {
            completed: kept.completed_seconds.map(Duration::from_secs),
            failed: kept.failed_seconds.map(Duration::from_secs),
            terminated: kept.terminated_seconds.map(Duration::from_secs),
        };
        set(&mut task_hub.hot_instances, limits.hot_instances);
        set(&mut task_hub.concurrent_activities, limits.concurrent_activities.map(|max| max.get() as usize));
        set(&mut gateway.route_prefix, manifest.host.route_prefix);
        set(&mut gateway.body_bytes_max, limits.request_body_bytes.map(NonZero::get));
        gateway.requests_in_flight_max = limits.concurrent_requests.map_or(4_096, NonZero::get);
        Self { gateway, task_hub, wasm }
    }
}

/// The folder of the app that is to be served; none: what is deployed to the data folder.
pub(crate) fn app_folder(args: &StartArgs) -> Option<PathBuf> {
    let here = PathBuf::from(".");
    let is_app_here = args.name.is_none() && here.join(FILE_NAME).exists();
    let default = (is_app_here || args.data.is_none()).then_some(here);
    args.app.clone().or(default)
}

/// Where to listen.
fn listen(argument: Option<SocketAddr>, manifest: Option<SocketAddr>) -> SocketAddr {
    argument.or(manifest).unwrap_or(LISTEN_DEFAULT)
}

/// Where everything is kept.
fn data(argument: Option<PathBuf>, app: &Path, manifest: Option<PathBuf>) -> PathBuf {
    argument.unwrap_or_else(|| app.join(manifest.unwrap_or_else(|| PathBuf::from(".durance"))))
}

/// What `durance doctor` looks at; a folder that is no app yet has the defaults.
///
/// # Errors
/// There is a manifest and it is wrong.
pub(crate) fn doctor(args: DoctorArgs) -> Result<DoctorSettings, ManifestError> {
    let host = match Manifest::read(&args.app) {
        Ok(manifest) => manifest.host,
        Err(ManifestError::Missing { .. }) => HostTable::default(),
        Err(error) => return Err(error),
    };
    Ok(DoctorSettings {
        data: data(args.data, &args.app, host.data),
        listen: listen(args.listen, host.listen),
        app: args.app,
        json: args.json,
    })
}

fn millis(ms: NonZeroU64) -> Duration {
    Duration::from_millis(ms.get())
}

/// Puts a value that was given in the place of the default.
fn set<T>(setting: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *setting = value;
    }
}
