//! What a store can be asked to write, and what it answers.

use crate::{EntityTurn, EntityTurnOutcome, Recovered, ScheduleOutcome, ScheduleWrite};
use durance_durable::{
    EntitySignal, ExecutionId, HistoryEvent, IfExists, InstanceId, Json, Message, ModuleHash, Parent,
    RetentionPolicy, RuntimeStatus, StartDetails, TaskId, Timestamp, Token, TurnCommit,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// One thing to write. Operations of one commit are decided in their order, each seeing those before it.
#[expect(clippy::large_enum_variant, reason = "most operations are turns")]
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Starts an orchestration, or not: see [`durance_durable::decide_start`].
    Start(StartRequest),
    /// Writes a turn.
    Turn(TurnWrite),
    /// Puts a message from outside in an inbox.
    Send(SendEvent),
    /// Notes how an open activity is to be tried again: after a failure, or should the host end before the activity does.
    Retry(RetryTask),
    /// Moves a live instance to another component.
    Repin(Repin),
    /// Deletes a finished instance, its kept generations and all their histories.
    Purge(InstanceId),
    /// Forget the starts that wait for the end of an instance.
    DropQueue(InstanceId),
    /// Changes a schedule.
    Schedule(ScheduleWrite),
    /// Puts a signal in the inbox of an entity.
    SignalEntity(EntitySignal),
    /// Writes a turn of an entity.
    EntityTurn(EntityTurn),
    /// Deletes what was kept for a time that is over at `now`: idempotency keys, finished runs, and what is left of purged
    /// instances if there is much of that. A small batch a call: call it again as long as it deletes something.
    Sweep {
        /// The present.
        now: Timestamp,
    },
    /// Changes nothing, and is answered with what it holds: in a `Once`, what a repetition of the request is to be told.
    Note(Vec<u8>),
    /// Lets a failed run go on from where it failed.
    Rewind(RewindRequest),
    /// Does other operations, unless that was done before under the same idempotency key.
    Once(OnceRequest),
}

/// The answer to the [`Operation`] of the same name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// To `Start`.
    Start(StartOutcome),
    /// To `Turn`.
    Turn(TurnOutcome),
    /// To `Send`.
    Send(SendOutcome),
    /// To `Retry`: whether the activity is still open and is this execution's.
    Retry {
        /// The row was written.
        applied: bool,
    },
    /// To `Repin`.
    Repin {
        /// The instance runs on the other component from now on.
        applied: bool,
    },
    /// To `Purge`.
    Purge(PurgeOutcome),
    /// To `DropQueue`: how many starts waited; none if there is no such instance.
    DropQueue(Option<u32>),
    /// To `Schedule`.
    Schedule(ScheduleOutcome),
    /// To `SignalEntity`: it is in the inbox.
    SignalEntity,
    /// To `EntityTurn`.
    EntityTurn(EntityTurnOutcome),
    /// To `Sweep`: how many keys, runs and remains were deleted.
    Sweep {
        /// Zero: nothing is left to be deleted now.
        deleted: usize,
    },
    /// To any: a row that it needs cannot be read. Nothing of it was written; the other operations of the commit were. The text
    /// says which row, and why.
    Unreadable(String),
    /// To `Note`.
    Note(Vec<u8>),
    /// To `Rewind`.
    Rewind(RewindOutcome),
    /// To `Once`.
    Once(OnceOutcome),
}

impl Outcome {
    /// Whether nothing was decided, because another change came between: it is to be asked for again, and such an answer is
    /// not the first one under an idempotency key.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::Schedule(ScheduleOutcome::Stale(_)))
    }

    /// What a repetition of the operation is told: the same, but there is nothing to deliver any more.
    #[must_use]
    pub fn retold(mut self) -> Self {
        match &mut self {
            Self::Start(StartOutcome::Started { messages, .. })
            | Self::Turn(TurnOutcome::Committed { messages }) => messages.clear(),
            Self::EntityTurn(EntityTurnOutcome::Committed { messages }) => messages.clear(),
            Self::Schedule(ScheduleOutcome::Written(written)) => {
                written.starts.clear();
                written.terminated.clear();
                written.messages.clear();
            }
            Self::Send(outcome @ SendOutcome::Accepted(_)) => *outcome = SendOutcome::Repeated,
            Self::Rewind(RewindOutcome::Rewound { waiting }) => waiting.clear(),
            _ => {}
        }
        self
    }
}

