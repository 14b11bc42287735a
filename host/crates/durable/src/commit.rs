//! The one value that a turn writes.

use crate::{ExecutionId, ExecutionRecord, InstanceId, Json, RuntimeStatus, TaskFailureDetails, Turn};

/// All that a turn changes: written whole or not at all.
///
/// The store refuses it unless the instance still has this `execution` and this `base_event_count`. From the turn's
/// events it makes and removes the rows of open tasks: `TaskScheduled` and `TimerCreated` make one, the events that
/// finish or cancel the task remove it. A turn that ends the execution removes all that is left of them.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnCommit {
    /// Whose turn it is.
    pub instance: InstanceId,
    /// The execution that it was built on.
    pub execution: ExecutionId,
    /// The number of history events that it was built on.
    pub base_event_count: u64,
    /// What happened; appended to the history.
    pub turn: Turn,
    /// The instance's status after the turn. `ContinuedAsNew` exactly if there is a `next` execution.
    pub status: RuntimeStatus,
    /// The custom status after the turn.
    pub custom_status: Option<Json>,
    /// Of a finished instance.
    pub output: Option<Json>,
    /// Of a failed instance.
    pub failure: Option<TaskFailureDetails>,
    /// Sequence numbers of the inbox messages that the turn took, dropped ones included.
    pub taken: Vec<u64>,
    /// Where the instance goes on when it continues as new.
    pub next: Option<NextExecution>,
}

/// The execution that follows when an instance continues as new.
#[derive(Debug, Clone, PartialEq)]
pub struct NextExecution {
    /// Its id.
    pub execution: ExecutionId,
    /// Whether it stays on the component of the one before; otherwise it takes that of the active app version.
    pub keep_version: bool,
    /// What it begins with.
    pub record: ExecutionRecord,
}
