//! What is stored about an instance besides its history.

use crate::{
    ExecutionId, HistoryEvent, InstanceId, Json, ModuleHash, RetentionPolicy, TaskFailureDetails, TaskId,
    Timestamp,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

/// Status of an orchestration instance. The names are those of Durable Functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RuntimeStatus {
    /// Started and at work, or waiting.
    Running,
    /// Its orchestrator returned.
    Completed,
    /// Between two executions. Never shown: continuing as new is one commit.
    ContinuedAsNew,
    /// Its orchestrator failed.
    Failed,
    /// Reserved, never set.
    Canceled,
    /// Ended by somebody.
    Terminated,
    /// Started, but its first turn is not over.
    Pending,
    /// Held by somebody until resumed.
    Suspended,
}

impl RuntimeStatus {
    /// Every status, in the order of the protocol's numbers.
    pub const ALL: [Self; 8] = [
        Self::Running,
        Self::Completed,
        Self::ContinuedAsNew,
        Self::Failed,
        Self::Canceled,
        Self::Terminated,
        Self::Pending,
        Self::Suspended,
    ];

    /// Whether the instance is over: nothing happens to it any more.
    #[must_use]
    pub fn is_finished(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Canceled | Self::Terminated => true,
            Self::Running | Self::ContinuedAsNew | Self::Pending | Self::Suspended => false,
        }
    }

    /// The name as JSON shows it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Completed => "Completed",
            Self::ContinuedAsNew => "ContinuedAsNew",
            Self::Failed => "Failed",
            Self::Canceled => "Canceled",
            Self::Terminated => "Terminated",
            Self::Pending => "Pending",
            Self::Suspended => "Suspended",
        }
    }
}

impl fmt::Display for RuntimeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RuntimeStatus {
    type Err = ();

    /// By name, without regard to case.
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(text)).ok_or(())
    }
}

/// Says whether anything happened to an instance id: it changes when an instance of the id is started, finishes, is
/// replaced or purged, and no value is ever used twice in a hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub u64);

/// The orchestration that waits for this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parent {
    /// Its orchestrator's name.
    #[serde(rename = "orchestrator")]
    pub name: Arc<str>,
    /// Its instance id.
    #[serde(rename = "instanceId")]
    pub instance: InstanceId,
    /// The execution that waits.
    #[serde(rename = "executionId")]
    pub execution: ExecutionId,
    /// The task it waits for.
    pub task: TaskId,
}

/// What the starter of a run says about it besides its input; kept as long as the run is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartDetails {
    /// Names and values to find the run by.
    pub tags: BTreeMap<Arc<str>, Arc<str>>,
    /// Version of the orchestration; sub-orchestrations inherit it.
    pub version: Option<Arc<str>>,
    /// The run does not begin before this time, and is pending until then.
    pub scheduled_start: Option<Timestamp>,
}

/// The state of an instance: the one row that each turn writes again, hence small.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceRecord {
    /// The orchestrator's name.
    #[serde(rename = "orchestrator")]
    pub name: Arc<str>,
    /// The present execution, or the last one.
    #[serde(rename = "executionId")]
    pub execution: ExecutionId,
    /// Number of the run under this instance id, from 1; continuing as new does not change it.
    pub generation: u64,
    /// See [`Token`].
    pub token: Token,
    /// The component that the run is pinned to.
    pub module: ModuleHash,
    /// Where it stands.
    #[serde(rename = "runtimeStatus")]
    pub status: RuntimeStatus,
    /// When the run was started.
    pub created: Timestamp,
    /// When its last turn was.
    pub last_updated: Timestamp,
    /// Number of events in the present execution's history: the number of the next one.
    pub event_count: u64,
    /// As the orchestrator set it.
    pub custom_status: Option<Json>,
    /// What the orchestrator returned, or the reason of a termination as a JSON string.
    pub output: Option<Json>,
    /// Why it failed.
    pub failure: Option<TaskFailureDetails>,
    /// As its starter gave them.
    #[serde(default)]
    pub details: StartDetails,
}

/// What an execution began with; written once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionRecord {
    /// Whose execution it is.
    #[serde(rename = "instanceId")]
    pub instance: InstanceId,
    /// When it began: for the first one of a run that is the run's creation.
    pub started: Timestamp,
    /// The orchestrator's input.
    pub input: Json,
    /// Who waits for the run, if somebody does.
    pub parent: Option<Parent>,
    /// External events that the execution before it left unprocessed when it continued as new, in order.
    pub carryover: Vec<HistoryEvent>,
    /// How long the run is kept after its end.
    #[serde(default)]
    pub retention: RetentionPolicy,
}

/// Which run or execution a message is for. One that is for another than the present one is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageTarget {
    /// Any execution of this run: external events and commands.
    Generation(u64),
    /// This execution only: results of its tasks.
    Execution(ExecutionId),
}

/// A message to an orchestration instance that is stored in its inbox until a turn takes it.
///
/// Guarantee: taken exactly once, by the commit of the turn that has it in its history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The receiver.
    pub instance: InstanceId,
    /// Position in the receiver's inbox; 0 for `ExecutionStarted`, otherwise rising through the hub.
    pub sequence: u64,
    /// Which of the receiver's lives it is for.
    pub target: MessageTarget,
    /// What happened.
    pub event: HistoryEvent,
}
