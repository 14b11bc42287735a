//! What the parts of the engine share.

use crate::{
    ClientError, Clock, ExecutorError, FunctionExecutor, TaskHubSettings,
    activities::Activities,
    app_control::{Era, Eras},
    committer::{Committer, NotCommitted},
    entities::Entities,
    partition::{Delivered, Delivery, Hot, Partition},
    schedules::Schedules,
    stuck::StuckInstances,
    timers::Timers,
    turn,
    watchers::Watchers,
};
use durance_durable::{
    ExecutionRecord, InstanceId, InstanceRecord, Json, Message, RetentionPolicy, RuntimeState, Turn,
};
use durance_store::TaskHubStore;
use parking_lot::Mutex;
use std::{
    future::Future,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// How many listings look through the store at one time: each takes a processor.
const CONCURRENT_SCANS: usize = 2;

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
    pub(crate) entities: Entities,
    pub(crate) watchers: Watchers,
    pub(crate) stuck: StuckInstances,
    pub(crate) schedules: Schedules,
    pub(crate) turns: Semaphore,
    pub(crate) commit_timeout: Duration,
    pub(crate) era: Eras,
    retention: Mutex<RetentionPolicy>,
    value_bytes_max: AtomicUsize,
    operations: Arc<Semaphore>,
    scans: Arc<Semaphore>,
    stopping: watch::Sender<bool>,
    draining: watch::Sender<bool>,
}

/// A place among the client operations under way.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    _era: Era,
}

/// How a pause ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    /// Its time is over.
    Over,
    /// The hub is being closed.
    Stopped,
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
            activities: Activities::new(settings),
            entities: Entities::new(settings.concurrent_entities),
            watchers: Watchers::default(),
            stuck: StuckInstances::default(),
            schedules: Schedules::default(),
            turns: Semaphore::new(settings.concurrent_turns),
            commit_timeout: settings.commit_timeout,
            era: Eras::default(),
            retention: Mutex::new(settings.retention),
            value_bytes_max: AtomicUsize::new(settings.value_bytes_max),
            operations: Arc::new(Semaphore::new(settings.concurrent_operations)),
            scans: Arc::new(Semaphore::new(CONCURRENT_SCANS)),
            stopping: watch::Sender::new(false),
            draining: watch::Sender::new(false),
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

    /// Puts stored messages in the mailboxes of their receivers.
    pub(crate) fn deliver_all(self: &Arc<Self>, messages: impl IntoIterator<Item = Message>) {
        for message in messages {
            let instance = message.instance.clone();
            self.deliver(&instance, message.into());
        }
    }

    /// An orchestrator in memory, that has its history still to be replayed.
    ///
    /// # Errors
    /// Its component cannot be had.
    pub(crate) fn hot(
        &self,
        record: &InstanceRecord,
        begun_with: ExecutionRecord,
        history: Vec<Turn>,
    ) -> Result<Hot, ExecutorError> {
        let state = Arc::new(Mutex::new(RuntimeState::new(record, begun_with, history)));
        let run = self.executor.orchestrator(record.module, Arc::clone(&state))?;
        Ok(Hot { execution: record.execution, module: record.module, state, run })
    }

    /// Refuses a value from outside that is too long.
    pub(crate) fn check_value(&self, what: &'static str, value: &Json) -> Result<(), ClientError> {
        let (bytes, bytes_max) = (value.as_str().len(), self.value_bytes_max.load(Ordering::Relaxed));
        if bytes > bytes_max { Err(ClientError::TooLarge { what, bytes, bytes_max }) } else { Ok(()) }
    }

    /// The app has no orchestrator of this name.
    pub(crate) fn unknown_orchestrator(&self, name: &str) -> ClientError {
        ClientError::UnknownOrchestrator { name: name.to_owned(), known: self.executor.orchestrator_names() }
    }

    /// Takes a place among the client operations under way; kept until the operation has ended, even if its caller is
    /// gone before.
    pub(crate) fn admit(&self) -> Result<Place, ClientError> {
        if self.is_stopping() {
            return Err(ClientError::Stopping);
        }
        let permit = Arc::clone(&self.operations).try_acquire_owned().map_err(|_| ClientError::Busy)?;
        Ok(Place { _permit: permit, _era: self.era.present() })
    }

    /// How long runs that are started now are kept, if their start does not say.
    pub(crate) fn retention(&self) -> RetentionPolicy {
        *self.retention.lock()
    }

    /// Takes over those settings that belong to the app.
    pub(crate) fn set_app_settings(&self, settings: &TaskHubSettings) {
        *self.retention.lock() = settings.retention;
        self.value_bytes_max.store(settings.value_bytes_max, Ordering::Relaxed);
        self.activities.set_limits(settings.activity_limits.clone());
    }

    /// Looks through many rows, off the threads that serve requests and run turns; others may have to end theirs before.
    pub(crate) async fn scan<T: Send + 'static>(
        self: &Arc<Self>,
        scan: impl FnOnce(&Self) -> Result<T, ClientError> + Send + 'static,
    ) -> Result<T, ClientError> {
        let place = Arc::clone(&self.scans).acquire_owned().await.map_err(|_| ClientError::Stopping)?;
        let engine = Arc::clone(self);
        let scanned = tokio::task::spawn_blocking(move || {
            let _place = place;
            scan(&engine)
        });
        scanned.await.unwrap_or(Err(ClientError::Stopping))
    }

    /// From now on nobody waits for an instance any more.
    pub(crate) fn begin_draining(&self) {
        self.draining.send_replace(true);
    }

    /// Becomes true when nobody is to wait for an instance any more.
    pub(crate) fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    /// From now on nothing new begins.
    pub(crate) fn begin_stopping(&self) {
        self.begin_draining();
        self.stopping.send_replace(true);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Becomes true when the hub is being closed.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// Waits, but not once the hub is being closed.
    pub(crate) async fn pause(&self, time: Duration) -> Pause {
        let mut stopping = self.stopping.subscribe();
        let until = self.clock.now().saturating_add(time);
        tokio::select! {
            () = self.clock.sleep_until(until) => Pause::Over,
            _ = stopping.wait_for(|stopping| *stopping) => Pause::Stopped,
        }
    }
}

/// Runs to its end even if the caller stops waiting: what was committed must take effect.
pub(crate) async fn run_to_end<T, F>(work: F) -> Result<T, ClientError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, ClientError>> + Send + 'static,
{
    match tokio::spawn(work).await {
        Ok(done) => done,
        Err(_ended) => Err(ClientError::Stopping),
    }
}

impl From<NotCommitted> for ClientError {
    fn from(_: NotCommitted) -> Self {
        Self::Stopping
    }
}
