//! The storage of a task hub: instances, histories, inboxes, open tasks.
//!
//! [`TaskHubStore`] says what any store must promise, and [`conformance`] checks it. What an operation means is written
//! once, over rows, and shared by both stores here: [`MemoryStore`] for tests and [`EmbeddedStore`] for real.
//!
//! *Invariant:* the trait is blocking. A store is files and locks; `taskhub` calls [`TaskHubStore::commit`] from one
//! thread of its own.

#![forbid(unsafe_code)]

#[doc(hidden)]
pub mod conformance;
mod embedded;
mod entity;
mod hub;
mod list;
mod memory;
mod operation;
mod rows;
mod schedule;
mod store;

pub use embedded::{EmbeddedStore, RepairReport, StoreOptions, repair};
pub use entity::{
    EntityMail, EntityPage, EntityQuery, EntityReply, EntityTurn, EntityTurnOutcome, MailPlace,
};
pub use list::{ListPage, ListPosition, ListQuery, SortBy, TimeRange};
pub use memory::MemoryStore;
pub use operation::{
    Holder, IdempotencyKey, OnceOutcome, OnceRequest, Operation, Outcome, PurgeOutcome, QueuedStart, Repin,
    RetryTask, RewindOutcome, RewindRequest, SendEvent, SendOutcome, StartOutcome, StartRequest, TurnOutcome,
    TurnWrite,
};
pub use schedule::{RunWith, ScheduleChange, ScheduleOutcome, ScheduleWrite, ScheduleWritten};
pub use store::{
    Committed, Fence, Lease, OpenActivity, OpenTimer, Recovered, Snapshot, StatusCounts, StoreError,
    TaskHubStore, TaskHubView,
};
