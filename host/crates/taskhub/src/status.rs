//! What clients see of an instance.

use crate::Stuck;
use durance_durable::{
    ExecutionId, InstanceId, Json, RuntimeStatus, StartDetails, TaskFailureDetails, Timestamp, Token, Turn,
};
use durance_store::ListPosition;
use std::sync::Arc;

/// The state of an orchestration instance, as asked for.
#[derive(Debug, Clone)]
pub struct OrchestrationStatus {
    /// The orchestrator.
    pub name: Arc<str>,
    /// The instance.
    pub instance: InstanceId,
    /// Its present or last execution.
    pub execution: ExecutionId,
    /// The run's number under this instance id, from 1.
    pub generation: u64,
    /// Where it stands.
    pub runtime_status: RuntimeStatus,
    /// None if it was not asked for.
    pub input: Option<Json>,
    /// As the orchestrator set it.
    pub custom_status: Option<Json>,
    /// What the orchestrator returned, or why it was terminated.
    pub output: Option<Json>,
    /// Why it failed.
    pub failure: Option<TaskFailureDetails>,
    /// Why it cannot go on, if it cannot.
    pub stuck: Option<Stuck>,
    /// When the run was started.
    pub created: Timestamp,
    /// When its last turn was.
    pub last_updated: Timestamp,
    /// As its starter gave them.
    pub details: StartDetails,
    /// The instance whose sub-orchestration it is.
    pub parent: Option<InstanceId>,
    /// None if it was not asked for. [`crate::history_json`] shapes it as the management API shows it.
    pub history: Option<Vec<Turn>>,
}

/// A status, or that there is none, with the token of the id.
#[derive(Debug, Clone)]
pub struct StatusSnapshot {
    /// For a start that is to happen only if nothing has changed since.
    pub token: Token,
    /// None: no instance has the id.
    pub status: Option<OrchestrationStatus>,
}

/// What to include in a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatusOptions {
    /// The input.
    pub show_input: bool,
    /// The history.
    pub show_history: bool,
    /// A kept earlier execution or generation instead of the present one.
    pub execution: Option<ExecutionId>,
}

/// One page of instances.
#[derive(Debug, Clone, Default)]
pub struct InstancePage {
    /// In the order that was asked for.
    pub instances: Vec<OrchestrationStatus>,
    /// Where the next page begins; none on the last one.
    pub continuation: Option<ListPosition>,
}
