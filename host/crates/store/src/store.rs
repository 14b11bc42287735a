//! What a task hub's store promises.

use crate::{
    EntityMail, EntityPage, EntityQuery, IdempotencyKey, ListPage, ListQuery, OnceOutcome, Operation, Outcome,
};
use durance_durable::{
    EntityId, EntityRecord, ExecutionId, ExecutionRecord, InstanceId, InstanceRecord, Json, Message,
    ModuleHash, PartitionId, RuntimeStatus, ScheduleId, ScheduleRecord, ScheduleTask, TaskId, Timestamp,
    Token, Turn,
};
use serde::{Deserialize, Serialize};
use std::{collections::HashSet, fmt, path::PathBuf, time::Duration};

/// The right to drive a partition until somebody else takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The partition.
    pub partition: PartitionId,
    /// Rises each time the partition changes hands: the fencing token of its owner.
    pub epoch: u64,
}

/// The leases that a commit relies on, one for each partition that the owner drives.
pub type Fence = [Lease];

/// Storage of one task hub.
///
/// Reads show only what is durable.
pub trait TaskHubStore: TaskHubView + Send + Sync + fmt::Debug + 'static {
    /// How many partitions the hub has; fixed for its life.
    fn partition_count(&self) -> u16;

    /// Takes every partition that is free; the owner is named in errors that others see.
    ///
    /// # Errors
    /// The store cannot be written.
    fn acquire(&self, owner: &str) -> Result<Vec<Lease>, StoreError>;

    /// Keeps the leases alive.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`]: somebody else has one of them; stop driving it.
    fn renew(&self, leases: &Fence) -> Result<(), StoreError>;

    /// Decides the operations in order and writes what they decide, all of it or nothing.
    ///
    /// Guarantee: when this returns, everything that the outcomes say is durable, refusals too. One sync, however many
    /// operations.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`]: an operation's partition is not the owner's any more; nothing was written.
    /// [`StoreError::Io`] or [`StoreError::Poisoned`]: it is unknown what was written; the process must end.
    fn commit(&self, fence: &Fence, operations: Vec<Operation>) -> Result<Committed, StoreError>;

    /// The hub as it is now, to read several things of one moment.
    fn view(&self) -> Box<dyn TaskHubView + '_>;
}

/// What a commit has done.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Committed {
    /// One for each operation, in their order.
    pub outcomes: Vec<Outcome>,
    /// Entities that may have something to take now, whatever operation was the reason.
    pub woken: Vec<EntityId>,
}

/// What can be read of a task hub. On a store each call sees its own moment; on a [`TaskHubStore::view`] all see one.
pub trait TaskHubView {
    /// All that waits in a partition: to be called once by a new owner, before its first commit.
    ///
    /// # Errors
    /// The store cannot be read.
    fn recover(&self, partition: PartitionId) -> Result<Vec<Recovered>, StoreError>;

    /// The instance that has this id, and the id's token.
    ///
    /// # Errors
    /// The store cannot be read.
    fn instance(&self, id: &InstanceId) -> Result<Snapshot, StoreError>;

    /// What an execution began with.
    ///
    /// # Errors
    /// The store cannot be read.
    fn execution(&self, id: ExecutionId) -> Result<Option<ExecutionRecord>, StoreError>;

    /// The turns of an execution, in order.
    ///
    /// # Errors
    /// The store cannot be read.
    fn history(&self, id: ExecutionId) -> Result<Vec<Turn>, StoreError>;

    /// The newest finished runs that were replaced under this id, at most 3, the newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    fn previous_generations(&self, id: &InstanceId) -> Result<Vec<InstanceRecord>, StoreError>;

    /// All schedules, in the order of their ids (by bytes).
    ///
    /// # Errors
    /// The store cannot be read.
    fn schedules(&self) -> Result<Vec<(ScheduleId, ScheduleRecord)>, StoreError>;

    /// The components of all starts that wait for the end of another run.
    ///
    /// # Errors
    /// The store cannot be read.
    fn queued_modules(&self) -> Result<HashSet<ModuleHash>, StoreError>;

    /// The sub-orchestrations of an instance that have not been replaced or purged, in the order of their ids.
    ///
    /// # Errors
    /// The store cannot be read.
    fn children(&self, id: &InstanceId) -> Result<Vec<InstanceId>, StoreError>;

    /// What was told the first request under an idempotency key that has not expired at `now`; none if there was none.
    ///
    /// # Errors
    /// The store cannot be read.
    fn first_outcome(&self, key: &IdempotencyKey, now: Timestamp) -> Result<Option<OnceOutcome>, StoreError>;

    /// How many instances there are of each status.
    ///
    /// # Errors
    /// The store cannot be read.
    fn counts(&self) -> Result<StatusCounts, StoreError>;

