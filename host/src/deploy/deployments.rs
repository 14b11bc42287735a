//! What a host serves, and how it is exchanged.

use super::{
    Catalog, CatalogError,
    catalog::KeptVersion,
    gate::{GateFailure, ReplayGate},
    package::AppPackage,
};
use crate::{
    config::AppSettings,
    manifest::{FILE_NAME, Manifest, ManifestError},
};
use durance_durable::ModuleHash;
use durance_ingress::{AppSwitch, DeployOutcome, DeployReport, Gate, GateReport, RouteError, ServedApp};
use durance_store::StoreError;
use durance_taskhub::{AppControl, Clock, EarlierCalls};
use durance_wasm::{ActiveApp, FunctionApp, FunctionRuntime, LoadError};
use std::{io, path::Path, sync::Arc, time::Duration};
use tokio::{sync::Mutex, task::spawn_blocking};

/// How often versions that nobody needs any more are looked for.
const COLLECT_EVERY: Duration = Duration::from_secs(10 * 60);

/// Why a version cannot be served. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeployError {
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(
        "the app is named '{found}', but this host serves '{expected}'; deploy it to a host of its own, or rename it"
    )]
    OtherApp { found: String, expected: String },
    #[error(transparent)]
    App(#[from] LoadError),
    #[error(transparent)]
    Route(#[from] RouteError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error("the components that instances need could not be listed: {0}")]
    Store(#[from] StoreError),
    #[error("live instances cannot go on with this version")]
    Incompatible(GateReport),
    #[error(transparent)]
    Gate(#[from] GateFailure),
    #[error("components could not be deleted: {0}")]
    Delete(io::Error),
}

/// What of an app's settings the host decides.
#[derive(Debug, Clone)]
pub(crate) struct HostSide {
    /// The name of the app that it serves.
    pub(crate) name: String,
    /// Scheme and authority of links for those who have no request to take them from.
    pub(crate) base_url: String,
}

/// An app that is ready to be served.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) app: Arc<FunctionApp>,
    pub(crate) served: ServedApp,
    pub(crate) settings: AppSettings,
}

/// Loads an app, checks all of it, and serves nothing of it yet.
pub(crate) async fn prepare(
    runtime: &Arc<FunctionRuntime>,
    host: &HostSide,
    package: &AppPackage,
) -> Result<Prepared, DeployError> {
    let manifest = Manifest::parse(&package.manifest, Path::new(FILE_NAME))?;
    if manifest.name != host.name {
        return Err(DeployError::OtherApp { found: manifest.name, expected: host.name.clone() });
    }
    let settings = AppSettings::of(manifest, &host.base_url);
    let app = Arc::new(runtime.load(&package.files(), settings.wasm.clone()).await?);
    let served = ServedApp::new(&settings.gateway, Arc::clone(&app))?;
    Ok(Prepared { app, served, settings })
}

/// The versions of a running host.
#[derive(Debug)]
pub(crate) struct Deployments {
    pub(crate) host: HostSide,
    pub(crate) runtime: Arc<FunctionRuntime>,
    pub(crate) active: Arc<ActiveApp>,
    pub(crate) switch: AppSwitch,
    pub(crate) control: AppControl,
    pub(crate) clock: Arc<dyn Clock>,
    /// Held for as long as anything is exchanged or deleted.
    pub(crate) state: Mutex<DeploymentState>,
}

/// What changes with each deployment.
#[derive(Debug)]
pub(crate) struct DeploymentState {
    pub(crate) catalog: Catalog,
    /// While one of these is not over nothing is deleted: a start that is not in the store yet may need it.
    earlier: Vec<EarlierCalls>,
}

impl DeploymentState {
    pub(crate) fn new(catalog: Catalog) -> Self {
        Self { catalog, earlier: Vec::new() }
    }
}

impl Deployments {
    /// Serves an app from now on; nothing if it is served already. Requests that are under way end on the version before,
    /// and instances go on with the components that they are pinned to, unless the gate is to move them.
    ///
    /// Guarantee: all or nothing; that it is the active version is durable when this returns.
    pub(crate) async fn deploy_package(
        &self,
        package: AppPackage,
        gate: Gate,
    ) -> Result<DeployReport, DeployError> {
        let mut state = self.state.lock().await;
        let version = package.version();
        let is_active = state.catalog.active() == Some(version);
        if is_active && gate == Gate::default() {
            return Ok(DeployReport { version, outcome: DeployOutcome::Unchanged, gate: None });
        }
        let prepared = prepare(&self.runtime, &self.host, &package).await?;
        let app = Arc::clone(&prepared.app);
        let mut replays = (gate != Gate::default()).then(|| ReplayGate::new(&self.control, &app));
        if let Some(replays) = &mut replays {
            replays.check().await?;
            if gate.require_compatible && !gate.check && !replays.is_compatible() {
                return Err(DeployError::Incompatible(replays.report()));
            }
        }
        let outcome = match (gate.check, is_active) {
            (true, _) => DeployOutcome::Checked,
            (false, true) => DeployOutcome::Unchanged,
            (false, false) => {
                self.serve(&mut state, package, prepared).await?;
                DeployOutcome::Activated
            }
        };
        let moved = match &mut replays {
            Some(replays) if gate.migrate && !gate.check => replays.migrate().await,
            _ => Ok(()),
        };
        let mut gate = replays.map(|replays| replays.report());
        if let (Some(gate), Err(error)) = (&mut gate, moved) {
            gate.incomplete = Some(error.to_string());
        }
        Ok(DeployReport { version, outcome, gate })
    }

    /// Notes what the host has started with. An app without components is none.
    pub(crate) async fn begin_with(&self, package: AppPackage) -> Result<(), DeployError> {
        if package.components.is_empty() {
            return Ok(());
        }
        let mut state = self.state.lock().await;
        self.keep(&mut state, &package).await
    }

    /// Keeps a version, and notes that it is the active one.
    async fn keep(&self, state: &mut DeploymentState, package: &AppPackage) -> Result<(), DeployError> {
        let (runtime, files) = (Arc::clone(&self.runtime), package.files());
        in_background(move || runtime.keep(&files)).await?;
        Ok(state.catalog.activate(KeptVersion::of(package, self.clock.now()))?)
    }

    /// Keeps a version and serves it from now on.
    async fn serve(
        &self,
        state: &mut DeploymentState,
        package: AppPackage,
        prepared: Prepared,
    ) -> Result<(), DeployError> {
        self.keep(state, &package).await?;
        let version = package.version();
        let Prepared { app, served, settings } = prepared;
        self.active.exchange(app);
        self.switch.serve(served);
        state.earlier.push(self.control.app_changed(&settings.task_hub).await);
        tracing::info!(%version, "another version of the app is active");
        Ok(())
    }

    /// Deletes what nobody needs any more: versions, and components that neither a version nor a live instance needs.
    pub(crate) async fn collect_unneeded(&self) -> Result<Vec<ModuleHash>, DeployError> {
        let mut state = self.state.lock().await;
        state.earlier.retain(|earlier| !earlier.are_over());
        if !state.earlier.is_empty() {
            return Ok(Vec::new());
        }
        let control = self.control.clone();
        let mut needed = in_background(move || control.pinned_modules()).await?;
        let collected = state.catalog.collect(&needed)?;
        needed.extend(state.catalog.modules());
        let runtime = Arc::clone(&self.runtime);
        in_background(move || runtime.retain(&needed)).await.map_err(DeployError::Delete)?;
        Ok(collected)
    }

    /// Collects now and then, for ever.
    pub(crate) async fn keep_collecting(self: Arc<Self>) {
        let mut interval = tokio::time::interval(COLLECT_EVERY);
        loop {
            interval.tick().await;
            match self.collect_unneeded().await {
                Ok(collected) if collected.is_empty() => {}
                Ok(collected) => {
                    tracing::info!(versions = collected.len(), "versions that nobody needs were deleted");
                }
                Err(error) => tracing::warn!(%error, "versions that nobody needs could not be deleted"),
            }
        }
    }
}

/// Off the threads that serve requests.
async fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}
