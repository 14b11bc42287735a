//! What the engine needs of whatever runs the functions: the only arrow that points up.

use crate::{ActivityControl, TimerCall, TimerFunction};
use durance_durable::{
    EntityAction, EntityId, ExecutionId, InstanceId, Json, ModuleHash, RuntimeState, ScheduleTask,
    TaskFailureDetails, Timestamp,
};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::{fmt, sync::Arc};
use uuid::Uuid;

/// The state that an orchestrator's calls meet: shared by the engine, which begins and ends turns on it, and the
/// executor, whose guest calls it. They never hold the lock at the same time, nor across an await.
pub type SharedState = Arc<Mutex<RuntimeState>>;

/// Runs functions.
pub trait FunctionExecutor: Send + Sync + fmt::Debug + 'static {
    /// The component that new instances of this orchestrator are pinned to; none if the app has no such orchestrator.
    fn resolve_orchestrator(&self, name: &str) -> Option<ModuleHash>;

    /// The names of the app's orchestrators, for error messages.
    fn orchestrator_names(&self) -> Vec<String>;

    /// Makes a run of the orchestrator that `state` names, from this component. Nothing of the guest runs yet.
    ///
    /// # Errors
    /// The component cannot be had.
    fn orchestrator(
        &self,
        module: ModuleHash,
        state: SharedState,
    ) -> Result<Box<dyn OrchestratorRun>, ExecutorError>;

    /// Runs one attempt of an activity. Dropping the future stops it.
    ///
    /// Every way in which the guest can fail is a failure with an `error_type`: what it returned, a trap, a time-out, a
    /// limit, an unknown activity.
    ///
    /// # Errors
    /// The guest failed, or the host could not run it.
    fn activity(&self, call: ActivityCall) -> BoxFuture<'_, Result<Json, TaskFailureDetails>>;

    /// The app's timer-triggered functions.
    fn timer_functions(&self) -> Vec<TimerFunction> {
        Vec::new()
    }

    /// Runs a timer-triggered function. Dropping the future stops it.
    ///
    /// # Errors
    /// The guest failed, or the host could not run it.
    fn timer(&self, call: TimerCall) -> BoxFuture<'_, Result<(), TaskFailureDetails>> {
        let message = format!("there is no timer-triggered function '{}'", call.function);
        let failure = TaskFailureDetails::non_retriable("UnknownFunction", message);
        Box::pin(std::future::ready(Err(failure)))
    }

    /// The names of the app's entities.
    fn entity_names(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether the app has an entity of this name, in any letter case.
    fn has_entity(&self, name: &str) -> bool {
        self.entity_names().iter().any(|known| known.to_lowercase() == name.to_lowercase())
    }

    /// Runs one operation of an entity, on the app as it is now. Nothing that it does is kept if it fails. Dropping the
    /// future stops it.
    ///
    /// # Errors
    /// The guest failed, as with an activity, or the host could not run it.
    fn entity(&self, call: EntityCall) -> BoxFuture<'_, Result<EntityAnswer, TaskFailureDetails>> {
        let message = format!("there is no entity '{}'", call.entity.name());
        let failure = TaskFailureDetails::non_retriable("UnknownEntity", message);
        Box::pin(std::future::ready(Err(failure)))
    }
}

/// One run of an orchestrator: its guest, suspended between turns.
pub trait OrchestratorRun: Send {
    /// Runs the guest through the turn that was begun on its state, after replaying what is before it.
    ///
    /// A trap, a limit, a CPU budget that is used up are results: the run is over and the failure says why. Where the
    /// state has a [`durance_durable::GuestFault`], that is the reason.
    ///
    /// # Errors
    /// The host could not run the guest; the turn is to be tried again later, on a new run.
    fn resume(&mut self) -> BoxFuture<'_, Result<Progress, ExecutorError>>;
}

/// How far a run has come.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// All that it waits for is open.
    Waiting,
    /// It is over.
    Returned(Result<Json, TaskFailureDetails>),
}

/// One attempt of an activity.
#[derive(Debug, Clone)]
pub struct ActivityCall {
    /// Whose activity.
    pub instance: InstanceId,
    /// Whose activity.
    pub execution: ExecutionId,
    /// The run's number: a fencing token.
    pub generation: u64,
    /// The component that the run is pinned to; it is asked first.
    pub module: ModuleHash,
    /// What was called.
    pub call: ScheduleTask,
    /// From 1.
    pub attempt: u32,
    /// How the attempt says that it is at work, and is told that it was cancelled. After that it has a while to end by
    /// itself, before its future is dropped.
    pub control: Arc<ActivityControl>,
}

/// One operation of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityCall {
    /// Whose operation.
    pub entity: EntityId,
    /// Its name; compared without regard to case.
    pub operation: Arc<str>,
    /// Unique for each run of an operation.
    pub operation_id: Uuid,
    /// Its input.
    pub input: Json,
    /// The entity's state. None: it has none.
    pub state: Option<Json>,
    /// The present.
    pub time: Timestamp,
}

/// What an operation of an entity did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityAnswer {
    /// The entity's state after it. None: it is deleted.
    pub state: Option<Json>,
    /// For the caller.
    pub result: Json,
    /// What is to happen when the operation is durable.
    pub actions: Vec<EntityAction>,
}

/// The host could not run a function: not the guest's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecutorError {
    /// The component that the instance is pinned to is not there, or cannot be compiled.
    #[error("component {module} cannot be loaded: {why}")]
    Component {
        /// Its hash.
        module: ModuleHash,
        /// What happened.
        why: String,
    },
    /// No room for another instance of a component.
    #[error("no room for another function instance: {0}")]
    NoRoom(String),
}
