//! History events: what happened to an execution, and what its orchestrator asked for.

use crate::{
    EntityId, EntitySignal, InstanceId, Json, RetryPolicy, RuntimeStatus, TaskFailureDetails, Timestamp,
};
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
#[serde(rename_all = "camelCase")]
pub struct ActivityOptions {
    /// None: one attempt.
    pub retry: Option<RetryPolicy>,
    /// One attempt may take this long. None: the host's default.
    pub timeout: Option<Duration>,
    /// An attempt fails when it says nothing for this long. None: it need not say anything.
    #[serde(default)]
    pub heartbeat_timeout: Option<Duration>,
    /// The name of a limit that calls share, beyond that of their function.
    #[serde(default)]
    pub concurrency_key: Option<Arc<str>>,
    /// Of those that wait for a place, which come first: the higher ones.
    #[serde(default)]
    pub priority: i8,
}

/// The orchestrator calls an activity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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

/// The orchestrator calls another orchestrator, or calls it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateSubOrchestration {
    /// The task that the call became.
    pub task: TaskId,
    /// The orchestrator's name.
    pub name: Arc<str>,
    /// The child's instance id.
    #[serde(rename = "instanceId")]
    pub instance: InstanceId,
    /// Its input.
    pub input: Json,
    /// None: one attempt.
    pub retry: Option<RetryPolicy>,
}

/// The orchestrator starts another orchestration and does not wait for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartOrchestration {
    /// The number that the start took; no result ever comes for it.
    pub task: TaskId,
    /// The orchestrator's name.
    pub name: Arc<str>,
    /// The instance id to start it under.
    #[serde(rename = "instanceId")]
    pub instance: InstanceId,
    /// Its input.
    pub input: Json,
}

/// The orchestrator sends an event to another instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SendEventTo {
    /// The receiver.
    #[serde(rename = "instanceId")]
    pub instance: InstanceId,
    /// The event's name.
    pub name: Arc<str>,
    /// Its data.
    pub input: Json,
}

/// The orchestrator waits for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateTimer {
    /// The task that the timer became.
    pub task: TaskId,
    /// When it fires.
    pub fire_at: Timestamp,
}

/// The orchestrator calls an operation of an entity, and waits for its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallEntity {
    /// The task that the call became.
    pub task: TaskId,
    /// The entity.
    pub entity: EntityId,
    /// The operation's name.
    pub operation: Arc<str>,
    /// Its input.
    pub input: Json,
}

/// The orchestrator asks for the locks of entities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockEntities {
    /// The task that is done when all locks are held; it names the critical section.
    pub task: TaskId,
    /// The entities, in the order of their ids, none twice.
    pub entities: Vec<EntityId>,
}

