//! Loads components: from the files of the app, and later by hash for instances that are pinned to them.

use crate::{
    LoadError,
    cache::ComponentFiles,
    component::{ReadyComponent, Unusable},
    core_module,
    linker::Linkers,
    manifest::FunctionKind,
    shared::Shared,
};
use durance_durable::ModuleHash;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::{
    collections::{HashMap, HashSet},
    fmt, fs, io,
    path::Path,
    sync::Arc,
};
use tokio::{sync::OnceCell, task::spawn_blocking};
use wasmtime::{Engine, component::Component};

/// Every component that is loaded, by hash.
pub(crate) struct ComponentStore {
    engine: Engine,
    linkers: Linkers,
    files: ComponentFiles,
    shared: Arc<Shared>,
    loaded: Mutex<HashMap<ModuleHash, Arc<OnceCell<Arc<ReadyComponent>>>>>,
}

impl ComponentStore {
    pub(crate) fn open(data: &Path, engine: Engine, shared: Arc<Shared>) -> Result<Arc<Self>, LoadError> {
        let files = ComponentFiles::open(data, &engine)
            .map_err(|source| LoadError::Data { folder: data.to_owned(), source })?;
        let linkers = Linkers::new(&engine).map_err(LoadError::engine)?;
        Ok(Arc::new(Self { engine, linkers, files, shared, loaded: Mutex::default() }))
    }

    /// Loads a component of the app, and keeps its bytes for instances that will be pinned to it.
    pub(crate) async fn load_file(self: &Arc<Self>, path: &Path) -> Result<Arc<ReadyComponent>, LoadError> {
        let read = {
            let path = path.to_owned();
            move || fs::read(path).map(|bytes| (hash_of(&bytes), bytes))
        };
        let (hash, bytes) =
            in_background(read).await.map_err(|source| LoadError::File { path: path.to_owned(), source })?;
        let component = self.load(hash, bytes.clone()).await;
        let component = component.map_err(|why| LoadError::Component { path: path.to_owned(), why })?;
        // Only instances of orchestrators are pinned to a component.
        if component.functions.iter().any(|function| function.kind == FunctionKind::OrchestrationTrigger) {
            let store = Arc::clone(self);
            in_background(move || store.files.keep_module(hash, &bytes))
                .await
                .map_err(|source| LoadError::File { path: path.to_owned(), source })?;
        }
        Ok(component)
    }

    /// The component of this hash, loaded from the bytes that were kept if need be.
    pub(crate) async fn load_pinned(
        self: &Arc<Self>,
        hash: ModuleHash,
    ) -> Result<Arc<ReadyComponent>, Unusable> {
        if let Some(component) = self.get(hash) {
            return Ok(component);
        }
        let store = Arc::clone(self);
        let bytes = in_background(move || store.files.read_module(hash)).await;
        let bytes = bytes.map_err(|error| format!("its bytes were not kept: {error}"))?;
        if hash_of(&bytes) != hash {
            return Err("its bytes are damaged: they have another hash".to_owned());
        }
        self.load(hash, bytes).await
    }

    /// The component of this hash if it is loaded.
    pub(crate) fn get(&self, hash: ModuleHash) -> Option<Arc<ReadyComponent>> {
        self.loaded.lock().get(&hash).and_then(|cell| cell.get().cloned())
    }

    /// Forgets and deletes components that are not among these.
    pub(crate) fn retain(&self, needed: &HashSet<ModuleHash>) -> io::Result<()> {
        self.loaded.lock().retain(|hash, _| needed.contains(hash));
        self.files.retain(needed, needed)
    }

    async fn load(
        self: &Arc<Self>,
        hash: ModuleHash,
        bytes: Vec<u8>,
    ) -> Result<Arc<ReadyComponent>, Unusable> {
        let cell = Arc::clone(self.loaded.lock().entry(hash).or_default());
        let load = || async {
            let store = Arc::clone(self);
            let cached = in_background(move || store.load_cached(hash)).await?;
            match cached {
                Some(component) => Ok(Arc::new(component)),
                None => self.compile(hash, bytes).await.map(Arc::new),
            }
        };
        cell.get_or_try_init(load).await.cloned()
    }

    fn load_cached(&self, hash: ModuleHash) -> Result<Option<ReadyComponent>, Unusable> {
        let Some((component, functions)) = self.files.cached(hash, &self.engine) else { return Ok(None) };
        ReadyComponent::new(hash, &component, &self.linkers, functions).map(Some)
    }

    async fn compile(self: &Arc<Self>, hash: ModuleHash, bytes: Vec<u8>) -> Result<ReadyComponent, Unusable> {
        let store = Arc::clone(self);
        let compile = move || {
            let bytes = as_component(bytes)?;
            let component = Component::new(&store.engine, &bytes)
                .map_err(|error| format!("it is not a valid component: {error:#}"))?;
            let compiled =
                component.serialize().map_err(|error| format!("it cannot be compiled: {error:#}"))?;
            let ready = ReadyComponent::new(hash, &component, &store.linkers, Vec::new())?;
            Ok::<_, Unusable>((ready, compiled))
        };
        let (mut ready, compiled) = in_background(compile).await?;
        ready.describe(&self.shared).await?;
        let (store, functions) = (Arc::clone(self), ready.functions.clone());
        let cached = in_background(move || store.files.cache(hash, &compiled, &functions)).await;
        if let Err(error) = cached {
            tracing::warn!(%hash, %error, "a compiled component cannot be cached: the next start will compile it again");
        }
        Ok(ready)
    }
}

impl fmt::Debug for ComponentStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComponentStore").field("files", &self.files).finish_non_exhaustive()
    }
}

fn hash_of(bytes: &[u8]) -> ModuleHash {
    ModuleHash(Sha256::digest(bytes).into())
}

/// Off the threads that serve requests: what `work` does takes long, or blocks.
async fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// The component in a file. Says of common mistakes what they are; wasmtime checks the rest.
fn as_component(bytes: Vec<u8>) -> Result<Vec<u8>, Unusable> {
    if Engine::detect_precompiled(&bytes).is_some() {
        return Err(
            "it is a precompiled artifact, which is not accepted; give the .wasm component".to_owned()
        );
    }
    match bytes.as_slice() {
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(bytes),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => core_module::to_component(&bytes),
        [0, b'a', b's', b'm', ..] => {
            Err("it is WebAssembly of an unknown version; build it with a current toolchain".to_owned())
        }
        [b'(' | b';', ..] => {
            Err("it is WebAssembly text; make a component of it with `wasm-tools parse`".to_owned())
        }
        _ => Err("it is not WebAssembly; give a component, built for the target wasm32-wasip2".to_owned()),
    }
}
