//! What operations mean, over ordered tables of bytes: the rules that both stores share.
//!
//! A backend keeps [`Rows`] and writes a [`Staged`] set of changes atomically. A [`Transaction`] lies between: it reads
//! the rows through the changes staged so far, so that the operations of one commit see each other.
//!
//! *Invariant:* nothing here writes, syncs or locks.

mod codec;
mod entities;
mod hub;
pub(crate) mod keys;
mod lifecycle;
mod list;
mod once;
mod purge;
mod queue;
mod read;
mod repin;
mod retry;
mod rewind;
mod schedule;
mod send;
mod staged;
mod start;
mod stored;
mod sweep;
mod transaction;
mod turn;

pub(crate) use codec::decode;
pub(crate) use hub::{check_lease, counters_row, decide, open_hub};
pub(crate) use keys::Key;
pub(crate) use read::Reader;
pub(crate) use staged::{Change, Staged};
pub(crate) use stored::{Counters, Opening};
use transaction::Transaction;
pub(crate) use transaction::{WriteBatch, read_opening};

use crate::StoreError;
use std::ops::ControlFlow;

/// A table. On disk it is its number: none is ever renumbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Table {
    /// Counters and settings of the hub.
    Meta = 0,
    /// `InstanceRecord` by instance id.
    Instances = 1,
    /// `InstanceRecord` of a replaced run by instance id and generation.
    Generations = 2,
    /// `ExecutionRecord` by execution id.
    Executions = 3,
    /// `Turn` by execution id and number of its first event.
    History = 4,
    /// [`stored::StoredMessage`] by partition, instance id and sequence.
    Inbox = 5,
    /// [`stored::OpenTask`] by partition, instance id, execution id and task.
    Tasks = 6,
    /// [`stored::FirstOutcome`] by digest of the idempotency key.
    Idempotency = 7,
    /// Nothing, by the time when an idempotency key expires and the key's digest.
    IdempotencyExpiry = 8,
    /// [`stored::Tombstone`] of a purged instance by its id.
    Tombstones = 9,
    /// `ScheduleRecord` by schedule id.
    Schedules = 20,
    /// Nothing, by the time until which a finished run is kept, its instance id and its generation.
    Expiries = 21,
    /// `EntityRecord` by entity id.
    Entities = 10,
    /// `EntityMessage` by partition, entity id and place.
    EntityInbox = 11,
    /// [`durance_durable::CriticalSection`] by execution id.
    CriticalSections = 12,
    /// Nothing, by instance id of a parent and instance id of its sub-orchestration.
    Children = 22,
    /// Nothing, by creation time and instance id.
    Created = 23,
    /// `StartRequest` by instance id and sequence, of starts that wait for the end of the instance.
    Queue = 24,
}

impl Table {
    /// The name in errors.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Instances => "instances",
            Self::Generations => "generations",
            Self::Executions => "executions",
            Self::History => "history",
            Self::Inbox => "inbox",
            Self::Tasks => "tasks",
            Self::Idempotency => "idempotency",
            Self::IdempotencyExpiry => "idempotency expiry",
            Self::Tombstones => "tombstones",
            Self::Schedules => "schedules",
            Self::Expiries => "expiries",
            Self::Entities => "entities",
            Self::EntityInbox => "entity inbox",
            Self::CriticalSections => "critical sections",
            Self::Children => "children",
            Self::Created => "created",
            Self::Queue => "queue",
        }
    }
}

/// The order of a scan, and where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction<'k> {
    /// In the order of keys, from this one on.
    Up(&'k [u8]),
    /// Against it, from the last one before this one; none: from the last one.
    Down(Option<&'k [u8]>),
}

impl Direction<'_> {
    pub(crate) fn is_up(self) -> bool {
        matches!(self, Self::Up(_))
    }
}

/// Called with the key and value of each row in turn; says whether to go on.
pub(crate) type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, StoreError> + 'a;

/// Ordered tables of bytes, as they were at one moment.
pub(crate) trait Rows {
    /// The value under a key.
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError>;

    /// Visits the rows of `prefix`'s table whose keys begin with it.
    fn scan(&self, prefix: &Key, direction: Direction<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError>;
}
