//! What clients change besides starting orchestrations.

use crate::{
    ClientError, Idempotency, RestartUnder, StartAnswer,
    engine::{Engine, run_to_end},
    start::answer,
};
use durance_durable::{ExecutionId, HistoryEvent, IfExists, InstanceId, ModuleHash, StartDetails};
use durance_store::{
    Holder, IdempotencyKey, OnceOutcome, OnceRequest, Operation, Outcome, PurgeOutcome, RewindOutcome,
    RewindRequest, SendEvent, SendOutcome, Snapshot, StartRequest,
};
use std::{collections::BTreeMap, sync::Arc};

impl Engine {
    /// Commits operations, under a key if there is one, and lets them take effect. The outcomes of a repetition are
    /// those that the first request was told.
    pub(crate) async fn operate(
        self: &Arc<Self>,
        operations: Vec<Operation>,
        key: Option<IdempotencyKey>,
    ) -> Result<Vec<Outcome>, ClientError> {
        let place = self.admit()?;
        let operations = self.under_key(operations, key);
        let engine = Arc::clone(self);
        let outcomes = run_to_end(async move {
            let _place = place;
            let outcomes = engine.committer.commit(operations).await?;
            outcomes.iter().for_each(|outcome| engine.take_effect_of_outcome(outcome));
            Ok(outcomes)
        })
        .await?;
        told(outcomes)
    }

    /// The operations to commit so that a repetition under the key, if there is one, changes nothing.
    pub(crate) fn under_key(
        &self,
        operations: Vec<Operation>,
        key: Option<IdempotencyKey>,
    ) -> Vec<Operation> {
        let Some(idempotency) = key else { return operations };
        vec![Operation::Once(OnceRequest { idempotency, operations, now: self.clock.now() })]
    }