/// One event in the history of an execution.
///
/// On disk a variant is its index: new ones are added at the end, none is ever removed or moved. In JSON it is an object
/// with the variant's name as `eventType` beside its fields; a field that is added must have a default, so that older
/// files stay readable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all_fields = "camelCase")]
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
    /// The orchestrator gave up an activity: what runs of it is told, and stopped.
    TaskCanceled {
        /// The task.
        task: TaskId,
    },
    /// The orchestrator sent an event.
    EventSent(SendEventTo),
    /// The orchestrator started another orchestration, which goes its own way.
    OrchestrationStarted(StartOrchestration),
    /// The orchestrator called an operation of an entity.
    EntityOperationCalled(CallEntity),
    /// The orchestrator signalled an entity.
    EntityOperationSignaled(EntitySignal),
    /// An operation of an entity ended well.
    EntityOperationCompleted {
        /// The task.
        task: TaskId,
        /// What the operation returned.
        result: Json,
    },
    /// An operation of an entity failed.
    EntityOperationFailed {
        /// The task.
        task: TaskId,
        /// Why.
        failure: TaskFailureDetails,
    },
    /// The orchestrator asked for locks.
    EntityLockRequested(LockEntities),
    /// All locks that were asked for are held.
    EntityLockGranted {
        /// The task.
        task: TaskId,
    },
    /// The orchestrator gave its locks back, or does not wait for them any more.
    EntityUnlockSent {
        /// The task that asked for them.
        task: TaskId,
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
            | Self::EntityOperationCompleted { .. }
            | Self::EntityOperationFailed { .. }
            | Self::EntityLockGranted { .. }
            | Self::ExecutionRewound { .. } => true,
            Self::TaskScheduled(_)
            | Self::SubOrchestrationInstanceCreated(_)
            | Self::TimerCreated(_)
            | Self::TimerCanceled { .. }
            | Self::ExecutionCompleted { .. }
            | Self::ContinueAsNew { .. }
            | Self::TaskCanceled { .. }
            | Self::EventSent(_)
            | Self::OrchestrationStarted(_)
            | Self::EntityOperationCalled(_)
            | Self::EntityOperationSignaled(_)
            | Self::EntityLockRequested(_)
            | Self::EntityUnlockSent { .. } => false,
        }
    }

    /// How long the value is that an orchestrator hands over with this event. Unit: bytes.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        match self {
            Self::TaskScheduled(call) => call.input.as_str().len(),
            Self::SubOrchestrationInstanceCreated(child) => child.input.as_str().len(),
            Self::EntityOperationCalled(call) => call.input.as_str().len(),
            Self::EntityOperationSignaled(signal) => signal.input.as_str().len(),
            Self::EventSent(event) => event.input.as_str().len(),
            Self::OrchestrationStarted(start) => start.input.as_str().len(),
            _ => 0,
        }
    }

    /// Whether the orchestrator hears by this event that a task has failed.
    #[must_use]
    pub fn is_task_failure(&self) -> bool {
        matches!(
            self,
            Self::TaskFailed { .. }
                | Self::SubOrchestrationInstanceFailed { .. }
                | Self::EntityOperationFailed { .. }
        )
    }

    /// The task that this event finishes, if it does.
    #[must_use]
    pub fn completes(&self) -> Option<TaskId> {
        match self {
            Self::TaskCompleted { task, .. }
            | Self::TaskFailed { task, .. }
            | Self::SubOrchestrationInstanceCompleted { task, .. }
            | Self::SubOrchestrationInstanceFailed { task, .. }
            | Self::TimerFired { task }
            | Self::EntityOperationCompleted { task, .. }
            | Self::EntityOperationFailed { task, .. }
            | Self::EntityLockGranted { task } => Some(*task),
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
            Self::TaskCanceled { task } => write!(f, "cancellation of activity task {task}"),
            Self::EventSent(e) => {
                write!(f, "event '{}' to instance '{}' with data {}", e.name, e.instance, e.input)
            }
            Self::OrchestrationStarted(s) => write!(
                f,
                "task {}: start of orchestration '{}' with id '{}' and input {}",
                s.task, s.name, s.instance, s.input
            ),
            Self::ExecutionCompleted { status, output, failure } => {
                write!(f, "end of the execution as {status}")?;
                let output = output.iter().try_for_each(|output| write!(f, " with output {output}"));
                output.and(failure.iter().try_for_each(|failure| write!(f, " with failure {failure}")))
            }
            Self::ContinueAsNew { input } => write!(f, "continue as new with input {input}"),
            Self::EntityOperationCalled(c) => write!(
                f,
                "task {}: call of '{}' on entity {} with input {}",
                c.task, c.operation, c.entity, c.input
            ),
            Self::EntityOperationSignaled(s) => {
                write!(f, "signal '{}' to entity {} with input {}", s.operation, s.entity, s.input)?;
                s.due.map_or(Ok(()), |due| write!(f, " for {} ns", due.as_nanos()))
            }
            Self::EntityLockRequested(l) => {
                let entities: Vec<_> = l.entities.iter().map(EntityId::as_str).collect();
                write!(f, "task {}: locks of {}", l.task, entities.join(", "))
            }
            Self::EntityUnlockSent { task } => write!(f, "release of the locks of task {task}"),
            other => write!(f, "{other:?}"),
        }
    }
}
