//! Opening and closing a task hub.

use crate::{
    AppControl, Clock, FunctionExecutor, OrchestrationClient, TaskHubSettings,
    activities::{ActivityRun, give_places},
    committer::Committer,
    engine::Engine,
    entities::wake_entities,
    partition::{Delivery, Partition},
    timers::Due,
};
use durance_durable::{EntityId, HistoryEvent, MessageTarget, PartitionId};
use durance_store::{OpenActivity, Operation, Outcome, Recovered, StoreError, TaskHubStore};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

/// How often what was kept for a time is looked through.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// While closing: how often to look whether all is done.
const DRAIN_LOOK: Duration = Duration::from_millis(5);

/// A task hub at work on this host.
#[derive(Debug)]
pub struct TaskHub {
    engine: Arc<Engine>,
    partitions: Vec<PartitionId>,
    /// Taken by [`TaskHub::recover`].
    woken: Option<mpsc::UnboundedReceiver<EntityId>>,
    background: JoinSet<()>,
}

impl TaskHub {
    /// Takes the hub's partitions. Nothing that waits in them goes on before [`TaskHub::recover`].
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn open(
        store: Arc<dyn TaskHubStore>,
        executor: Arc<dyn FunctionExecutor>,
        clock: Arc<dyn Clock>,
        settings: &TaskHubSettings,
    ) -> Result<Self, StoreError> {
        let leases = store.acquire("durance")?;
        let partitions: Vec<_> = leases.iter().map(|lease| lease.partition).collect();
        let (wake, woken) = mpsc::unbounded_channel();
        let committer = Committer::start(Arc::clone(&store), leases, wake)
            .map_err(|source| StoreError::Io { action: "start the committer thread".to_owned(), source })?;
        let engine = Arc::new(Engine::new(store, executor, clock, committer, settings));
        Ok(Self { engine, partitions, woken: Some(woken), background: JoinSet::new() })
    }

    /// Goes on with all that waits. To be called once, when the functions can be run and before any client is given
    /// out. Needs a tokio runtime.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn recover(&mut self) -> Result<(), StoreError> {
        // All is read before anything goes on: what goes on writes more of the same.
        let mut waiting = Vec::new();
        for partition in std::mem::take(&mut self.partitions) {
            waiting.extend(self.engine.store.recover(partition)?);
        }
        self.engine.load_schedules()?;
        self.engine.go_on(waiting)?;
        self.background.spawn(Arc::clone(&self.engine).begin_schedules());
        if let Some(woken) = self.woken.take() {
            self.background.spawn(wake_entities(Arc::clone(&self.engine), woken));
        }
        self.background.spawn(fire_timers(Arc::clone(&self.engine)));
        self.background.spawn(give_places(Arc::clone(&self.engine)));
        self.background.spawn(sweep(Arc::clone(&self.engine)));
        let engine = Arc::clone(&self.engine);
        self.background.spawn(async move { engine.committer.watch(engine.commit_timeout).await });
        Ok(())
    }

    /// What deployments do to this hub.
    #[must_use]
    pub fn app_control(&self) -> AppControl {
        AppControl::new(Arc::clone(&self.engine))
    }

    /// A client of this hub.
    #[must_use]
    pub fn client(&self) -> OrchestrationClient {
        OrchestrationClient::new(Arc::clone(&self.engine))
    }

    /// Becomes `Some` when the store has failed: nothing is acknowledged any more, and the process should end.
    #[must_use]
    pub fn failed(&self) -> watch::Receiver<Option<Arc<StoreError>>> {
        self.engine.committer.failed()
    }

    /// Whether a commit is under way or waited for.
    pub(crate) fn is_committing(&self) -> bool {
        self.engine.committer.is_at_work()
    }

    /// Tells those who wait for instances how far these are now: before [`TaskHub::close`], so that they do not delay it.
    pub fn begin_draining(&self) {
        self.engine.begin_draining();
    }

    /// Begins nothing new, lets what is under way come to its end for at most `drain`, and commits it. What is left
    /// over goes on after the next start.
    pub async fn close(mut self, drain: Duration) {
        self.engine.begin_stopping();
        self.background.shutdown().await;
        let clock = &self.engine.clock;
        let deadline = clock.now().saturating_add(drain);
        while !self.engine.is_idle() && clock.now() < deadline {
            clock.sleep_until(clock.now().saturating_add(DRAIN_LOOK)).await;
        }
        self.engine.activities.stop_all();
        self.engine.schedules.stop_all();
        self.engine.partitions.iter().for_each(Partition::clear);
        let engine = Arc::clone(&self.engine);
        // Joins the committer's thread: blocking.
        if tokio::task::spawn_blocking(move || engine.committer.close()).await.is_err() {
            tracing::error!("closing the committer has panicked");
        }
    }
}

