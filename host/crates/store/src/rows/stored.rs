//! The rows that have no type of their own in `durance-durable`.

use crate::{Outcome, StatusCounts};
use durance_durable::{HistoryEvent, Json, MessageTarget, Timestamp, Token};
use serde::{Deserialize, Serialize};

/// The counters of a hub: part of every commit, and the first row of its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Counters {
    /// Number of the commit that wrote this.
    pub commit: u64,
    /// The last token given.
    pub token: u64,
    /// The last sequence number given to a message.
    pub sequence: u64,
    /// How many tombstones there are.
    pub tombstones: u64,
    /// How many instances have each status.
    pub statuses: StatusCounts,
}

/// What was settled when the hub was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Opening {
    /// Fixed when the hub was created.
    pub partition_count: u16,
    /// The leases' epoch: rises at each opening.
    pub epoch: u64,
    /// The token of every id that has neither an instance nor a tombstone.
    pub horizon: Token,
    /// No tombstone that was ever swept had a higher generation.
    pub generation_floor: u64,
    /// Whether the tombstones that are older than the horizon are being deleted.
    pub is_forgetting: bool,
}

/// A message in an inbox; receiver and sequence are in its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredMessage {
    pub target: MessageTarget,
    pub event: HistoryEvent,
}

/// A task that the host works on; whose it is and which one is in its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum OpenTask {
    /// What is called is in the history.
    Activity {
        /// The number of the first event in the history row that scheduled it.
        history_row: u64,
        /// The number of the next attempt, from 1.
        attempt: u32,
        /// When that may begin.
        due: Option<Timestamp>,
        /// What the last attempt said of itself.
        heartbeat: Option<Json>,
    },
    /// Fires once.
    Timer {
        /// When.
        fire_at: Timestamp,
    },
}

/// What is left of a purged instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tombstone {
    /// The id's token since the purge.
    pub token: Token,
    /// Of the run that was purged.
    pub generation: u64,
}

/// What the first request under an idempotency key was told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FirstOutcome {
    pub request_digest: [u8; 32],
    pub expires: Timestamp,
    pub told: Vec<Outcome>,
}
