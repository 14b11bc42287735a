//! The orchestration client: what functions and the management API ask of a task hub.

use crate::{
    ClientError, Idempotency, InstancePage, OrchestrationStatus, PurgeOptions, PurgeSelection, StatusOptions,
    StatusSnapshot, engine::Engine,
};
use durance_durable::{
    ExecutionHistory, ExecutionId, HistoryEvent, IfExists, InstanceId, Json, StartDetails, Token,
};
use durance_store::{Holder, ListQuery, QueuedStart, StatusCounts};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// As [`ClientError::TooLarge`] names it.
const EVENT_DATA: &str = "the event's data";

/// Starts, asks about and manages the orchestrations of one task hub. Cheap to clone.
///
/// Guarantee: what a method has answered is durable.
#[derive(Debug, Clone)]
pub struct OrchestrationClient {
    pub(crate) engine: Arc<Engine>,
    pub(crate) idempotency: Option<Idempotency>,
}

/// How to start an orchestration.
#[derive(Debug, Clone, Default)]
pub struct StartOptions {
    /// None: a random id of 32 hexadecimal digits; under an idempotency key, one that follows from the key.
    pub instance: Option<InstanceId>,
    /// What an existing instance means.
    pub if_exists: IfExists,
    /// Start only if nothing has changed since this token was given.
    pub token: Option<Token>,
    /// How long the run is kept after its end; none: as the hub's settings say.
    pub retention: Option<Duration>,
    /// Tags, version and the time of the start.
    pub details: StartDetails,
}

/// An external event.
#[derive(Debug, Clone)]
pub struct RaisedEvent<'e> {
    /// Its name, not empty.
    pub name: &'e str,
    /// Its data.
    pub data: Json,
}

impl RaisedEvent<'_> {
    pub(crate) fn into_event(self) -> Result<HistoryEvent, ClientError> {
        if self.name.is_empty() {
            return Err(ClientError::InvalidArgument("the name of an event must not be empty".to_owned()));
        }
        Ok(HistoryEvent::EventRaised { name: self.name.into(), input: self.data })
    }
}

/// The id of a restarted orchestration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartUnder {
    /// A random one; under an idempotency key, one that follows from the key.
    NewId,
    /// That of the instance which is restarted.
    SameId,
}

/// Answer to a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartAnswer {
    /// A new run was started, by this call or by an earlier one with the same idempotency key.
    Started(Holder),
    /// The run begins when all that came before it under its id are over.
    Queued(QueuedStart),
    /// The policy says to use this run.
    Existing(Holder),
    /// The policy refuses to start beside this run.
    AlreadyExists(Holder),
    /// Something changed since the token was given; who holds the id now.
    Changed(Option<Holder>),
}