impl Engine {
    fn is_idle(&self) -> bool {
        self.activities.is_idle()
            && self.entities.is_idle()
            && self.schedules.is_idle()
            && self.partitions.iter().all(Partition::is_idle)
    }

    /// Goes on with what waits.
    pub(crate) fn go_on(self: &Arc<Self>, waiting: Vec<Recovered>) -> Result<(), StoreError> {
        let mut messages = Vec::new();
        for recovered in waiting {
            match recovered {
                Recovered::Message(message) => messages.push(message),
                Recovered::Activity(open) => self.recover_activity(open)?,
                Recovered::Timer(timer) => self.timers.add(Due::Timer(timer)),
                Recovered::Unreadable { instance, why } => {
                    self.stuck.unreadable(instance, why, self.clock.now());
                }
                Recovered::Entity(entity) => self.wake_entity(entity),
            }
        }
        // Last: a message may end an instance, and then its activities and timers have to be known.
        self.deliver_all(messages);
        Ok(())
    }

    fn recover_activity(self: &Arc<Self>, open: OpenActivity) -> Result<(), StoreError> {
        let record = match self.store.instance(&open.instance) {
            Err(error @ StoreError::Corrupt { .. }) => {
                self.stuck.unreadable(open.instance, error.to_string(), self.clock.now());
                return Ok(());
            }
            snapshot => snapshot?.record,
        };
        let Some(record) = record else { return Ok(()) };
        let is_due = open.due.is_none_or(|due| due <= self.clock.now());
        let run = ActivityRun { open, module: record.module, generation: record.generation };
        if is_due {
            self.run_activity(run);
        } else {
            self.timers.add(Due::Retry(Box::new(run)));
        }
        Ok(())
    }

    /// Whether the execution that called the activity still waits for it. In doubt it does: at least once is the rule.
    fn is_at_work(&self, run: &ActivityRun) -> bool {
        let snapshot = self.store.instance(&run.open.instance);
        snapshot.is_err()
            || snapshot.is_ok_and(|snapshot| {
                snapshot.record.is_some_and(|record| {
                    record.execution == run.open.execution && !record.status.is_finished()
                })
            })
    }

    fn fire(self: &Arc<Self>, due: Due) {
        match due {
            Due::Retry(run) => {
                if self.is_at_work(&run) {
                    self.run_activity(*run);
                }
            }
            Due::Signal(entity, _) => self.wake_entity(entity),
            Due::Start(early) => {
                early.mail.into_iter().for_each(|delivery| self.deliver(&early.instance, delivery));
            }
            Due::Timer(timer) => {
                // Not stored: the timer is, until the turn that takes this is committed.
                let delivery = Delivery {
                    target: MessageTarget::Execution(timer.execution),
                    event: HistoryEvent::TimerFired { task: timer.task },
                    sequence: None,
                };
                self.deliver(&timer.instance, delivery);
            }
        }
    }
}

async fn fire_timers(engine: Arc<Engine>) {
    loop {
        let (due, next) = engine.timers.take_due(engine.clock.now());
        for due in due {
            engine.fire(due);
        }
        match next {
            Some(next) => tokio::select! {
                () = engine.clock.sleep_until(next) => {}
                () = engine.timers.earlier.notified() => {}
            },
            None => engine.timers.earlier.notified().await,
        }
    }
}

async fn sweep(engine: Arc<Engine>) {
    loop {
        let now = engine.clock.now();
        loop {
            match engine.committer.commit_one(Operation::Sweep { now }).await {
                Ok(Outcome::Sweep { deleted }) if deleted > 0 => {}
                Ok(Outcome::Unreadable(why)) => {
                    tracing::error!(error = %why, "what is kept for a time cannot be looked through");
                    break;
                }
                Ok(_) => break,
                Err(_) => return,
            }
        }
        engine.clock.sleep_until(now.saturating_add(SWEEP_EVERY)).await;
    }
}
