//! History events: what happened to an execution, and what its orchestrator asked for.

use crate::{InstanceId, Json, RetryPolicy, RuntimeStatus, TaskFailureDetails, Timestamp};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc, time::Duration};

/// Number of a task within its execution, from 0 in the order of scheduling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(pub u32);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How an activity is to be run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ActivityOptions {
    /// None: one attempt.
    pub retry: Option<RetryPolicy>,
    /// One attempt may take this long. None: the host's default.
    pub timeout: Option<Duration>,
}

/// The orchestrator calls an activity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleTask {
    /// The task that the call became.
    pub task: TaskId,
    /// The activity's name.
    pub name: Arc<str>,
    /// Its input.
    pub input: Json,
    /// Retries and time-out.
    pub options: ActivityOptions,
}

/// The orchestrator calls another orchestrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateSubOrchestration {
    /// The task that the call became.
    pub task: TaskId,
    /// The orchestrator's name.
    pub name: Arc<str>,
    /// The child's instance id.
    pub instance: InstanceId,
    /// Its input.
    pub input: Json,
}

/// The orchestrator waits for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateTimer {
    /// The task that the timer became.
    pub task: TaskId,
    /// When it fires.
    pub fire_at: Timestamp,
}

/// One event in the history of an execution.
///
/// On disk a variant is its index: new ones are added at the end, none is ever removed or moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum HistoryEvent {
    /// The execution began. Always the first event.
    ExecutionStarted,
    /// An activity ended well.
    TaskCompleted {
        /// The task.
        task: TaskId,
        /// What the activity returned.
        result: Json,
    },
    /// An activity failed for good.
    TaskFailed {
        /// The task.
        task: TaskId,
        /// The failure of the last attempt.
        failure: TaskFailureDetails,
    },
    /// A sub-orchestration ended well.
    SubOrchestrationInstanceCompleted {
        /// The task.
        task: TaskId,
        /// The child's output.
        result: Json,
    },
    /// A sub-orchestration failed, was terminated or could not be started.
    SubOrchestrationInstanceFailed {
        /// The task.
        task: TaskId,
        /// Why.
        failure: TaskFailureDetails,
    },
    /// A timer is due.
    TimerFired {
        /// The task.
        task: TaskId,
    },
    /// An external event came in.
    EventRaised {
        /// Its name, as sent; compared without regard to case.
        name: Arc<str>,
        /// Its data.
        input: Json,
    },
    /// Somebody suspended the instance.
    ExecutionSuspended {
        /// As given.
        reason: Arc<str>,
    },
    /// Somebody resumed the instance.
    ExecutionResumed {
        /// As given.
        reason: Arc<str>,
    },
    /// Somebody terminated the instance.
    ExecutionTerminated {
        /// As given.
        reason: Arc<str>,
        /// Its live sub-orchestrations are terminated too, and theirs.
        recursive: bool,
    },
    /// The orchestrator called an activity.
    TaskScheduled(ScheduleTask),
    /// The orchestrator called another orchestrator.
    SubOrchestrationInstanceCreated(CreateSubOrchestration),
    /// The orchestrator created a timer.
    TimerCreated(CreateTimer),
    /// The orchestrator gave up a timer.
    TimerCanceled {
        /// The task.
        task: TaskId,
    },
    /// The execution ended. Always the last event.
    ExecutionCompleted {
        /// Completed, Failed or Terminated.
        status: RuntimeStatus,
        /// What the orchestrator returned, or the reason of a termination.
        output: Option<Json>,
        /// Of a failed one.
        failure: Option<TaskFailureDetails>,
    },
    /// The execution ended and the instance began again. Always the last event.
    ContinueAsNew {
        /// Of the next execution.
        input: Json,
    },
    /// Somebody rewound the failed instance: the execution goes on from what is kept. A turn of its own.
    ExecutionRewound {
        /// As given.
        reason: Arc<str>,
        /// How many events, from the first one on, stay in force. Those between them and this one do not count.
        kept_events: u64,
    },
}

impl HistoryEvent {
    /// Whether this came to the orchestrator, rather than from it.
    #[must_use]
    pub fn is_received(&self) -> bool {
        match self {
            Self::ExecutionStarted
            | Self::TaskCompleted { .. }
            | Self::TaskFailed { .. }
            | Self::SubOrchestrationInstanceCompleted { .. }
            | Self::SubOrchestrationInstanceFailed { .. }
            | Self::TimerFired { .. }
            | Self::EventRaised { .. }
            | Self::ExecutionSuspended { .. }
            | Self::ExecutionResumed { .. }
            | Self::ExecutionTerminated { .. }
            | Self::ExecutionRewound { .. } => true,
            Self::TaskScheduled(_)
            | Self::SubOrchestrationInstanceCreated(_)
            | Self::TimerCreated(_)
            | Self::TimerCanceled { .. }
            | Self::ExecutionCompleted { .. }
            | Self::ContinueAsNew { .. } => false,
        }
    }

    /// How long the value is that an orchestrator hands over with this event. Unit: bytes.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        match self {
            Self::TaskScheduled(call) => call.input.as_str().len(),
            Self::SubOrchestrationInstanceCreated(child) => child.input.as_str().len(),
            _ => 0,
        }
    }

    /// Whether the orchestrator hears by this event that a task has failed.
    #[must_use]
    pub fn is_task_failure(&self) -> bool {
        matches!(self, Self::TaskFailed { .. } | Self::SubOrchestrationInstanceFailed { .. })
    }

    /// The task that this event finishes, if it does.
    #[must_use]
    pub fn completes(&self) -> Option<TaskId> {
        match self {
            Self::TaskCompleted { task, .. }
            | Self::TaskFailed { task, .. }
            | Self::SubOrchestrationInstanceCompleted { task, .. }
            | Self::SubOrchestrationInstanceFailed { task, .. }
            | Self::TimerFired { task } => Some(*task),
            _ => None,
        }
    }
}

/// For the two sides of a non-determinism failure.
impl fmt::Display for HistoryEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TaskScheduled(t) => {
                write!(f, "task {}: activity '{}' with input {}", t.task, t.name, t.input)
            }
            Self::SubOrchestrationInstanceCreated(s) => write!(
                f,
                "task {}: sub-orchestration '{}' with id '{}' and input {}",
                s.task, s.name, s.instance, s.input
            ),
            Self::TimerCreated(t) => write!(f, "task {}: timer for {} ns", t.task, t.fire_at.as_nanos()),
            Self::TimerCanceled { task } => write!(f, "cancellation of timer task {task}"),
            Self::ExecutionCompleted { status, .. } => write!(f, "end of the execution as {status}"),
            Self::ContinueAsNew { .. } => f.write_str("continue as new"),
            other => write!(f, "{other:?}"),
        }
    }
}