impl OrchestrationClient {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, idempotency: None }
    }

    /// The same client for one request that may be repeated: whatever it changes is changed once, and a repetition is
    /// answered as the first one was, for 24 hours. A refusal is repeated too.
    #[must_use]
    pub fn once(&self, idempotency: Idempotency) -> Self {
        Self { engine: Arc::clone(&self.engine), idempotency: Some(idempotency) }
    }

    /// Starts an orchestration, or says who holds its id.
    ///
    /// # Errors
    /// `UnknownOrchestrator`, `TooLarge`, `QueueFull`, `IdempotencyMismatch`, `Busy`, `Store`, `Stopping`.
    pub async fn start_new(
        &self,
        orchestrator: &str,
        input: Json,
        options: StartOptions,
    ) -> Result<StartAnswer, ClientError> {
        self.engine.check_value("the input", &input)?;
        self.engine.start(orchestrator, input, options, self.idempotency.as_ref()).await
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
        self.engine.check_value(EVENT_DATA, &data)?;
        self.send(instance, RaisedEvent { name, data }.into_event()?).await
    }

    /// Ends an instance. Its activities are not waited for; its sub-orchestrations go on.
    ///
    /// # Errors
    /// `NotFound`, `Finished`, `Store`, `Stopping`.
    pub async fn terminate(&self, instance: &InstanceId, reason: &str) -> Result<(), ClientError> {
        let event = HistoryEvent::ExecutionTerminated { reason: reason.into(), recursive: false };
        self.send(instance, event).await
    }

    /// Ends an instance and all of its live sub-orchestrations, and theirs. Each ends some time after its parent.
    ///
    /// # Errors
    /// `NotFound`, `Finished`, `Store`, `Stopping`.
    pub async fn terminate_tree(&self, instance: &InstanceId, reason: &str) -> Result<(), ClientError> {
        let event = HistoryEvent::ExecutionTerminated { reason: reason.into(), recursive: true };
        self.send(instance, event).await
    }

    /// Holds an instance: its activities go on, its orchestrator does not. Nothing for a suspended one.
    ///
    /// # Errors
    /// `NotFound`, `Finished`, `Store`, `Stopping`.
    pub async fn suspend(&self, instance: &InstanceId, reason: &str) -> Result<(), ClientError> {
        self.send(instance, HistoryEvent::ExecutionSuspended { reason: reason.into() }).await
    }

    /// Lets a suspended instance go on. Nothing for one that is not.
    ///
    /// # Errors
    /// `NotFound`, `Finished`, `Store`, `Stopping`.
    pub async fn resume(&self, instance: &InstanceId, reason: &str) -> Result<(), ClientError> {
        self.send(instance, HistoryEvent::ExecutionResumed { reason: reason.into() }).await
    }

    async fn send(&self, instance: &InstanceId, event: HistoryEvent) -> Result<(), ClientError> {
        self.engine.send(instance, event, self.idempotency.as_ref()).await
    }

    /// Forgets the starts that wait for the end of an instance; answers how many there were.
    ///
    /// # Errors
    /// `NotFound`, `IdempotencyMismatch`, `Store`, `Stopping`.
    pub async fn drop_queue(&self, instance: &InstanceId) -> Result<u32, ClientError> {
        self.engine.drop_queue(instance, self.idempotency.as_ref()).await
    }

    /// Lets a failed instance go on from where it failed: what failed is done again, failed sub-orchestrations are
    /// rewound too.
    ///
    /// # Errors
    /// `NotFound`, `NotFailed`, `IdempotencyMismatch`, `Store`, `Stopping`.
    pub async fn rewind(&self, instance: &InstanceId, reason: &str) -> Result<(), ClientError> {
        self.engine.rewind(instance, reason, self.idempotency.as_ref()).await
    }

    /// Starts the orchestrator of an instance again, with the input, tags and version of that one's present or last
    /// execution. Under the same id only if the instance is over.
    ///
    /// # Errors
    /// `NotFound`, `UnknownOrchestrator`, `IdempotencyMismatch`, `Busy`, `Store`, `Stopping`.
    pub async fn restart(
        &self,
        instance: &InstanceId,
        under: RestartUnder,
    ) -> Result<StartAnswer, ClientError> {
        self.engine.restart(instance, under, self.idempotency.as_ref()).await
    }

    /// Deletes a finished instance with its history and kept generations.
    ///
    /// # Errors
    /// `NotFound`, `NotFinished`, `IdempotencyMismatch`, `Store`, `Stopping`.
    pub async fn purge(&self, instance: &InstanceId) -> Result<(), ClientError> {
        self.engine.purge(instance, self.idempotency.as_ref()).await
    }

    /// Deletes a finished instance and the finished sub-orchestrations below it; answers how many. Live ones stay.
    ///
    /// # Errors
    /// `NotFound`, `NotFinished`, `IdempotencyMismatch`, `Store`, `Stopping`.
    pub async fn purge_tree(&self, instance: &InstanceId) -> Result<u64, ClientError> {
        self.engine.purge_tree(instance, self.idempotency.as_ref()).await
    }

    /// Deletes the finished instances of a selection, a small batch a commit; answers how many. With `dry_run` it only counts
    /// them. An idempotency key means nothing here: a repetition finds nothing left.
    ///
    /// # Errors
    /// `Busy`, `Store`, `Stopping`; what was deleted before stays so.
    pub async fn purge_instances(
        &self,
        selection: PurgeSelection,
        options: PurgeOptions,
    ) -> Result<u64, ClientError> {
        self.engine.purge_instances(selection, options).await
    }

    /// Starts an orchestration unless a live one has the id, and sends whichever it is an event, in one commit.
    ///
    /// # Errors
    /// As `start_new` and `raise_event`.
    pub async fn start_and_raise(
        &self,
        orchestrator: &str,
        input: Json,
        options: StartOptions,
        event: RaisedEvent<'_>,
    ) -> Result<StartAnswer, ClientError> {
        self.engine.check_value("the input", &input)?;
        self.engine.check_value(EVENT_DATA, &event.data)?;
        self.engine.start_and_raise((orchestrator, input), options, event, self.idempotency.as_ref()).await
    }

    /// Waits until an instance's status, custom status or run is another one than was seen, or `timeout` has passed;
    /// answers its status at that moment.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn wait_for_change(
        &self,
        instance: &InstanceId,
        seen: &OrchestrationStatus,
        timeout: Duration,
    ) -> Result<OrchestrationStatus, ClientError> {
        self.engine.wait_for_change(instance, seen, timeout).await
    }

    /// What [`OrchestrationClient::note`] has kept under this key, if anything.
    ///
    /// # Errors
    /// `IdempotencyMismatch`, `Store`.
    pub fn noted(&self, idempotency: &Idempotency) -> Result<Option<Vec<u8>>, ClientError> {
        self.engine.noted(idempotency)
    }

    /// Keeps what a repetition of a request is to be answered, for 24 hours; answers what is kept: that of the first.
    ///
    /// # Errors
    /// `IdempotencyMismatch`, `Busy`, `Stopping`.
    pub async fn note(&self, idempotency: &Idempotency, note: Vec<u8>) -> Result<Vec<u8>, ClientError> {
        self.engine.note(idempotency, note).await
    }

    /// How many instances there are of each status.
    ///
    /// # Errors
    /// `Store`.
    pub fn counts(&self) -> Result<StatusCounts, ClientError> {
        Ok(self.engine.store.counts()?)
    }

    /// The instances that cannot go on now.
    #[must_use]
    pub fn stuck_instances(&self) -> BTreeSet<InstanceId> {
        self.engine.stuck.all()
    }

    /// One page of instances, in the order that the query asks for.
    ///
    /// # Errors
    /// `Store`.
    pub async fn list_instances(
        &self,
        query: ListQuery,
        options: StatusOptions,
    ) -> Result<InstancePage, ClientError> {
        self.engine.scan(move |engine| engine.list(&query, options)).await
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
