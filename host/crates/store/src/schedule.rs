//! What a store can be asked to write of schedules, and what it answers.

use crate::StartOutcome;
use durance_durable::{
    ExecutionId, InstanceId, ModuleHash, RetentionPolicy, ScheduleDefinition, ScheduleId, ScheduleRecord,
    ScheduledRun, Timestamp, Token,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

/// A change of one schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleWrite {
    /// Which.
    pub id: ScheduleId,
    /// What.
    pub change: ScheduleChange,
    /// The present.
    pub now: Timestamp,
}

/// What is to happen to a schedule.
#[derive(Debug, Clone, PartialEq)]
pub enum ScheduleChange {
    /// It is made; refused if there is one.
    Create(ScheduleDefinition),
    /// It is made, or gets this definition.
    Put(ScheduleDefinition),
    /// It is deleted. What it started goes on.
    Delete,
    /// Nothing is due until it is resumed.
    Pause {
        /// As given.
        reason: Arc<str>,
    },
    /// It goes on.
    Resume,
    /// What is due is decided: each tick starts its run in the same commit, or does not.
    Tick(RunWith),
    /// It is due now, besides its own times and even if it is paused.
    Trigger(RunWith),
    /// A call of the function has ended.
    Ended {
        /// The tick that made it.
        scheduled: Timestamp,
        /// Why it failed, if it did.
        failure: Option<Arc<str>>,
    },
}

/// What runs need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunWith {
    /// The record's revision that this was made for; another one changes nothing.
    pub revision: Token,
    /// The component to pin a started orchestration to, or why there is none. Nothing for functions.
    pub module: Result<ModuleHash, Arc<str>>,
    /// How long the runs are kept after their ends.
    pub retention: RetentionPolicy,
    /// Execution ids follow from it. Never used before.
    pub seed: Uuid,
}

/// Answer to a change of a schedule. Whatever it says is durable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ScheduleOutcome {
    /// There is no such schedule.
    NotFound,
    /// There is one; nothing was changed.
    AlreadyExists(Box<ScheduleRecord>),
    /// The schedule has changed since; nothing was changed.
    Stale(Box<ScheduleRecord>),
    /// It is gone.
    Deleted,
    /// It is written.
    Written(Box<ScheduleWritten>),
}

/// A schedule after a change, and what the change set off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleWritten {
    /// As it is now.
    pub record: ScheduleRecord,
    /// What became of the ticks that were decided, in order.
    pub runs: Vec<ScheduledRun>,
    /// The orchestrations that were started, to take effect.
    pub starts: Vec<StartOutcome>,
    /// The runs that were terminated for others, besides those that the starts name.
    pub terminated: Vec<(InstanceId, ExecutionId)>,
    /// Whether it was created.
    pub created: bool,
}
