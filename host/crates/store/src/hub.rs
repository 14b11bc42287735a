//! A task hub over any backend of rows.

use crate::{
    Committed, EntityMail, EntityPage, EntityQuery, Fence, IdempotencyKey, Lease, ListPage, ListQuery,
    OnceOutcome, Operation, Recovered, Snapshot, StatusCounts, StoreError, TaskHubStore, TaskHubView,
    rows::{Opening, Reader, Rows, WriteBatch, check_lease, decide, open_hub, read_opening},
};
use durance_durable::{
    EntityId, EntityRecord, ExecutionId, ExecutionRecord, InstanceId, InstanceRecord, ModuleHash,
    PartitionId, ScheduleId, ScheduleRecord, Timestamp, Turn,
};
use parking_lot::Mutex;
use std::{collections::HashSet, fmt};

/// Where rows are kept.
pub(crate) trait Backend: Send + Sync + fmt::Debug + 'static {
    /// The rows as they are now: all that was written, nothing that is being written.
    fn view(&self) -> Box<dyn Rows + '_>;

    /// Writes all of a batch or nothing, and returns when it is durable. Never called twice at a time.
    fn write(&self, batch: WriteBatch) -> Result<(), StoreError>;
}

/// A task hub, opened. Each of the crate's stores is one with its own backend.
#[derive(Debug)]
pub(crate) struct Hub<B> {
    backend: B,
    partition_count: u16,
    health: Mutex<Health>,
}

/// Locked by whoever commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Sound,
    /// A write failed: nobody knows what is durable.
    Poisoned,
}

impl<B: Backend> Hub<B> {
    /// Opens the hub, and creates it with `partition_count` partitions if there is none.
    pub(crate) fn open(backend: B, partition_count: u16) -> Result<Self, StoreError> {
        let hub = Self { backend, partition_count, health: Mutex::new(Health::Sound) };
        let partition_count = hub.reopen()?.partition_count;
        Ok(Self { partition_count, ..hub })
    }

    /// Takes all partitions from whoever has them.
    pub(crate) fn reopen(&self) -> Result<Opening, StoreError> {
        self.write(|rows| open_hub(rows, self.partition_count))
    }

    pub(crate) fn partition_count(&self) -> u16 {
        self.partition_count
    }

    pub(crate) fn backend(&self) -> &B {
        &self.backend
    }

    /// Decides what to write, and writes it, while nobody else does.
    fn write<T>(
        &self,
        decide: impl FnOnce(&dyn Rows) -> Result<(T, Option<WriteBatch>), StoreError>,
    ) -> Result<T, StoreError> {
        let mut health = self.health.lock();
        if *health == Health::Poisoned {
            return Err(StoreError::Poisoned);
        }
        let (answer, batch) = decide(&*self.backend.view())?;
        if let Some(batch) = batch {
            // A panic on the way leaves the poison too.
            *health = Health::Poisoned;
            self.backend.write(batch)?;
            *health = Health::Sound;
        }
        Ok(answer)
    }

    fn opening(&self) -> Result<Opening, StoreError> {
        read_opening(&*self.backend.view())
    }
}

/// A store that is a [`Hub`], and gets its promises from there.
pub(crate) trait HubStore: Send + Sync + fmt::Debug + 'static {
    type Rows: Backend;

    fn hub(&self) -> &Hub<Self::Rows>;
}

impl<S: HubStore> TaskHubStore for S {
    fn partition_count(&self) -> u16 {
        self.hub().partition_count()
    }

    fn acquire(&self, _owner: &str) -> Result<Vec<Lease>, StoreError> {
        let epoch = self.hub().opening()?.epoch;
        Ok((0..self.partition_count()).map(|index| Lease { partition: PartitionId(index), epoch }).collect())
    }

    fn renew(&self, leases: &Fence) -> Result<(), StoreError> {
        let opening = self.hub().opening()?;
        leases.iter().try_for_each(|lease| check_lease(&opening, leases, lease.partition))
    }

