//! Every setting, from the command line, the environment and `durance.toml`, in that order of strength.

use crate::{
    cli::{LogFormat, StartArgs},
    manifest::{LimitTable, Manifest, ManifestError},
};
use durance_durable::RetentionPolicy;
use durance_taskhub::{ActivityLimits, TaskHubSettings};
use durance_wasm::WasmSettings;
use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    num::{NonZero, NonZeroU64},
    path::PathBuf,
    time::Duration,
};

/// Where the host listens if nobody says otherwise: the port of the model's local runtime.
const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7071);

/// What `durance start` needs to know.
#[derive(Debug)]
pub(crate) struct Config {
    /// The app's name.
    pub(crate) name: String,
    /// The component files.
    pub(crate) components: Vec<PathBuf>,
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// Where everything is kept.
    pub(crate) data: PathBuf,
    /// Whether keys are asked for on loopback.
    pub(crate) require_keys: bool,
    /// How log lines look.
    pub(crate) log_format: LogFormat,
    /// Which there are.
    pub(crate) log: String,
    /// Before every route.
    pub(crate) route_prefix: String,
    /// How long links are good for.
    pub(crate) link_lifetime: Duration,
    /// How long a stop waits.
    pub(crate) drain: Duration,
    /// The longest request body, in bytes.
    pub(crate) request_body_bytes: usize,
    /// Requests under way at one time.
    pub(crate) concurrent_requests: usize,
    /// For the engine.
    pub(crate) task_hub: TaskHubSettings,
    /// For the functions.
    pub(crate) wasm: WasmSettings,
}

/// The settings cannot be used. The text says which and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl Config {
    /// Reads the app's manifest and puts the arguments on top.
    pub(crate) fn read(args: StartArgs) -> Result<Self, ConfigError> {
        let manifest = Manifest::read(&args.app)?;
        let components = manifest.component_files(&args.app)?;
        let http_components = manifest.http_components(&args.app)?;
        let host = manifest.host;
        let limits = manifest.limits;
        let data_in_app = host.data.unwrap_or_else(|| PathBuf::from(".durance"));
        let mut wasm = WasmSettings::default();
        let mut task_hub = TaskHubSettings::default();
        wasm.http_components = http_components;
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
        Ok(Self {
            name: manifest.name,
            components,
            listen: args.listen.or(host.listen).unwrap_or(LISTEN_DEFAULT),
            data: args.data.unwrap_or_else(|| args.app.join(data_in_app)),
            require_keys: args.require_keys || host.require_keys.unwrap_or(false),
            log_format: args.log_format.or(host.log_format).unwrap_or(LogFormat::Text),
            log: args.log.or(host.log).unwrap_or_else(|| "info".to_owned()),
            route_prefix: host.route_prefix.unwrap_or_else(|| "api".to_owned()),
            link_lifetime: Duration::from_secs(host.link_lifetime_seconds.unwrap_or(7 * 24 * 3600)),
            drain: Duration::from_secs(host.drain_seconds.unwrap_or(10)),
            request_body_bytes: limits.request_body_bytes.map_or(16 * 1024 * 1024, NonZero::get),
            concurrent_requests: limits.concurrent_requests.map_or(4_096, NonZero::get),
            task_hub,
            wasm,
        })
    }
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