/// A start of an orchestration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartRequest {
    /// The id to start it under.
    pub instance: InstanceId,
    /// The orchestrator.
    pub name: Arc<str>,
    /// Its input.
    pub input: Json,
    /// The component to pin it to.
    pub module: ModuleHash,
    /// The id of the execution, if it is started. Never used before.
    pub execution: ExecutionId,
    /// Who waits for it.
    pub parent: Option<Parent>,
    /// What an existing instance means.
    pub if_exists: IfExists,
    /// Start only if the id's token is still this one.
    pub token: Option<Token>,
    /// How long the run is kept after its end.
    pub retention: RetentionPolicy,
    /// What its starter says about the run.
    pub details: StartDetails,
    /// The present.
    pub now: Timestamp,
}

/// Operations that are done at most once.
#[derive(Debug, Clone, PartialEq)]
pub struct OnceRequest {
    /// Whose repetition gets the first outcomes.
    pub idempotency: IdempotencyKey,
    /// What to do; none of them is a `Once`.
    pub operations: Vec<Operation>,
    /// The present.
    pub now: Timestamp,
}

/// Answer to operations that are done at most once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum OnceOutcome {
    /// They were done now.
    First(Vec<Outcome>),
    /// They were done before, with these outcomes: see [`Outcome::retold`].
    Repeated(Vec<Outcome>),
    /// The idempotency key was used for another request.
    Mismatch,
}

/// Makes a request repeatable: kept for 24 hours after the first one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// As the caller gave it.
    pub key: Arc<str>,
    /// Digest of all that the request asks for; another request under the same key is refused.
    pub request_digest: [u8; 32],
}

/// The run that holds an instance id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The id.
    pub instance: InstanceId,
    /// The run's present or last execution.
    pub execution: ExecutionId,
    /// The run's number.
    pub generation: u64,
    /// Where it stands.
    pub status: RuntimeStatus,
}

/// A start that waits for the end of the run that has its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedStart {
    /// The run that has the id now.
    pub holder: Holder,
    /// What its first execution will be.
    pub execution: ExecutionId,
    /// Its place among those that wait, from 1.
    pub position: u32,
}

/// Answer to a start. Whatever it says is durable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum StartOutcome {
    /// A new run, pending. The messages are those that the start wrote, to be delivered: `ExecutionStarted` for the
    /// new run, and for a replaced live one the failure to its parent.
    Started {
        /// The new run.
        holder: Holder,
        /// The live execution that was terminated for it, if there was one.
        terminated: Option<ExecutionId>,
        /// To deliver.
        messages: Vec<Message>,
    },
    /// It waits until the run that has the id, and those that wait already, are over.
    Queued(QueuedStart),
    /// So many wait already that no more may.
    QueueFull(InstanceId),
    /// The policy says to use this run.
    Existing(Holder),
    /// The policy refuses.
    AlreadyExists(Holder),
    /// The token is not the id's token any more; the run that holds it now, if one does.
    Changed(Option<Holder>),
}

impl StartOutcome {
    /// The same, without the new run's `ExecutionStarted`: for a start whose first turn was committed with it.
    #[must_use]
    pub fn without_start_message(&self) -> Self {
        let mut outcome = self.clone();
        if let Self::Started { messages, .. } = &mut outcome {
            messages.retain(|message| message.event != HistoryEvent::ExecutionStarted);
        }
        outcome
    }

    /// The same, with the status that a first turn in the same commit has led to. Between two executions that is running.
    #[must_use]
    pub fn with_status(mut self, status: RuntimeStatus) -> Self {
        if let Self::Started { holder, .. } = &mut self {
            holder.status =
                if status == RuntimeStatus::ContinuedAsNew { RuntimeStatus::Running } else { status };
        }
        self
    }
}

