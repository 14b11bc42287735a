//! Puts the host together, in the one order that works, and takes it apart again.

use crate::{
    banner::Banner,
    config::{AppSettings, AppSource, Config},
    deploy::{AppPackage, Catalog, DeployError, DeploymentState, Deployments, HostSide, Prepared, prepare},
    manifest::{FILE_NAME, Manifest},
    shutdown::{Interrupts, failure},
    watch::Watch,
};
use durance_ingress::{
    AppSwitch, BindError, Entrance, Gateway, GatewayParts, GatewaySettings, KeyError, KeyRequirement,
    KeyRing, ServedApp, Server, ServerSettings, SignedLinks,
};
use durance_store::{EmbeddedStore, StoreError, StoreOptions, TaskHubStore};
use durance_taskhub::{Clock, FunctionExecutor, SystemClock, TaskHub, TaskHubSettings};
use durance_wasm::{ActiveApp, FunctionRuntime};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};
use tokio::{
    sync::{Mutex, oneshot},
    task::JoinHandle,
};

/// Histories that are replayed at one time, before a deployment.
const REPLAYS: usize = 1;

/// Why the host does not serve, or serves no more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HostError {
    #[error("cannot make the data folder {path}: {source}")]
    DataFolder { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    App(#[from] DeployError),
    #[error(
        "nothing was deployed to this data folder yet: name the app that will be with --name, or the folder of one: \
         durance start FOLDER"
    )]
    NothingDeployed,
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
            Self::App(_)
            | Self::NothingDeployed
            | Self::Bind(_)
            | Self::DataFolder { .. }
            | Self::Keys(_) => true,
            Self::Store(error) => !matches!(error, StoreError::Io { .. } | StoreError::Poisoned),
            Self::StoreFailed(_) | Self::Signals(_) => false,
        }
    }
}

/// Serves the app until somebody ends the host or the store fails.
pub(crate) async fn run(config: Config) -> Result<(), HostError> {
    let interrupts = Interrupts::listen().map_err(HostError::Signals)?;
    std::fs::create_dir_all(&config.data)
        .map_err(|source| HostError::DataFolder { path: config.data.clone(), source })?;
    let front = Front::listen(&config)?;
    let address = front.address;

    // Before the app is loaded: what changes in between is seen.
    let watch = begin_to_watch(&config);
    let store = EmbeddedStore::open(&config.data, StoreOptions::default())?;
    let store: Arc<dyn TaskHubStore> = Arc::new(store);
    let first = FirstApp::load(&config, address).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let key_file = config.data.join("keys.json");
    let (keys, new_keys) = KeyRing::open(&key_file)?;
    let links = Arc::new(SignedLinks::new(&keys, &first.host.name, config.link_lifetime, Arc::clone(&clock)));
    first.runtime.set_links(Arc::<SignedLinks>::clone(&links));

    let executor = Arc::<ActiveApp>::clone(&first.active) as Arc<dyn FunctionExecutor>;
    let mut hub = TaskHub::open(store, executor, Arc::clone(&clock), &first.task_hub_settings())?;
    first.runtime.set_client(hub.client());
    let switch = AppSwitch::new(first.served);
    let deployments = Arc::new(Deployments {
        host: first.host,
        runtime: first.runtime,
        active: first.active,
        switch: switch.clone(),
        control: hub.app_control(),
        clock,
        state: Mutex::new(DeploymentState::new(first.catalog)),
    });
    let parts = GatewayParts {
        app: switch,
        apps: Arc::<Deployments>::clone(&deployments),
        client: hub.client(),
        keys: keys.clone(),
        links,
        listen: address.ip(),
    };
    let gateway = Gateway::new(&gateway_settings(&config, &first.settings), parts);
    deployments.begin_with(first.package).await?;
    hub.recover()?;
    if new_keys.is_some() {
        // Only now: a start that failed before would have kept keys that nobody has seen.
        keys.save()?;
    }
    Banner {
        name: &deployments.host.name,
        data: &config.data,
        route_prefix: &first.settings.gateway.route_prefix,
        address,
        functions: deployments.active.get().functions(),
        new_keys: new_keys.as_ref(),
    }
    .print();
    tokio::spawn(Arc::clone(&deployments).keep_collecting());
    if let Some(watch) = watch {
        tokio::spawn(watch.run(deployments));
    }
    front.entrance.open(gateway);
    Running { front, hub }.until_stopped(&config, interrupts).await
}

