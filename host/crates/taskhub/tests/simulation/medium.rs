//! Where a hub is kept while no process has it open.

use durance_store::{EmbeddedStore, MemoryStore, StoreOptions, TaskHubStore};
use std::{
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// After a crash threads that were at work end within this time.
const PATIENCE: Duration = Duration::from_secs(20);

/// What outlives a crash.
#[derive(Debug)]
pub(crate) struct Medium {
    kind: Kind,
    /// The store that is open.
    open: Option<Arc<dyn TaskHubStore>>,
}

#[derive(Debug)]
enum Kind {
    Memory(Arc<MemoryStore>),
    Folder(PathBuf),
}

impl Medium {
    pub(crate) fn memory() -> Self {
        Self { kind: Kind::Memory(Arc::new(MemoryStore::new(4))), open: None }
    }

    pub(crate) fn folder(path: PathBuf) -> Self {
        Self { kind: Kind::Folder(path), open: None }
    }

    pub(crate) fn open(&mut self) -> Arc<dyn TaskHubStore> {
        let store: Arc<dyn TaskHubStore> = match &self.kind {
            Kind::Memory(store) => {
                store.reopen().unwrap();
                Arc::<MemoryStore>::clone(store)
            }
            Kind::Folder(path) => Arc::new(EmbeddedStore::open(path, StoreOptions::default()).unwrap()),
        };
        Arc::clone(self.open.insert(store))
    }

    /// Waits until nobody uses the store any more, and lets it go: a process that was killed holds nothing.
    pub(crate) fn close(&mut self) {
        let store = self.open.take().unwrap();
        let held_by_us = match self.kind {
            Kind::Memory(_) => 2,
            Kind::Folder(_) => 1,
        };
        let since = Instant::now();
        while Arc::strong_count(&store) > held_by_us {
            assert!(since.elapsed() < PATIENCE, "somebody holds the store after the end of the hub");
            thread::yield_now();
        }
    }
}