    /// One page of instances.
    ///
    /// # Errors
    /// The store cannot be read.
    fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError>;

    /// What is stored about an entity.
    ///
    /// # Errors
    /// The store cannot be read.
    fn entity(&self, id: &EntityId) -> Result<Option<EntityRecord>, StoreError>;

    /// The first messages, about `limit`, that an entity may take at `now`: of a locked one only calls of who holds the
    /// lock.
    ///
    /// # Errors
    /// The store cannot be read.
    fn entity_mail(&self, id: &EntityId, now: Timestamp, limit: usize) -> Result<EntityMail, StoreError>;

    /// One page of the entities that have a state, in the order of their ids (by bytes).
    ///
    /// # Errors
    /// The store cannot be read.
    fn list_entities(&self, query: &EntityQuery) -> Result<EntityPage, StoreError>;
}

/// An instance and its id's token at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Given for a missing id too, where it stays the same until the id is used, or the store is opened again.
    pub token: Token,
    /// None: no instance has the id.
    pub record: Option<InstanceRecord>,
    /// The generation that a start gets, if nothing changes before it.
    pub next_generation: u64,
}

/// How many instances have each status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StatusCounts([u64; RuntimeStatus::ALL.len()]);

impl StatusCounts {
    /// How many have this status.
    #[must_use]
    pub fn of(&self, status: RuntimeStatus) -> u64 {
        self.0.get(status as usize).copied().unwrap_or_default()
    }

    pub(crate) fn change(&mut self, from: Option<RuntimeStatus>, to: Option<RuntimeStatus>) {
        if let Some(count) = from.and_then(|status| self.0.get_mut(status as usize)) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = to.and_then(|status| self.0.get_mut(status as usize)) {
            *count += 1;
        }
    }
}

/// Something that waits: found when a partition gets a new owner, or opened again by a rewind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Recovered {
    /// To be delivered.
    Message(Message),
    /// To be run.
    Activity(OpenActivity),
    /// To be fired.
    Timer(OpenTimer),
    /// Something of this instance cannot be read: it cannot go on.
    Unreadable {
        /// Whose.
        instance: InstanceId,
        /// Which row, and what is wrong with it.
        why: String,
    },
    /// Has messages in its inbox.
    Entity(EntityId),
}

/// An activity that has no result yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenActivity {
    /// Whose activity.
    pub instance: InstanceId,
    /// Whose activity.
    pub execution: ExecutionId,
    /// What was called.
    pub call: ScheduleTask,
    /// When it was scheduled.
    pub scheduled: Timestamp,
    /// The number of the next attempt, from 1.
    pub attempt: u32,
    /// When that may begin; none: now.
    pub due: Option<Timestamp>,
    /// What the last attempt said of itself.
    pub heartbeat: Option<Json>,
}

/// A timer that has not fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenTimer {
    /// Whose timer.
    pub instance: InstanceId,
    /// Whose timer.
    pub execution: ExecutionId,
    /// Which one.
    pub task: TaskId,
    /// When it fires.
    pub fire_at: Timestamp,
}

/// Why a store cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has the store open.
    #[error(
        "the data folder {path} is in use by another process; stop that one, or choose another folder with --data"
    )]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// Nothing was ever stored in the folder.
    #[error(
        "{path} is not a data folder: nothing was ever stored there; name the one that was given with --data"
    )]
    NoStore {
        /// The folder.
        path: PathBuf,
    },
    /// The store was written by another version.
    #[error("the data folder {path} has format {found}, this version of durance reads format {supported}")]
    UnsupportedFormat {
        /// The folder.
        path: PathBuf,
        /// What the folder says.
        found: String,
        /// What this program can read.
        supported: u32,
    },
    /// The last batch was cut off by a crash before it was acknowledged. Nothing acknowledged is lost.
    #[error(
        "the last write to {path} was cut off by a crash before it was acknowledged ({why}); \
         run `durance store repair --data {path}` to remove it: nothing that was acknowledged is lost"
    )]
    TornBatch {
        /// The folder.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// Acknowledged data is damaged or missing.
    #[error("the store in {path} is damaged: {why}; restore the folder from a backup")]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// A row cannot be decoded.
    #[error("a row of {table} cannot be read: {why}; the store is damaged or was written by another version")]
    Corrupt {
        /// The kind of row.
        table: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Somebody else drives a partition.
    #[error("partition {} is driven by another host now", .0.0)]
    LeaseLost(PartitionId),
    /// Reading or writing failed.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A commit does not come to an end.
    #[error(
        "the store has not finished a write for {} s: the disk hangs, or is full; nothing is acknowledged any more",
        .0.as_secs()
    )]
    Stalled(Duration),
    /// A write failed before: nothing is acknowledged any more until the process starts again and recovers.
    #[error("a write to the store failed before; restart the process so that it recovers what is durable")]
    Poisoned,
}