    pub(crate) async fn operate_one(
        self: &Arc<Self>,
        operation: Operation,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome, ClientError> {
        self.operate(vec![operation], key).await?.pop().ok_or(ClientError::Stopping)
    }

    fn take_effect_of_outcome(self: &Arc<Self>, outcome: &Outcome) {
        match outcome {
            Outcome::Start(start) => self.take_effect_of_start(start),
            Outcome::Send(SendOutcome::Accepted(message)) => self.deliver_all([message.clone()]),
            Outcome::Rewind(RewindOutcome::Rewound { waiting }) => {
                // What cannot be read now is read at the next start of the host.
                if let Err(error) = self.go_on(waiting.clone()) {
                    tracing::error!(%error, "a rewound instance waits for the next start of the host");
                }
            }
            Outcome::Once(OnceOutcome::First(outcomes)) => {
                outcomes.iter().for_each(|one| self.take_effect_of_outcome(one));
            }
            _ => {}
        }
    }

    /// What the first request under the key was told, if there was one.
    pub(crate) fn told_before(
        &self,
        key: Option<&IdempotencyKey>,
    ) -> Result<Option<Vec<Outcome>>, ClientError> {
        let Some(key) = key else { return Ok(None) };
        let first = self.store.first_outcome(key, self.clock.now())?;
        first.map(|first| told(vec![Outcome::Once(first)])).transpose()
    }

    /// What was noted for a request under this key, if it was made before.
    pub(crate) fn noted(&self, idempotency: &Idempotency) -> Result<Option<Vec<u8>>, ClientError> {
        match self.told_before(Some(&idempotency.of::<&str>(&[])))?.and_then(|mut outcomes| outcomes.pop()) {
            Some(Outcome::Note(note)) => Ok(Some(note)),
            Some(other) => Err(misfit(&other)),
            None => Ok(None),
        }
    }

    /// Notes what a repetition of a request is to be told; answers what it was told first, which this is or is not.
    pub(crate) async fn note(
        self: &Arc<Self>,
        idempotency: &Idempotency,
        note: Vec<u8>,
    ) -> Result<Vec<u8>, ClientError> {
        match self.operate_one(Operation::Note(note), Some(idempotency.of::<&str>(&[]))).await? {
            Outcome::Note(note) => Ok(note),
            other => Err(misfit(&other)),
        }
    }

    /// Sends an instance a message from outside.
    pub(crate) async fn send(
        self: &Arc<Self>,
        instance: &InstanceId,
        event: HistoryEvent,
        idempotency: Option<&Idempotency>,
    ) -> Result<(), ClientError> {
        let text = || serde_json::to_string(&event).expect("events can be written as JSON");
        let key = idempotency.map(|key| key.of(&["send", instance.as_str(), &text()]));
        let send = Operation::Send(SendEvent { instance: instance.clone(), event });
        sent(instance, self.operate_one(send, key).await?)
    }

    /// Deletes a finished instance.
    pub(crate) async fn purge(
        self: &Arc<Self>,
        instance: &InstanceId,
        idempotency: Option<&Idempotency>,
    ) -> Result<(), ClientError> {
        let key = idempotency.map(|key| key.of(&["purge", instance.as_str()]));
        match self.operate_one(Operation::Purge(instance.clone()), key).await? {
            Outcome::Purge(PurgeOutcome::Purged) => Ok(()),
            Outcome::Purge(PurgeOutcome::NotFound) => Err(ClientError::NotFound(instance.clone())),
            Outcome::Purge(PurgeOutcome::NotFinished(status)) => {
                Err(ClientError::NotFinished { instance: instance.clone(), status })
            }
            other => Err(misfit(&other)),
        }
    }

    /// Forgets the starts that wait for the end of an instance; answers how many there were.
    pub(crate) async fn drop_queue(
        self: &Arc<Self>,
        instance: &InstanceId,
        idempotency: Option<&Idempotency>,
    ) -> Result<u32, ClientError> {
        let key = idempotency.map(|key| key.of(&["drop-queue", instance.as_str()]));
        match self.operate_one(Operation::DropQueue(instance.clone()), key).await? {
            Outcome::DropQueue(waited) => waited.ok_or_else(|| ClientError::NotFound(instance.clone())),
            other => Err(misfit(&other)),
        }
    }

    /// Lets a failed instance go on from where it failed.
    pub(crate) async fn rewind(
        self: &Arc<Self>,
        instance: &InstanceId,
        reason: &str,
        idempotency: Option<&Idempotency>,
    ) -> Result<(), ClientError> {
        // What is looked up here is needed until it is in the store.
        let _era = self.era.present();
        let key = idempotency.map(|key| key.of(&["rewind", instance.as_str(), reason]));
        let request = RewindRequest {
            instance: instance.clone(),
            reason: reason.into(),
            modules: self.modules(),
            retention: self.retention(),
            executions: ExecutionId(self.clock.new_id()),
            now: self.clock.now(),
        };
        match self.operate_one(Operation::Rewind(request), key).await? {
            Outcome::Rewind(RewindOutcome::Rewound { .. }) => Ok(()),
            Outcome::Rewind(RewindOutcome::NotFound) => Err(ClientError::NotFound(instance.clone())),
            Outcome::Rewind(RewindOutcome::HeldLocks(instance)) => Err(ClientError::HeldLocks(instance)),
            Outcome::Rewind(RewindOutcome::NotFailed(status)) => {
                Err(ClientError::NotFailed { instance: instance.clone(), status })
            }
            other => Err(misfit(&other)),
        }
    }

    /// The component of each orchestrator that the app has now.
    fn modules(&self) -> BTreeMap<Arc<str>, ModuleHash> {
        let names = self.executor.orchestrator_names().into_iter();
        let resolved = names.filter_map(|name| {
            let module = self.executor.resolve_orchestrator(&name)?;
            Some((name.into(), module))
        });
        resolved.collect()
    }

    /// Starts an instance's orchestrator again.
    pub(crate) async fn restart(
        self: &Arc<Self>,
        instance: &InstanceId,
        under: RestartUnder,
        idempotency: Option<&Idempotency>,
    ) -> Result<StartAnswer, ClientError> {
        // What is looked up here is needed until it is in the store.
        let _era = self.era.present();
        let key = idempotency.map(|key| key.of(&["restart", instance.as_str(), &format!("{under:?}")]));
        // Before the look at the instance: that may be gone by now.
        if let Some(first) = self.told_before(key.as_ref())? {
            return started(instance, first);
        }
        let snapshot = self.store.instance(instance)?;
        let record = snapshot.record.as_ref().ok_or_else(|| ClientError::NotFound(instance.clone()))?;
        if under == RestartUnder::SameId && !record.status.is_finished() {
            let (execution, generation, status) = (record.execution, record.generation, record.status);
            let holder = Holder { instance: instance.clone(), execution, generation, status };
            return Ok(StartAnswer::AlreadyExists(holder));
        }
        let (id, token) = match under {
            RestartUnder::SameId => (instance.clone(), Some(snapshot.token)),
            RestartUnder::NewId => (self.new_instance(idempotency), None),
        };
        let start = StartRequest { instance: id, token, ..self.again(instance, &snapshot)? };
        started(instance, self.operate(vec![Operation::Start(start)], key).await?)
    }

    /// A start with what the run in the snapshot was started with.
    fn again(&self, instance: &InstanceId, snapshot: &Snapshot) -> Result<StartRequest, ClientError> {
        let not_found = || ClientError::NotFound(instance.clone());
        let record = snapshot.record.as_ref().ok_or_else(not_found)?;
        let begun_with = self.store.execution(record.execution)?.ok_or_else(not_found)?;
        let module = self.executor.resolve_orchestrator(&record.name);
        Ok(StartRequest {
            instance: instance.clone(),
            name: Arc::clone(&record.name),
            input: begun_with.input,
            module: module.ok_or_else(|| self.unknown_orchestrator(&record.name))?,
            execution: ExecutionId(self.clock.new_id()),
            parent: None,
            if_exists: IfExists::ReplaceFinished,
            token: None,
            retention: begun_with.retention,
            details: StartDetails { scheduled_start: None, ..record.details.clone() },
            now: self.clock.now(),
        })
    }

    /// The id of an instance that is started without one.
    pub(crate) fn new_instance(&self, idempotency: Option<&Idempotency>) -> InstanceId {
        idempotency.map_or_else(|| InstanceId::from_uuid(self.clock.new_id()), Idempotency::instance)
    }
}

/// The outcomes of operations, whether they were done under a key or not.
pub(crate) fn told(mut outcomes: Vec<Outcome>) -> Result<Vec<Outcome>, ClientError> {
    match outcomes.pop() {
        Some(Outcome::Once(OnceOutcome::First(outcomes) | OnceOutcome::Repeated(outcomes))) => Ok(outcomes),
        Some(Outcome::Once(OnceOutcome::Mismatch)) => Err(ClientError::IdempotencyMismatch),
        last => {
            outcomes.extend(last);
            Ok(outcomes)
        }
    }
}

fn sent(instance: &InstanceId, outcome: Outcome) -> Result<(), ClientError> {
    match outcome {
        Outcome::Send(SendOutcome::Accepted(_) | SendOutcome::Repeated) => Ok(()),
        Outcome::Send(SendOutcome::NotFound) => Err(ClientError::NotFound(instance.clone())),
        Outcome::Send(SendOutcome::Finished(status)) => {
            Err(ClientError::Finished { instance: instance.clone(), status })
        }
        other => Err(misfit(&other)),
    }
}

/// Gone between the look and the commit is not found.
fn started(instance: &InstanceId, outcomes: Vec<Outcome>) -> Result<StartAnswer, ClientError> {
    match outcomes.into_iter().next() {
        Some(Outcome::Start(outcome)) => match answer(outcome)? {
            StartAnswer::Changed(None) => Err(ClientError::NotFound(instance.clone())),
            StartAnswer::Changed(Some(holder)) => Ok(StartAnswer::AlreadyExists(holder)),
            answer => Ok(answer),
        },
        Some(other) => Err(misfit(&other)),
        None => Err(ClientError::Stopping),
    }
}

/// Why an outcome is not that of the operation: a row could not be read, or the key is that of a request that did something
/// else.
pub(crate) fn misfit(outcome: &Outcome) -> ClientError {
    if let Outcome::Unreadable(why) = outcome {
        return ClientError::Unreadable(why.clone());
    }
    tracing::debug!(?outcome, "an idempotency key was used for another kind of request");
    ClientError::IdempotencyMismatch
}
