//! Where an orchestrator's calls meet its history.
//!
//! The executor runs the orchestrator and hands every call of it to a [`RuntimeState`]. While there are past turns the
//! state *replays*: calls are compared with what the history says was asked then, and results come from it. After that
//! it is *live*: calls are noted, to be written by the commit of the turn. The orchestrator cannot tell the two apart.
//!
//! One turn from outside: [`RuntimeState::begin_turn`], run the orchestrator until [`RuntimeState::wait_any`] has
//! nothing for it or it returns, [`RuntimeState::end_turn`].

mod calls;
mod deliver;
mod end;
mod entities;
mod plan;
mod replay;
#[cfg(test)]
mod tests;
mod wait_set;

use crate::rewind::in_force;
use crate::{
    ExecutionId, ExecutionRecord, HistoryEvent, InstanceId, InstanceRecord, Json, Parent, StartDetails,
    TaskFailureDetails, TaskId, Timestamp, Turn,
};
pub use end::Outcome;
use entities::CriticalSection;
use plan::Plan;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};
use wait_set::WaitSet;

/// The most tasks that one execution may schedule. Continue as new before that.
///
/// Source: `maxOrchestrationActions` of Durable Functions.
pub const ACTIONS_MAX: usize = 100_000;

/// The longest custom status.
///
/// Unit: bytes. Source: Durable Functions, 16 KB.
pub const CUSTOM_STATUS_BYTES_MAX: usize = 16 * 1024;

/// The longest name of an activity, a sub-orchestrator or an event.
///
/// Unit: bytes.
pub const NAME_BYTES_MAX: usize = 1024;

/// All inputs that one turn may hand over together: they are written in one piece.
///
/// Unit: bytes.
pub const TURN_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The orchestrator asked for something that its history or the rules do not allow. It ends the orchestration as
/// failed; the text is for the author of the orchestrator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuestFault {
    /// Replay took another way than the history.
    #[error(transparent)]
    NonDeterminism(#[from] NonDeterminism),
    /// More than [`ACTIONS_MAX`] tasks.
    #[error("one execution may schedule at most {ACTIONS_MAX} tasks; continue as new before that")]
    TooManyActions,
    /// A wait for nothing.
    #[error("the orchestrator waits for an empty list of tasks: it would wait for ever")]
    NothingToWaitFor,
    /// No such task.
    #[error("there is no task {0} in this execution")]
    UnknownTask(TaskId),
    /// The task's result was taken before, or it was cancelled.
    #[error("the result of task {0} was taken before, or the task was cancelled")]
    ResultGone(TaskId),
    /// The task has no result yet.
    #[error("task {0} is not done: wait for it before taking its result")]
    NotDone(TaskId),
    /// More than [`CUSTOM_STATUS_BYTES_MAX`].
    #[error("a custom status has at most {CUSTOM_STATUS_BYTES_MAX} bytes, this one has {0}")]
    CustomStatusTooLarge(usize),
    /// More than [`TURN_BYTES_MAX`].
    #[error(
        "the inputs that one turn hands over have at most {TURN_BYTES_MAX} bytes together; wait between the calls"
    )]
    TurnTooLarge,
    /// An argument breaks its rules.
    #[error("{0}")]
    InvalidArgument(String),
    /// What is called is not allowed between the request for locks and their release.
    #[error("{0}")]
    LockingRules(String),
}

impl GuestFault {
    /// The failure that the orchestration ends with.
    #[must_use]
    pub fn failure(&self) -> TaskFailureDetails {
        let error_type = match self {
            Self::NonDeterminism(_) => "NonDeterministicOrchestration",
            Self::LockingRules(_) => "LockingRulesViolation",
            _ => "InvalidOrchestratorCall",
        };
        TaskFailureDetails::non_retriable(error_type, self.to_string())
    }
}

/// The code of an orchestrator did not do again what it did before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "non-deterministic orchestrator: at history event {event_number} the history has [{history}], but the code did \
     [{code}]; an orchestrator must do the same at every replay"
)]
pub struct NonDeterminism {
    /// Number of the event in the history.
    pub event_number: u64,
    /// What the history says.
    pub history: String,
    /// What the code did.
    pub code: String,
}

/// What a turn that was begun needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BeginTurn {
    /// The orchestrator is to be run.
    Run,
    /// The instance was terminated: end the turn with [`Outcome::Terminated`], without running the orchestrator.
    Terminate(Arc<str>),
}

/// What the next execution begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContinueAsNew {
    /// Its input.
    pub input: Json,
    /// Whether external events that nobody waited for go with it.
    pub preserve_unprocessed_events: bool,
    /// Whether it stays on the component that this execution runs on, and does not take that of the active app version.
    pub keep_version: bool,
}

