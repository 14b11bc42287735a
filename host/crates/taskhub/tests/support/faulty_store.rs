//! A store whose commits can hang or fail.

use durance_durable::{
    ExecutionId, ExecutionRecord, InstanceId, InstanceRecord, PartitionId, Timestamp, Turn,
};
use durance_store::{
    Fence, IdempotencyKey, Lease, ListPage, ListQuery, MemoryStore, OnceOutcome, Operation, Outcome,
    Recovered, Snapshot, StatusCounts, StoreError, TaskHubStore, TaskHubView,
};
use parking_lot::{Condvar, Mutex};
use std::io;

/// What happens to the next commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    Works,
    Fails,
    Hangs,
}

/// A store in memory on such a disk.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    store: MemoryStore,
    disk: Mutex<Disk>,
    changed: Condvar,
}

impl FaultyStore {
    pub(crate) fn new() -> Self {
        Self { store: MemoryStore::new(16), disk: Mutex::new(Disk::Works), changed: Condvar::new() }
    }

    pub(crate) fn set(&self, disk: Disk) {
        *self.disk.lock() = disk;
        self.changed.notify_all();
    }
}

impl TaskHubStore for FaultyStore {
    fn partition_count(&self) -> u16 {
        self.store.partition_count()
    }

    fn acquire(&self, owner: &str) -> Result<Vec<Lease>, StoreError> {
        self.store.acquire(owner)
    }

    fn renew(&self, leases: &Fence) -> Result<(), StoreError> {
        self.store.renew(leases)
    }

    fn commit(&self, fence: &Fence, operations: Vec<Operation>) -> Result<Vec<Outcome>, StoreError> {
        let mut disk = self.disk.lock();
        self.changed.wait_while(&mut disk, |disk| *disk == Disk::Hangs);
        if *disk == Disk::Fails {
            let source = io::Error::other("the disk died");
            return Err(StoreError::Io { action: "write".to_owned(), source });
        }
        self.store.commit(fence, operations)
    }

    fn view(&self) -> Box<dyn TaskHubView + '_> {
        self.store.view()
    }
}

impl TaskHubView for FaultyStore {
    fn recover(&self, partition: PartitionId) -> Result<Vec<Recovered>, StoreError> {
        self.store.recover(partition)
    }

    fn instance(&self, id: &InstanceId) -> Result<Snapshot, StoreError> {
        self.store.instance(id)
    }

    fn execution(&self, id: ExecutionId) -> Result<Option<ExecutionRecord>, StoreError> {
        self.store.execution(id)
    }

    fn history(&self, id: ExecutionId) -> Result<Vec<Turn>, StoreError> {
        self.store.history(id)
    }

    fn previous_generations(&self, id: &InstanceId) -> Result<Vec<InstanceRecord>, StoreError> {
        self.store.previous_generations(id)
    }

    fn children(&self, id: &InstanceId) -> Result<Vec<InstanceId>, StoreError> {
        self.store.children(id)
    }

    fn first_outcome(&self, key: &IdempotencyKey, now: Timestamp) -> Result<Option<OnceOutcome>, StoreError> {
        self.store.first_outcome(key, now)
    }

    fn counts(&self) -> Result<StatusCounts, StoreError> {
        self.store.counts()
    }

    fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        self.store.list(query)
    }
}
