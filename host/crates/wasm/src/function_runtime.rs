//! What the apps of one process share: the engine, the components, the places that functions run in.

use crate::{
    FunctionApp, LoadError, ManagementLinks, WasmSettings,
    component_store::{ComponentStore, hash_of},
    engine::Engine,
    orchestrator_run::OrchestratorHost,
    shared::Shared,
};
use durance_durable::ModuleHash;
use durance_taskhub::OrchestrationClient;
use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::Semaphore;

/// Loads function apps, one after the other, into one engine. How much runs at one time is fixed when it starts.
#[derive(Debug)]
pub struct FunctionRuntime {
    pub(crate) components: Arc<ComponentStore>,
    pub(crate) http_calls: Semaphore,
    pub(crate) http_calls_max: u32,
    pub(crate) activities: Semaphore,
    pub(crate) orchestrators: Arc<OrchestratorHost>,
    orchestrators_max: u32,
    pub(crate) shared: Arc<Shared>,
    _engine: Engine,
}

/// A component that is not loaded yet.
#[derive(Debug, Clone)]
pub struct ComponentFile {
    /// Where it is from, for people.
    pub path: PathBuf,
    /// The SHA-256 of its bytes.
    pub hash: ModuleHash,
    /// Its bytes; none: the data folder has them.
    pub bytes: Option<Arc<[u8]>>,
}

impl ComponentFile {
    /// A component with its bytes.
    #[must_use]
    pub fn new(path: PathBuf, bytes: Vec<u8>) -> Self {
        Self { path, hash: hash_of(&bytes), bytes: Some(bytes.into()) }
    }

    /// A component whose bytes the data folder has.
    #[must_use]
    pub fn kept(path: PathBuf, hash: ModuleHash) -> Self {
        Self { path, hash, bytes: None }
    }
}

impl FunctionRuntime {
    /// Starts the engine; `data` is the folder for compiled components and for the bytes of all that may run again. Of
    /// `settings` those that say how much runs at one time hold for all apps.
    ///
    /// # Errors
    /// The engine cannot be made, or the data folder cannot be used.
    pub fn start(data: &Path, settings: WasmSettings) -> Result<Arc<Self>, LoadError> {
        let engine = Engine::new(&settings).map_err(LoadError::engine)?;
        let shared = Shared::new(settings);
        let components = ComponentStore::open(data, engine.wasmtime.clone(), Arc::clone(&shared))?;
        let orchestrators_max = engine.orchestrators_max;
        Ok(Arc::new(Self {
            http_calls: Semaphore::new(shared.settings.http_calls_max as usize),
            http_calls_max: shared.settings.http_calls_max,
            activities: Semaphore::new(shared.settings.activities_max as usize),
            orchestrators: OrchestratorHost::new(Arc::clone(&components), orchestrators_max),
            orchestrators_max,
            components,
            shared,
            _engine: engine,
        }))
    }

    /// Loads the components of an app. Those that were loaded before take milliseconds. Nothing runs yet, and nothing is
    /// kept but the cache.
    ///
    /// # Errors
    /// One is not a component that can be run, or two functions have one name.
    pub async fn load(
        self: &Arc<Self>,
        components: &[ComponentFile],
        settings: WasmSettings,
    ) -> Result<FunctionApp, LoadError> {
        let loading = components.iter().map(|file| self.components.load_file(file));
        let loaded = futures_util::future::try_join_all(loading).await?;
        let files = components.iter().map(|file| file.path.as_path());
        FunctionApp::assemble(Arc::clone(self), files.zip(loaded), self.shared.with(settings))
    }

    /// Keeps the bytes of an app's components, for the next start and for instances that will be pinned to them.
    ///
    /// Guarantee: they are durable when this returns. It blocks on the file system.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn keep(&self, components: &[ComponentFile]) -> Result<(), LoadError> {
        components.iter().try_for_each(|file| self.components.keep(file))
    }

    /// Deletes the components that are not among these. It blocks on the file system.
    ///
    /// # Errors
    /// A file cannot be deleted.
    pub fn retain(&self, needed: &HashSet<ModuleHash>) -> io::Result<()> {
        self.components.retain(needed)
    }

    /// Gives functions the client of the task hub. Until then what they ask of it is `unavailable`.
    pub fn set_client(&self, client: OrchestrationClient) {
        // A process has one task hub: setting another would change nothing.
        self.shared.client.get_or_init(|| client);
    }

    /// Gives functions the maker of management links. Until then they are `unavailable`.
    pub fn set_links(&self, links: Arc<dyn ManagementLinks>) {
        self.shared.links.get_or_init(|| links);
    }

    /// How many orchestrators may be in memory at the same time, running or suspended: the bound for a budget of hot
    /// instances.
    #[must_use]
    pub fn orchestrator_slots(&self) -> usize {
        self.orchestrators_max as usize
    }
}
