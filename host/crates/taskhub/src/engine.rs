//! What the parts of the engine share.

use crate::{
    ClientError, Clock, FunctionExecutor, TaskHubSettings,
    activities::Activities,
    committer::{Committer, NotCommitted},
    partition::{Delivered, Delivery, Partition},
    timers::Timers,
    turn,
    watchers::Watchers,
};
use durance_durable::{HistoryEvent, InstanceId};
use durance_store::{Operation, Outcome, PurgeOutcome, SendEvent, SendOutcome, TaskHubStore};
use std::{
    future::Future,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::{Semaphore, SemaphorePermit};

/// One task hub at work.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) store: Arc<dyn TaskHubStore>,
    pub(crate) executor: Arc<dyn FunctionExecutor>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) committer: Committer,
    pub(crate) partitions: Vec<Partition>,
    pub(crate) timers: Timers,
    pub(crate) activities: Activities,
    pub(crate) watchers: Watchers,
    pub(crate) turns: Semaphore,
    operations: Semaphore,
    stopping: AtomicBool,
}

impl Engine {
    pub(crate) fn new(
        store: Arc<dyn TaskHubStore>,
        executor: Arc<dyn FunctionExecutor>,
        clock: Arc<dyn Clock>,
        committer: Committer,
        settings: &TaskHubSettings,
    ) -> Self {
        let count = usize::from(store.partition_count());
        let hot_max = NonZeroUsize::new(settings.hot_instances / count).unwrap_or(NonZeroUsize::MIN);
        Self {
            store,
            executor,
            clock,
            committer,
            partitions: (0..count).map(|_| Partition::new(hot_max)).collect(),
            timers: Timers::default(),
            activities: Activities::new(settings.concurrent_activities),
            watchers: Watchers::default(),
            turns: Semaphore::new(settings.concurrent_turns),
            operations: Semaphore::new(settings.concurrent_operations),
            stopping: AtomicBool::new(false),
        }
    }

    pub(crate) fn partition(&self, instance: &InstanceId) -> &Partition {
        let index = instance.partition(self.store.partition_count()).0;
        self.partitions.get(usize::from(index)).expect("one for each partition of the store")
    }

    /// Puts something in an instance's mailbox and sees that it is looked at.
    pub(crate) fn deliver(self: &Arc<Self>, instance: &InstanceId, delivery: Delivery) {
        if let Delivered::StartRunner(hot) = self.partition(instance).deliver(instance, delivery) {
            tokio::spawn(turn::run_instance(Arc::clone(self), instance.clone(), hot));
        }
    }

    /// Sends an instance a message from outside.
    pub(crate) async fn send(
        self: &Arc<Self>,
        instance: &InstanceId,
        event: HistoryEvent,
    ) -> Result<(), ClientError> {
        let _place = self.admit()?;
        let operation = Operation::Send(SendEvent { instance: instance.clone(), event });
        let engine = Arc::clone(self);
        let outcome = run_to_end(async move {
            let outcome = engine.committer.commit_one(operation).await?;
            if let Outcome::Send(SendOutcome::Accepted(message)) = &outcome {
                engine.deliver(&message.instance, message.clone().into());
            }
            Ok(outcome)
        });
        match outcome.await? {
            Outcome::Send(SendOutcome::Accepted(_)) => Ok(()),
            Outcome::Send(SendOutcome::NotFound) => Err(ClientError::NotFound(instance.clone())),
            Outcome::Send(SendOutcome::Finished(status)) => {
                Err(ClientError::Finished { instance: instance.clone(), status })
            }
            _ => Err(ClientError::Stopping),
        }
    }

    /// Deletes a finished instance.
    pub(crate) async fn purge(&self, instance: &InstanceId) -> Result<PurgeOutcome, ClientError> {
        let _place = self.admit()?;
        match self.committer.commit_one(Operation::Purge(instance.clone())).await? {
            Outcome::Purge(outcome) => Ok(outcome),
            _ => Err(ClientError::Stopping),
        }
    }

    /// Takes a place among the client operations under way.
    pub(crate) fn admit(&self) -> Result<SemaphorePermit<'_>, ClientError> {
        if self.is_stopping() {
            return Err(ClientError::Stopping);
        }
        self.operations.try_acquire().map_err(|_| ClientError::Busy)
    }

    /// From now on nothing new begins.
    pub(crate) fn begin_stopping(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

/// Runs to its end even if the caller stops waiting: what was committed must take effect.
pub(crate) async fn run_to_end<T, F>(work: F) -> Result<T, ClientError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, NotCommitted>> + Send + 'static,
{
    match tokio::spawn(work).await {
        Ok(done) => done.map_err(ClientError::from),
        Err(_ended) => Err(ClientError::Stopping),
    }
}

impl From<NotCommitted> for ClientError {
    fn from(_: NotCommitted) -> Self {
        Self::Stopping
    }
}
