//! Entities: what can be written, and what can be read.

use crate::StartRequest;
use durance_durable::{
    Caller, EntityId, EntityMessage, EntityRecord, EntitySignal, Json, Lane, LockRequest, Message,
    TaskFailureDetails, Timestamp, Token,
};
use serde::{Deserialize, Serialize};

/// A turn of an entity: operations that were run one after the other, with all that they changed.
#[derive(Debug, Clone, PartialEq)]
pub struct EntityTurn {
    /// Whose turn it is.
    pub entity: EntityId,
    /// The version of the record that it was built on; none: there was no record.
    pub base: Option<Token>,
    /// The messages that it took.
    pub taken: Vec<MailPlace>,
    /// The state after it.
    pub state: Option<Json>,
    /// When its last operation was; none: it ran no operation.
    pub last_operation: Option<Timestamp>,
    /// Results, for those who wait for them.
    pub replies: Vec<EntityReply>,
    /// To be sent to other entities, in order.
    pub signals: Vec<EntitySignal>,
    /// Orchestrations to be started.
    pub starts: Vec<StartRequest>,
    /// The request to lock the entity for, after all else.
    pub lock: Option<LockRequest>,
}

/// The result of an operation that was called.
#[derive(Debug, Clone, PartialEq)]
pub struct EntityReply {
    /// Who waits for it.
    pub caller: Caller,
    /// What the operation returned, or why it failed.
    pub result: Result<Json, TaskFailureDetails>,
}

/// Answer to a turn of an entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum EntityTurnOutcome {
    /// Written. The messages are for orchestrations, to be delivered.
    Committed {
        /// To deliver.
        messages: Vec<Message>,
    },
    /// The entity has changed since: nothing was written. It is to be tried again on what it is now.
    Stale,
}

/// Where a message is in the inbox of an entity. The order is that in which messages are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailPlace {
    /// The queue.
    pub lane: Lane,
    /// Of a scheduled signal: not before this time. Otherwise 0.
    pub due: Timestamp,
    /// Rising through the hub.
    pub sequence: u64,
}

/// What an entity may take at present.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EntityMail {
    /// In the order in which it is to be taken.
    pub messages: Vec<(MailPlace, EntityMessage)>,
    /// When the next scheduled signal will be due.
    pub next_due: Option<Timestamp>,
}

/// Which entities to list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EntityQuery {
    /// Only those of this name, in any letter case.
    pub name: Option<String>,
    /// Whose last operation was at or after.
    pub last_operation_from: Option<Timestamp>,
    /// Whose last operation was at or before.
    pub last_operation_to: Option<Timestamp>,
    /// Only ids after this one: the continuation.
    pub after: Option<EntityId>,
    /// The longest page, at least 1.
    pub page_size: usize,
}

/// A page of a listing: entities that have a state.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EntityPage {
    /// In the order of ids.
    pub entities: Vec<(EntityId, EntityRecord)>,
    /// Where the next page begins; none on the last one.
    pub after: Option<EntityId>,
}
