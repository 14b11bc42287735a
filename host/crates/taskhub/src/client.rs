//! The orchestration client: what functions and the management API ask of a task hub.

use crate::{InstancePage, OrchestrationStatus, StatusOptions, StatusSnapshot, engine::Engine};
use durance_durable::{
    ExecutionHistory, ExecutionId, HistoryEvent, IfExists, InstanceId, Json, RuntimeStatus, ScheduleId, Token,
};
use durance_store::{Holder, ListQuery, PurgeOutcome, StoreError};
use std::{sync::Arc, time::Duration};

/// Starts, asks about and manages the orchestrations of one task hub. Cheap to clone.
///
/// Guarantee: what a method has answered is durable.
#[derive(Debug, Clone)]
pub struct OrchestrationClient {
    pub(crate) engine: Arc<Engine>,
}

/// How to start an orchestration.
#[derive(Debug, Clone, Default)]
pub struct StartOptions {
    /// None: a random id of 32 hexadecimal digits; with an idempotency key, one that follows from the key.
    pub instance: Option<InstanceId>,
    /// What an existing instance means.
    pub if_exists: IfExists,
    /// Start only if nothing has changed since this token was given.
    pub token: Option<Token>,
    /// A repeated start with the same key gives the first outcome, for 24 hours.
    pub idempotency_key: Option<String>,
    /// How long the run is kept after its end; none: as the hub's settings say.
    pub retention: Option<Duration>,
}

/// Answer to a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartAnswer {
    /// A new run was started, by this call or by an earlier one with the same idempotency key.
    Started(Holder),
    /// The policy says to use this run.
    Existing(Holder),
    /// The policy refuses to start beside this run.
    AlreadyExists(Holder),
    /// Something changed since the token was given; who holds the id now.
    Changed(Option<Holder>),
}

/// Why the client cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// An argument is malformed.
    #[error("{0}")]
    InvalidArgument(String),
    /// A value is longer than [`crate::TaskHubSettings::value_bytes_max`].
    #[error("{what} has {bytes} bytes; at most {bytes_max} are allowed")]
    TooLarge {
        /// Which value.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The app has no such orchestrator.
    #[error("there is no orchestrator '{name}'; {}", list_known(.known))]
    UnknownOrchestrator {
        /// As asked for.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The app has no such entity.
    #[error("there is no entity '{name}'; {}", list_known(.known))]
    UnknownEntity {
        /// As asked for.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// No instance has the id.
    #[error("there is no instance with ID '{0}'")]
    NotFound(InstanceId),
    /// The instance is over, so nothing can be sent to it.
    #[error("the instance with ID '{instance}' is {status}: it is over")]
    Finished {
        /// The instance.
        instance: InstanceId,
        /// How it ended.
        status: RuntimeStatus,
    },
    /// The instance is not over, so it cannot be purged.
    #[error(
        "the instance with ID '{instance}' is {status}: only a finished instance can be purged; terminate it first"
    )]
    NotFinished {
        /// The instance.
        instance: InstanceId,
        /// Where it stands.
        status: RuntimeStatus,
    },
    /// There is no schedule of this id.
    #[error("there is no schedule with ID '{0}'")]
    ScheduleNotFound(ScheduleId),
    /// There is a schedule of this id.
    #[error("a schedule with ID '{0}' already exists")]
    ScheduleExists(ScheduleId),
    /// The schedule follows a function's code.
    #[error("the schedule '{0}' is that of a timer-triggered function: change the function instead")]
    ScheduleOfFunction(ScheduleId),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used before, for another request; use a new key for each request")]
    IdempotencyMismatch,
    /// Too much waits already. Try again later.
    #[error("the host is busy; try again later")]
    Busy,
    /// What the store has of the instance cannot be read; the text says which row, and why.
    #[error("{0}")]
    Unreadable(String),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The host is stopping.
    #[error("the host is stopping")]
    Stopping,
}

fn list_known(names: &[String]) -> String {
    if names.is_empty() {
        "this app has none".to_owned()
    } else {
        format!("this app has {}", names.join(", "))
    }
}

