//! A store whose commits can hang or fail.

use durance_durable::{
    EntityId, EntityRecord, ExecutionId, ExecutionRecord, InstanceId, InstanceRecord, ModuleHash,
    PartitionId, ScheduleId, ScheduleRecord, Timestamp, Turn,
};
use durance_store::{
    Committed, EntityMail, EntityPage, EntityQuery, Fence, IdempotencyKey, Lease, ListPage, ListQuery,
    MemoryStore, OnceOutcome, Operation, Recovered, Snapshot, StatusCounts, StoreError, TaskHubStore,
    TaskHubView,
};
use parking_lot::{Condvar, Mutex};
use std::{collections::HashSet, io, sync::Arc};

/// What happens to the next commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    Works,
    /// They are not written.
    Fails,
    /// They are written, and nobody learns of it.
    FailsAfterwards,
    Hangs,
}

/// A store on such a disk.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    store: Arc<dyn TaskHubStore>,
    disk: Mutex<Disk>,
    changed: Condvar,
}

impl FaultyStore {
    /// In memory.
    pub(crate) fn new() -> Self {
        Self::on(Arc::new(MemoryStore::new(16)))
    }

    pub(crate) fn on(store: Arc<dyn TaskHubStore>) -> Self {
        Self { store, disk: Mutex::new(Disk::Works), changed: Condvar::new() }
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

    fn commit(&self, fence: &Fence, operations: Vec<Operation>) -> Result<Committed, StoreError> {
        let mut disk = self.disk.lock();
        self.changed.wait_while(&mut disk, |disk| *disk == Disk::Hangs);
        let died =
            || StoreError::Io { action: "write".to_owned(), source: io::Error::other("the disk died") };
        if *disk == Disk::Fails {
            return Err(died());
        }
        let outcomes = self.store.commit(fence, operations)?;
        if *disk == Disk::FailsAfterwards { Err(died()) } else { Ok(outcomes) }
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

    fn schedules(&self) -> Result<Vec<(ScheduleId, ScheduleRecord)>, StoreError> {
        self.store.schedules()
    }

    fn queued_modules(&self) -> Result<HashSet<ModuleHash>, StoreError> {
        self.store.queued_modules()
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

    fn entity(&self, id: &EntityId) -> Result<Option<EntityRecord>, StoreError> {
        self.store.entity(id)
    }

    fn entity_mail(&self, id: &EntityId, now: Timestamp, limit: usize) -> Result<EntityMail, StoreError> {
        self.store.entity_mail(id, now, limit)
    }

    fn list_entities(&self, query: &EntityQuery) -> Result<EntityPage, StoreError> {
        self.store.list_entities(query)
    }
}