/// The server: it answers probes from the start, and all else once the gateway is there.
struct Front {
    address: SocketAddr,
    entrance: Arc<Entrance>,
    /// Dropped, it stops the server.
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Front {
    fn listen(config: &Config) -> Result<Self, BindError> {
        let settings = ServerSettings { drain_timeout: config.drain, ..ServerSettings::default() };
        let server = Server::bind(config.listen, settings)?;
        let address = server.local_addr();
        let entrance = Arc::new(Entrance::new(config.access_log));
        let (stop, stopping) = oneshot::channel::<()>();
        let serving = tokio::spawn(server.serve(Arc::clone(&entrance), async {
            // An error means that the sender is gone, and with it everything else.
            let _stopped = stopping.await;
        }));
        Ok(Self { address, entrance, stop, serving })
    }
}

/// A host that has started.
struct Running {
    front: Front,
    hub: TaskHub,
}

impl Running {
    async fn until_stopped(self, config: &Config, mut interrupts: Interrupts) -> Result<(), HostError> {
        tokio::select! {
            () = interrupts.next() => {}
            error = failure(self.hub.failed()) => return Err(HostError::StoreFailed(error)),
        }
        tracing::info!("stopping: what is under way comes to its end; interrupt again to stop at once");
        tokio::select! {
            () = self.drain(config) => {}
            () = interrupts.next() => tracing::warn!("stopped at once; what was under way goes on after the next start"),
        }
        Ok(())
    }

    /// Says that it stops, takes no more, and ends what is under way.
    async fn drain(self, config: &Config) {
        let Self { front, hub } = self;
        front.entrance.begin_draining();
        tokio::time::sleep(config.drain_notice).await;
        let begun = Instant::now();
        drop(front.stop);
        hub.begin_draining();
        // The server's task ends by itself; a panic there has been logged.
        let _served = front.serving.await;
        hub.close(config.drain.saturating_sub(begun.elapsed())).await;
    }
}

/// Without it the app is served as it is.
fn begin_to_watch(config: &Config) -> Option<Watch> {
    let (Some(build), AppSource::Folder { path, .. }) = (config.watch, &config.app) else { return None };
    match Watch::begin(path, &config.data, build) {
        Ok(watch) => Some(watch),
        Err(error) => {
            tracing::warn!(%error, "changes of the app are not seen: it is served as it is");
            None
        }
    }
}

fn gateway_settings(config: &Config, app: &AppSettings) -> GatewaySettings {
    let key_requirement =
        if config.require_keys { KeyRequirement::Always } else { KeyRequirement::UnlessLoopback };
    GatewaySettings { key_requirement, ..app.gateway.clone() }
}

/// The app that is served first, loaded.
struct FirstApp {
    host: HostSide,
    catalog: Catalog,
    package: AppPackage,
    runtime: Arc<FunctionRuntime>,
    active: Arc<ActiveApp>,
    served: ServedApp,
    settings: AppSettings,
}

impl FirstApp {
    async fn load(config: &Config, address: SocketAddr) -> Result<Self, HostError> {
        let catalog = Catalog::open(&config.data).map_err(DeployError::from)?;
        let package = match &config.app {
            AppSource::Folder { package, .. } => package.clone(),
            AppSource::Deployed { name } => match catalog.active().and_then(|active| catalog.find(active)) {
                Some(kept) => kept.package(),
                None => AppPackage::empty(name.as_deref().ok_or(HostError::NothingDeployed)?),
            },
        };
        let manifest = Manifest::parse(&package.manifest, Path::new(FILE_NAME)).map_err(DeployError::from)?;
        let host = HostSide { name: manifest.name.clone(), base_url: format!("http://{address}") };
        let wasm = AppSettings::of(manifest, &host.base_url).wasm;
        let runtime = FunctionRuntime::start(&config.data, wasm).map_err(DeployError::from)?;
        let Prepared { app, served, settings } = prepare(&runtime, &host, &package).await?;
        let active = ActiveApp::new(app);
        Ok(Self { host, catalog, package, runtime, active, served, settings })
    }

    /// Waiting orchestrators, those that run and replays before a deployment share the slots of the pool.
    fn task_hub_settings(&self) -> TaskHubSettings {
        let settings = self.settings.task_hub.clone();
        let room = self.runtime.orchestrator_slots().saturating_sub(settings.concurrent_turns + REPLAYS);
        TaskHubSettings { hot_instances: settings.hot_instances.min(room), ..settings }
    }
}