/// State of one execution of an orchestration.
#[derive(Debug)]
pub struct RuntimeState {
    name: Arc<str>,
    instance: InstanceId,
    execution: ExecutionId,
    generation: u64,
    details: StartDetails,
    record: ExecutionRecord,
    /// Time of the present turn.
    now: Timestamp,
    phase: Phase,
    /// Whether the first turn has been reached.
    begun: bool,
    /// Past turns that are still to be replayed.
    past: VecDeque<Turn>,
    /// The turn that was begun and not reached yet.
    queued: Option<Turn>,
    /// Number of events in the history, those of the present live turn not counted.
    event_count: u64,
    /// Number of the history event that replay comes to next.
    replayed_events: u64,
    tasks: Vec<Task>,
    wait_set: WaitSet,
    /// Open tasks that take more than one step.
    plans: BTreeMap<TaskId, Plan>,
    /// The open steps of such tasks, those that are tasks of their own, with the task that each is for.
    steps: BTreeMap<TaskId, TaskId>,
    /// How many events have been delivered: gives completions their order.
    deliveries: u64,
    /// External events that nobody has waited for, by lower-case name, each name first in, first out.
    buffered: BTreeMap<String, VecDeque<BufferedEvent>>,
    /// Open waiters, by lower-case name, first come, first served.
    waiters: BTreeMap<String, VecDeque<TaskId>>,
    suspended: bool,
    /// What came while suspended.
    held: VecDeque<HistoryEvent>,
    critical_section: Option<CriticalSection>,
    guids: u64,
    /// Bytes of what the present live turn has asked for.
    turn_bytes: usize,
    custom_status: Option<Json>,
    continue_as_new: Option<ContinueAsNew>,
    fault: Option<GuestFault>,
}

#[derive(Debug)]
enum Phase {
    /// Between turns.
    Idle,
    /// In a past turn; holds what it asked for, as far as it has not been asked for again.
    Replaying(VecDeque<HistoryEvent>),
    /// In the present turn; holds its events.
    Live(Vec<HistoryEvent>),
}

#[derive(Debug)]
enum Task {
    Open(TaskKind),
    Done { kind: TaskKind, order: u64, result: Result<Json, TaskFailureDetails> },
    Gone,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum TaskKind {
    Activity,
    SubOrchestration,
    Timer,
    EntityCall,
    /// The locks of a critical section.
    Lock,
    /// An external event, by name as the waiter gave it.
    Event(Arc<str>),
}

#[derive(Debug)]
struct BufferedEvent {
    order: u64,
    name: Arc<str>,
    input: Json,
}

impl RuntimeState {
    /// The state of an execution whose history is `history`, to be replayed at the next turn.
    #[must_use]
    pub fn new(instance: &InstanceRecord, record: ExecutionRecord, history: Vec<Turn>) -> Self {
        Self {
            name: Arc::clone(&instance.name),
            instance: record.instance.clone(),
            execution: instance.execution,
            generation: instance.generation,
            details: instance.details.clone(),
            now: record.started,
            record,
            phase: Phase::Idle,
            begun: false,
            event_count: instance.event_count,
            past: in_force(history).into_iter().map(|numbered| numbered.turn).collect(),
            queued: None,
            replayed_events: 0,
            tasks: Vec::new(),
            wait_set: WaitSet::default(),
            plans: BTreeMap::new(),
            steps: BTreeMap::new(),
            deliveries: 0,
            buffered: BTreeMap::new(),
            waiters: BTreeMap::new(),
            suspended: false,
            held: VecDeque::new(),
            critical_section: None,
            guids: 0,
            turn_bytes: 0,
            custom_status: instance.custom_status.clone(),
            continue_as_new: None,
            fault: None,
        }
    }

    /// The orchestrator's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The instance id.
    #[must_use]
    pub fn instance(&self) -> &InstanceId {
        &self.instance
    }

    /// The execution.
    #[must_use]
    pub fn execution(&self) -> ExecutionId {
        self.execution
    }

    /// The run's number under its instance id.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Who waits for this run.
    #[must_use]
    pub fn parent(&self) -> Option<&Parent> {
        self.record.parent.as_ref()
    }

    /// This run as the one that waits for a sub-orchestration.
    #[must_use]
    pub fn as_parent(&self, task: TaskId) -> Parent {
        Parent {
            name: Arc::clone(&self.name),
            instance: self.instance.clone(),
            execution: self.execution,
            task,
        }
    }

    /// What a sub-orchestration inherits.
    #[must_use]
    pub fn details_for_child(&self) -> StartDetails {
        StartDetails { version: self.details.version.clone(), ..StartDetails::default() }
    }

    /// What the run's starter said about it.
    #[must_use]
    pub fn details(&self) -> &StartDetails {
        &self.details
    }

    /// The orchestrator's input.
    #[must_use]
    pub fn input(&self) -> &Json {
        &self.record.input
    }

    /// The time of the present turn.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Number of events in the history.
    #[must_use]
    pub fn event_count(&self) -> u64 {
        self.event_count
    }

    /// Whether the next turn is the execution's first.
    #[must_use]
    pub fn awaits_start(&self) -> bool {
        !self.begun && self.past.is_empty()
    }

    /// Whether the present turn is one of the past.
    #[must_use]
    pub fn is_replaying(&self) -> bool {
        matches!(self.phase, Phase::Replaying(_))
    }

    /// The fault that ended the orchestrator, if one did.
    pub fn take_fault(&mut self) -> Option<GuestFault> {
        self.fault.take()
    }

    /// Begins a turn with what has come in. Events that are stale or for finished tasks are dropped when it is reached.
    pub fn begin_turn(&mut self, time: Timestamp, received: Vec<HistoryEvent>) -> BeginTurn {
        let terminated = received.iter().find_map(|event| match event {
            HistoryEvent::ExecutionTerminated { reason, .. } => Some(Arc::clone(reason)),
            _ => None,
        });
        // Time must not run backwards in a history, whatever the machine's clock does.
        let time = time.max(self.past.back().map_or(self.now, |turn| turn.time));
        self.queued = Some(Turn { time, events: received });
        match terminated {
            Some(reason) => BeginTurn::Terminate(reason),
            None => BeginTurn::Run,
        }
    }

    fn fail(&mut self, fault: GuestFault) -> GuestFault {
        self.fault = Some(fault.clone());
        fault
    }
}
