//! Puts the host together, in the one order that works, and takes it apart again.

use crate::{
    banner::Banner,
    config::Config,
    shutdown::{Interrupts, failure},
};
use durance_durable::{ModuleHash, RuntimeStatus};
use durance_ingress::{
    BindError, Gateway, GatewayParts, GatewaySettings, KeyError, KeyRequirement, KeyRing, RouteError, Server,
    ServerSettings, SignedLinks,
};
use durance_store::{EmbeddedStore, ListQuery, StoreError, StoreOptions, TaskHubStore};
use durance_taskhub::{Clock, FunctionExecutor, SystemClock, TaskHub, TaskHubSettings};
use durance_wasm::{FunctionApp, LoadError};
use std::{collections::HashSet, net::SocketAddr, path::PathBuf, sync::Arc, time::Instant};

/// Why the host does not serve, or serves no more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HostError {
    #[error("cannot make the data folder {path}: {source}")]
    DataFolder { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    App(#[from] LoadError),
    #[error(transparent)]
    Route(#[from] RouteError),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the store has failed: {0}; restart the host: it goes on from what is durable")]
    StoreFailed(Arc<StoreError>),
    #[error("cannot handle signals: {0}")]
    Signals(std::io::Error),
}

impl HostError {
    /// Whether whoever started the host has to change something before it can start.
    pub(crate) fn is_usage(&self) -> bool {
        match self {
            Self::App(_) | Self::Route(_) | Self::Bind(_) | Self::DataFolder { .. } | Self::Keys(_) => true,
            Self::Store(error) => !matches!(error, StoreError::Io { .. } | StoreError::Poisoned),
            Self::StoreFailed(_) | Self::Signals(_) => false,
        }
    }
}

/// Serves the app until somebody ends the host or the store fails.
pub(crate) async fn run(config: Config) -> Result<(), HostError> {
    let mut interrupts = Interrupts::listen().map_err(HostError::Signals)?;
    std::fs::create_dir_all(&config.data)
        .map_err(|source| HostError::DataFolder { path: config.data.clone(), source })?;
    let server =
        Server::bind(config.listen, ServerSettings { drain_timeout: config.drain, ..Default::default() })?;
    let address = server.local_addr();

    let store = EmbeddedStore::open(&config.data, StoreOptions::default())?;
    let store: Arc<dyn TaskHubStore> = Arc::new(store);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let app =
        Arc::new(FunctionApp::load(&config.components, &config.data, wasm_settings(&config, address)).await?);
    let executor = Arc::<FunctionApp>::clone(&app) as Arc<dyn FunctionExecutor>;
    let key_file = config.data.join("keys.json");
    let (keys, new_keys) = KeyRing::open(&key_file)?;
    let links = Arc::new(SignedLinks::new(&keys, &config.name, config.link_lifetime, Arc::clone(&clock)));
    app.set_links(Arc::<SignedLinks>::clone(&links));

    let mut hub = TaskHub::open(Arc::clone(&store), executor, clock, &task_hub_settings(&config, &app))?;
    app.set_client(hub.client());
    let failed = hub.failed();
    let parts = GatewayParts {
        app: Arc::clone(&app),
        client: hub.client(),
        keys: keys.clone(),
        links,
        listen: address.ip(),
    };
    let gateway = Gateway::new(&gateway_settings(&config), parts)?;
    hub.recover()?;
    if new_keys.is_some() {
        // Only now: a start that failed before would have kept keys that nobody has seen.
        keys.save()?;
    }
    Banner { config: &config, address, functions: app.functions(), new_keys: new_keys.as_ref() }.print();
    tokio::task::spawn_blocking(move || delete_unneeded_modules(&*store, &app));

    let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(gateway, async {
        // An error means that the sender is gone, and with it everything else.
        let _stopped = stopping.await;
    }));
    tokio::select! {
        () = interrupts.next() => {}
        error = failure(failed) => return Err(HostError::StoreFailed(error)),
    }
    tracing::info!("stopping: what is under way comes to its end; interrupt again to stop at once");
    drop(stop);
    let begun = Instant::now();
    tokio::select! {
        () = async {
            // The server's task ends by itself; a panic there has been logged.
            let _served = serving.await;
            hub.close(config.drain.saturating_sub(begun.elapsed())).await;
        } => {}
        () = interrupts.next() => tracing::warn!("stopped at once; what was under way goes on after the next start"),
    }
    Ok(())
}

fn gateway_settings(config: &Config) -> GatewaySettings {
    GatewaySettings {
        route_prefix: config.route_prefix.clone(),
        key_requirement: if config.require_keys {
            KeyRequirement::Always
        } else {
            KeyRequirement::UnlessLoopback
        },
        body_bytes_max: config.request_body_bytes,
        requests_in_flight_max: config.concurrent_requests,
        ..GatewaySettings::default()
    }
}

/// Activities have no request to take the host's address from: their links have the one it listens on.
fn wasm_settings(config: &Config, address: SocketAddr) -> durance_wasm::WasmSettings {
    durance_wasm::WasmSettings { base_url: format!("http://{address}"), ..config.wasm.clone() }
}

/// Waiting orchestrators and those that run share the slots of the pool.
fn task_hub_settings(config: &Config, app: &FunctionApp) -> TaskHubSettings {
    let settings = config.task_hub.clone();
    let room = app.orchestrator_slots().saturating_sub(settings.concurrent_turns);
    TaskHubSettings { hot_instances: settings.hot_instances.min(room), ..settings }
}

/// Deletes the components that no instance is pinned to which is live, or has failed and may be rewound. While this looks, instances can only end, or start on a
/// component of the app, which is never deleted.
fn delete_unneeded_modules(store: &dyn TaskHubStore, app: &FunctionApp) {
    match pinned_modules(store) {
        Ok(needed) => {
            if let Err(error) = app.delete_unneeded_modules(&needed) {
                tracing::warn!(%error, "components that no instance needs could not be deleted");
            }
        }
        Err(error) => tracing::warn!(%error, "the components that instances need could not be listed"),
    }
}

fn pinned_modules(store: &dyn TaskHubStore) -> Result<HashSet<ModuleHash>, StoreError> {
    let may_go_on = |status: &RuntimeStatus| !status.is_finished() || *status == RuntimeStatus::Failed;
    let statuses = RuntimeStatus::ALL.into_iter().filter(may_go_on).collect();
    let mut query = ListQuery { statuses, page_size: 1_000, ..ListQuery::default() };
    let mut needed = HashSet::new();
    loop {
        let page = store.list(&query)?;
        needed.extend(page.instances.iter().map(|(_, record)| record.module));
        if page.after.is_none() {
            return Ok(needed);
        }
        query.after = page.after;
    }
}