/// A turn with the starts of its sub-orchestrations.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnWrite {
    /// The turn.
    pub commit: TurnCommit,
    /// One for each `SubOrchestrationInstanceCreated` and `OrchestrationStarted` that can be started; the former have a
    /// parent. Where the id is in use by a live instance the store sends the parent `SubOrchestrationInstanceFailed` of
    /// type `AlreadyExists` instead, or nobody anything.
    pub children: Vec<StartRequest>,
    /// Results that are known already, for the instance's own inbox (target: the same execution): the failures of
    /// sub-orchestrations that cannot be started.
    pub replies: Vec<HistoryEvent>,
    /// The component that the turn ran on; the store refuses the turn if the instance was moved to another one since.
    pub module: ModuleHash,
    /// The component that the next execution runs on, if there is one; none: the same.
    pub next_module: Option<ModuleHash>,
}

/// Answer to a turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TurnOutcome {
    /// Written. The messages are those it caused, to be delivered: to children, to the parent, to itself.
    Committed {
        /// To deliver.
        messages: Vec<Message>,
    },
    /// The instance has moved since: nothing was written. The hot instance is to be dropped.
    Stale,
}

/// A message from outside: an external event, or a command to terminate, suspend or resume.
#[derive(Debug, Clone, PartialEq)]
pub struct SendEvent {
    /// The receiver.
    pub instance: InstanceId,
    /// `EventRaised`, `ExecutionTerminated`, `ExecutionSuspended` or `ExecutionResumed`.
    pub event: HistoryEvent,
}

/// Answer to a message from outside.
#[expect(clippy::large_enum_variant, reason = "almost every message is accepted")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum SendOutcome {
    /// In the inbox; to be delivered.
    Accepted(Message),
    /// Accepted when it was sent first.
    Repeated,
    /// No instance has the id.
    NotFound,
    /// The instance is over.
    Finished(RuntimeStatus),
}

/// The next attempt of an activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryTask {
    /// Whose activity.
    pub instance: InstanceId,
    /// Whose activity.
    pub execution: ExecutionId,
    /// Which one.
    pub task: TaskId,
    /// The number of the next attempt.
    pub attempt: u32,
    /// When it may begin.
    pub due: Timestamp,
    /// What it is to know of the last one.
    pub heartbeat: Option<Json>,
}

/// Moves a live instance to another component. Nothing happens unless it still is where it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repin {
    /// Whose component.
    pub instance: InstanceId,
    /// The execution that was seen.
    pub execution: ExecutionId,
    /// The number of history events that were seen.
    pub event_count: u64,
    /// The component that it runs on from now on.
    pub module: ModuleHash,
}

/// A rewind of a failed run and of its failed sub-orchestrations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RewindRequest {
    /// Whose run.
    pub instance: InstanceId,
    /// As given.
    pub reason: Arc<str>,
    /// What sub-orchestrations that have to be started again are pinned to, by orchestrator.
    pub modules: BTreeMap<Arc<str>, ModuleHash>,
    /// How long sub-orchestrations that have to be started again are kept after their end.
    pub retention: RetentionPolicy,
    /// Their executions' ids follow from this one. Never used before.
    pub executions: ExecutionId,
    /// The present.
    pub now: Timestamp,
}

/// Answer to a rewind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RewindOutcome {
    /// The run is live again.
    Rewound {
        /// What it waits for, and its sub-orchestrations: to be delivered, run and fired.
        waiting: Vec<Recovered>,
    },
    /// No instance has the id.
    NotFound,
    /// The instance has not failed.
    NotFailed(RuntimeStatus),
    /// This run, the instance or one below it, failed in a critical section: its locks were released.
    HeldLocks(InstanceId),
}

/// Answer to a purge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PurgeOutcome {
    /// Gone.
    Purged,
    /// No instance has the id.
    NotFound,
    /// The instance is not over; nothing was deleted.
    NotFinished(RuntimeStatus),
}