    fn commit(&self, fence: &Fence, operations: Vec<Operation>) -> Result<Committed, StoreError> {
        self.hub().write(|rows| decide(rows, fence, operations))
    }

    fn view(&self) -> Box<dyn TaskHubView + '_> {
        Box::new(Reader(self.hub().backend.view()))
    }
}

impl<S: HubStore> TaskHubView for S {
    fn recover(&self, partition: PartitionId) -> Result<Vec<Recovered>, StoreError> {
        self.view().recover(partition)
    }

    fn instance(&self, id: &InstanceId) -> Result<Snapshot, StoreError> {
        self.view().instance(id)
    }

    fn execution(&self, id: ExecutionId) -> Result<Option<ExecutionRecord>, StoreError> {
        self.view().execution(id)
    }

    fn history(&self, id: ExecutionId) -> Result<Vec<Turn>, StoreError> {
        self.view().history(id)
    }

    fn previous_generations(&self, id: &InstanceId) -> Result<Vec<InstanceRecord>, StoreError> {
        self.view().previous_generations(id)
    }

    fn schedules(&self) -> Result<Vec<(ScheduleId, ScheduleRecord)>, StoreError> {
        self.view().schedules()
    }

    fn queued_modules(&self) -> Result<HashSet<ModuleHash>, StoreError> {
        self.view().queued_modules()
    }

    fn children(&self, id: &InstanceId) -> Result<Vec<InstanceId>, StoreError> {
        self.view().children(id)
    }

    fn first_outcome(&self, key: &IdempotencyKey, now: Timestamp) -> Result<Option<OnceOutcome>, StoreError> {
        self.view().first_outcome(key, now)
    }

    fn counts(&self) -> Result<StatusCounts, StoreError> {
        self.view().counts()
    }

    fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        self.view().list(query)
    }

    fn entity(&self, id: &EntityId) -> Result<Option<EntityRecord>, StoreError> {
        self.view().entity(id)
    }

    fn entity_mail(&self, id: &EntityId, now: Timestamp, limit: usize) -> Result<EntityMail, StoreError> {
        self.view().entity_mail(id, now, limit)
    }

    fn list_entities(&self, query: &EntityQuery) -> Result<EntityPage, StoreError> {
        self.view().list_entities(query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryRows;
    use std::{
        io,
        sync::atomic::{AtomicBool, Ordering},
    };

    /// Rows whose disk can fail.
    #[derive(Debug, Default)]
    struct FailingRows {
        rows: MemoryRows,
        fails: AtomicBool,
    }

    impl Backend for FailingRows {
        fn view(&self) -> Box<dyn Rows + '_> {
            self.rows.view()
        }

        fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
            if self.fails.load(Ordering::SeqCst) {
                return Err(StoreError::Io {
                    action: "sync".to_owned(),
                    source: io::Error::other("the disk died"),
                });
            }
            self.rows.write(batch)
        }
    }

    #[derive(Debug)]
    struct FailingStore(Hub<FailingRows>);

    impl HubStore for FailingStore {
        type Rows = FailingRows;

        fn hub(&self) -> &Hub<FailingRows> {
            &self.0
        }
    }

    #[test]
    fn failed_write_poisons_the_store_even_if_the_disk_comes_back() {
        let store = FailingStore(Hub::open(FailingRows::default(), 1).unwrap());
        let leases = store.acquire("test").unwrap();
        let start = || vec![Operation::Start(crate::conformance::start_request("job", 1))];

        store.0.backend.fails.store(true, Ordering::SeqCst);
        assert!(matches!(store.commit(&leases, start()), Err(StoreError::Io { .. })));
        store.0.backend.fails.store(false, Ordering::SeqCst);
        assert!(matches!(store.commit(&leases, start()), Err(StoreError::Poisoned)));
        assert_eq!(store.instance(&InstanceId::new("job").unwrap()).unwrap().record, None);
    }
}