impl OrchestrationClient {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }

    /// Starts an orchestration, or says who holds its id.
    ///
    /// # Errors
    /// `UnknownOrchestrator`, `TooLarge`, `IdempotencyMismatch`, `Busy`, `Store`, `Stopping`.
    pub async fn start_new(
        &self,
        orchestrator: &str,
        input: Json,
        options: StartOptions,
    ) -> Result<StartAnswer, ClientError> {
        self.engine.check_value("the input", &input)?;
        self.engine.start(orchestrator, input, options).await
    }

    /// The status of an instance and the token of its id. Nothing waits, nothing is written.
    ///
    /// # Errors
    /// `Store`.
    pub fn get_status(
        &self,
        instance: &InstanceId,
        options: StatusOptions,
    ) -> Result<StatusSnapshot, ClientError> {
        self.engine.status(instance, options)
    }

    /// The whole history of an instance's present execution, or of a kept earlier one; with all that a replay needs.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub fn export_history(
        &self,
        instance: &InstanceId,
        execution: Option<ExecutionId>,
    ) -> Result<ExecutionHistory, ClientError> {
        self.engine.export_history(instance, execution)
    }

    /// Sends an external event.
    ///
    /// # Errors
    /// `InvalidArgument` (an empty name), `TooLarge`, `NotFound`, `Finished`, `Store`, `Stopping`.
    pub async fn raise_event(
        &self,
        instance: &InstanceId,
        name: &str,
        data: Json,
    ) -> Result<(), ClientError> {
        if name.is_empty() {
            return Err(ClientError::InvalidArgument("the name of an event must not be empty".to_owned()));
        }
        self.engine.check_value("the event's data", &data)?;
        self.engine.send(instance, HistoryEvent::EventRaised { name: name.into(), input: data }).await
    }

    /// Ends an instance. Its activities are not waited for.
    ///
    /// # Errors
    /// `NotFound`, `Finished`, `Store`, `Stopping`.
    pub async fn terminate(&self, instance: &InstanceId, reason: &str) -> Result<(), ClientError> {
        self.engine.send(instance, HistoryEvent::ExecutionTerminated { reason: reason.into() }).await
    }

    /// Holds an instance: its activities go on, its orchestrator does not. Nothing for a suspended one.
    ///
    /// # Errors
    /// `NotFound`, `Finished`, `Store`, `Stopping`.
    pub async fn suspend(&self, instance: &InstanceId, reason: &str) -> Result<(), ClientError> {
        self.engine.send(instance, HistoryEvent::ExecutionSuspended { reason: reason.into() }).await
    }

    /// Lets a suspended instance go on. Nothing for one that is not.
    ///
    /// # Errors
    /// `NotFound`, `Finished`, `Store`, `Stopping`.
    pub async fn resume(&self, instance: &InstanceId, reason: &str) -> Result<(), ClientError> {
        self.engine.send(instance, HistoryEvent::ExecutionResumed { reason: reason.into() }).await
    }

    /// Deletes a finished instance with its history and kept generations.
    ///
    /// # Errors
    /// `NotFound`, `NotFinished`, `Store`, `Stopping`.
    pub async fn purge(&self, instance: &InstanceId) -> Result<(), ClientError> {
        match self.engine.purge(instance).await? {
            PurgeOutcome::Purged => Ok(()),
            PurgeOutcome::NotFound => Err(ClientError::NotFound(instance.clone())),
            PurgeOutcome::NotFinished(status) => {
                Err(ClientError::NotFinished { instance: instance.clone(), status })
            }
        }
    }

    /// One page of instances, in the order of their ids.
    ///
    /// # Errors
    /// `Store`.
    pub fn list_instances(
        &self,
        query: &ListQuery,
        options: StatusOptions,
    ) -> Result<InstancePage, ClientError> {
        self.engine.list(query, options)
    }

    /// Waits until the instance is over, or `timeout` has passed; answers its status at that moment, with its input.
    ///
    /// # Errors
    /// `NotFound`: there is no such instance, or its run was replaced so often that it is not kept. `Store`.
    pub async fn wait_for_completion(
        &self,
        instance: &InstanceId,
        timeout: Duration,
    ) -> Result<OrchestrationStatus, ClientError> {
        self.engine.wait_for_completion(instance, None, timeout).await
    }

    /// The same for one run, even if another one has its id by now.
    ///
    /// # Errors
    /// As [`Self::wait_for_completion`].
    pub async fn wait_for_run(
        &self,
        run: &Holder,
        timeout: Duration,
    ) -> Result<OrchestrationStatus, ClientError> {
        self.engine.wait_for_completion(&run.instance, Some(run.generation), timeout).await
    }
}
