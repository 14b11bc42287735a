//! Running activities: at least once, each attempt with its number, again after a failure if the policy says so.

use crate::{
    ActivityCall, ActivityControl, ActivityLimits, TaskHubSettings,
    activity_queue::{ActivityQueue, Group},
    engine::Engine,
    partition::Delivery,
    timers::Due,
};
use durance_durable::{
    ExecutionId, FailedAttempt, HistoryEvent, InstanceId, Json, MessageTarget, ModuleHash,
    TaskFailureDetails, TaskId, Timestamp,
};
use durance_store::{OpenActivity, Operation, Outcome, RetryTask};
use futures_util::FutureExt;
use parking_lot::Mutex;
use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
};

/// Heartbeats are written no more often than this: what a crash loses of them is no older.
const HEARTBEAT_WRITTEN_EVERY: Duration = Duration::from_secs(1);

/// An activity and what its runs need.
#[derive(Debug, Clone)]
pub(crate) struct ActivityRun {
    pub(crate) open: OpenActivity,
    pub(crate) module: ModuleHash,
    pub(crate) generation: u64,
}

/// The activities that run, or wait for a place.
#[derive(Debug)]
pub(crate) struct Activities {
    queue: Mutex<ActivityQueue<ActivityRun>>,
    /// A place is free again.
    freed: Notify,
    grace: Duration,
    /// Locked before the queue by whoever needs both: an activity is always in one of them, so that a cancellation finds it.
    running: Mutex<HashMap<ExecutionId, HashMap<TaskId, Running>>>,
}

#[derive(Debug)]
struct Running {
    handle: AbortHandle,
    control: Arc<ActivityControl>,
}

impl Activities {
    /// None runs or waits yet.
    pub(crate) fn new(settings: &TaskHubSettings) -> Self {
        let limits = settings.activity_limits.clone();
        Self {
            queue: Mutex::new(ActivityQueue::new(settings.concurrent_activities, limits)),
            freed: Notify::new(),
            grace: settings.activity_grace,
            running: Mutex::default(),
        }
    }

    /// Other limits, for those that wait too.
    pub(crate) fn set_limits(&self, limits: ActivityLimits) {
        self.queue.lock().set_limits(limits);
        self.freed.notify_one();
    }

    /// Cancels one: it does not begin, or is told, and stopped after the grace period.
    pub(crate) fn cancel(&self, instance: &InstanceId, execution: ExecutionId, task: TaskId) {
        let is_other = |run: &ActivityRun| run.open.execution != execution || run.open.call.task != task;
        let running = self.running.lock();
        self.queue.lock().retain(instance, is_other);
        if let Some(running) = running.get(&execution).and_then(|tasks| tasks.get(&task)) {
            running.control.cancel();
        }
    }

    /// Cancels those of an execution that is over.
    pub(crate) fn cancel_all(&self, instance: &InstanceId, execution: ExecutionId) {
        let running = self.running.lock();
        self.queue.lock().retain(instance, |run| run.open.execution != execution);
        if let Some(tasks) = running.get(&execution) {
            tasks.values().for_each(|running| running.control.cancel());
        }
    }

    /// Stops all at once: the host ends.
    pub(crate) fn stop_all(&self) {
        self.queue.lock().clear();
        let stopped = std::mem::take(&mut *self.running.lock());
        stopped.values().flat_map(HashMap::values).for_each(|running| running.handle.abort());
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.running.lock().is_empty()
    }

    /// The attempt that runs in the present tokio task has ended. The next one may be there already.
    fn ended(&self, execution: ExecutionId, task: TaskId) {
        let mut running = self.running.lock();
        if let Some(tasks) = running.get_mut(&execution) {
            if tasks.get(&task).is_some_and(|running| Some(running.handle.id()) == tokio::task::try_id()) {
                tasks.remove(&task);
            }
            if tasks.is_empty() {
                running.remove(&execution);
            }
        }
    }
}

/// A place that an activity runs in. It is free again when this is dropped.
struct Place {
    engine: Arc<Engine>,
    group: Group,
}

impl Drop for Place {
    fn drop(&mut self) {
        let activities = &self.engine.activities;
        activities.queue.lock().release(&self.group);
        // Nothing is begun here: the activity may have been stopped by anybody, with any lock held.
        activities.freed.notify_one();
    }
}

impl Engine {
    /// Runs the next attempt of an activity as soon as there is a place for it.
    pub(crate) fn run_activity(self: &Arc<Self>, run: ActivityRun) {
        let options = &run.open.call.options;
        let priority = options.priority;
        let mut queue = self.activities.queue.lock();
        let group = queue.group(&run.open.call.name, options.concurrency_key.as_deref());
        let instance = run.open.instance.clone();
        queue.push(group, priority, &instance, run);
        drop(queue);
        self.begin_activities();
    }

    /// Runs those activities that wait for a place, as far as there are some.
    fn begin_activities(self: &Arc<Self>) {
        // Once the hub is being closed they stay in the store: they run after the next start.
        while !self.is_stopping() {
            // The lock is held over the spawn too, so that an end cannot be noted before the beginning.
            let mut running = self.activities.running.lock();
            let Some((group, run)) = self.activities.queue.lock().next() else { return };
            let (execution, task) = (run.open.execution, run.open.call.task);
            let begun = self.begin_activity(Place { engine: Arc::clone(self), group }, run);
            running.entry(execution).or_default().insert(task, begun);
        }
    }

    fn begin_activity(self: &Arc<Self>, place: Place, run: ActivityRun) -> Running {
        let (execution, task) = (run.open.execution, run.open.call.task);
        let control = Arc::new(ActivityControl::new(run.open.heartbeat.clone()));
        let (engine, attempt) = (Arc::clone(self), Arc::clone(&control));
        let task_of_tokio = tokio::spawn(async move {
            engine.attempt(run, &attempt, place).await;
            engine.activities.ended(execution, task);
        });
        Running { handle: task_of_tokio.abort_handle(), control }
    }

    /// Gives up an activity that its orchestrator does not want any more.
    pub(crate) fn cancel_activity(&self, instance: &InstanceId, execution: ExecutionId, task: TaskId) {
        self.activities.cancel(instance, execution, task);
        self.timers.remove(execution, task);
    }

    async fn attempt(self: &Arc<Self>, run: ActivityRun, control: &Arc<ActivityControl>, place: Place) {
        let result = {
            let heartbeats = control.heartbeats();
            let work = AssertUnwindSafe(self.executor.activity(run.call(control))).catch_unwind();
            tokio::select! {
                result = work => result.unwrap_or_else(|_| Err(host_panic())),
                failure = self.watch_heartbeats(&run, control, heartbeats) => Err(failure),
                () = self.grace_is_over(control) => return,
            }
        };
        drop(place);
        match result {
            _ if control.is_cancelled() => {}
            Ok(result) => self.complete(&run, Ok(result)),
            Err(failure) => self.retry_or_fail(run, failure, control).await,
        }
    }

    /// Returns when an activity was cancelled and has had its time to end by itself.
    async fn grace_is_over(&self, control: &ActivityControl) {
        control.cancelled().await;
        self.clock.sleep_until(self.clock.now().saturating_add(self.activities.grace)).await;
    }

    /// Writes the heartbeats of an attempt, so that they outlive the host. Returns when it has been silent for too long.
    async fn watch_heartbeats(
        &self,
        run: &ActivityRun,
        control: &ActivityControl,
        mut heartbeats: watch::Receiver<Option<Json>>,
    ) -> TaskFailureDetails {
        let mut next_write = Timestamp::default();
        let mut is_written = true;
        let limit = run.open.call.options.heartbeat_timeout;
        let deadline = || limit.map(|limit| self.clock.now().saturating_add(limit));
        let mut silent_until = deadline();
        loop {
            tokio::select! {
                biased;
                Ok(()) = heartbeats.changed() => {
                    is_written = false;
                    silent_until = deadline();
                }
                () = self.clock.sleep_until(next_write), if !is_written => {
                    is_written = true;
                    next_write = self.clock.now().saturating_add(HEARTBEAT_WRITTEN_EVERY);
                    let again = run.again(run.open.attempt, self.clock.now(), control);
                    // One that is not written is no loss: the next one is, or the activity runs again without.
                    let _outcome = self.committer.commit_one(Operation::Retry(again)).await;
                }
                () = self.clock.sleep_until(silent_until.unwrap_or_default()), if silent_until.is_some() => break,
            }
        }
        let seconds = limit.unwrap_or_default().as_secs_f64();
        let text = format!("the activity gave no sign of life for {seconds} s");
        TaskFailureDetails::new("HeartbeatTimeout", text)
    }

    async fn retry_or_fail(
        self: &Arc<Self>,
        mut run: ActivityRun,
        failure: TaskFailureDetails,
        control: &ActivityControl,
    ) {
        let open = &run.open;
        tracing::warn!(
            instance_id = %open.instance, activity = %open.call.name, attempt = open.attempt, error = %failure,
            "activity failed"
        );
        let failed = FailedAttempt {
            failure: &failure,
            attempt: open.attempt,
            elapsed: self.clock.now().saturating_since(open.scheduled),
            execution: open.execution,
            task: open.call.task,
        };
        let policy = open.call.options.retry.as_ref();
        let Some(delay) = policy.and_then(|policy| policy.next_delay(&failed)) else {
            return self.complete(&run, Err(failure));
        };
        let retry = run.again(open.attempt + 1, self.clock.now().saturating_add(delay), control);
        let (execution, task) = (open.execution, open.call.task);
        let (attempt, due, heartbeat) = (retry.attempt, retry.due, retry.heartbeat.clone());
        match self.committer.commit_one(Operation::Retry(retry)).await {
            Ok(Outcome::Retry { applied: true }) => {
                run.open = OpenActivity { attempt, due: Some(due), heartbeat, ..run.open };
                self.timers.add(Due::Retry(Box::new(run)));
                // Whoever cancelled it meanwhile has not found it there.
                if control.is_cancelled() {
                    self.timers.remove(execution, task);
                }
            }
            Ok(Outcome::Unreadable(why)) => self.stuck.unreadable(run.open.instance, why, self.clock.now()),
            // Nobody waits for it any more, or nothing is committed any more.
            Ok(_) | Err(_) => {}
        }
    }

    fn complete(self: &Arc<Self>, run: &ActivityRun, result: Result<Json, TaskFailureDetails>) {
        let task = run.open.call.task;
        let event = match result {
            Ok(result) => HistoryEvent::TaskCompleted { task, result },
            Err(failure) => HistoryEvent::TaskFailed { task, failure },
        };
        // Not stored: if the turn that takes it is not committed, the activity runs again.
        let target = MessageTarget::Execution(run.open.execution);
        self.deliver(&run.open.instance, Delivery { target, event, sequence: None });
    }
}

fn host_panic() -> TaskFailureDetails {
    TaskFailureDetails::new("HostPanic", "the host has panicked while it ran the activity")
}

impl ActivityRun {
    /// How it is to be tried again.
    fn again(&self, attempt: u32, due: Timestamp, control: &ActivityControl) -> RetryTask {
        RetryTask {
            instance: self.open.instance.clone(),
            execution: self.open.execution,
            task: self.open.call.task,
            attempt,
            due,
            heartbeat: control.last_heartbeat(),
        }
    }

    fn call(&self, control: &Arc<ActivityControl>) -> ActivityCall {
        ActivityCall {
            instance: self.open.instance.clone(),
            execution: self.open.execution,
            generation: self.generation,
            module: self.module,
            call: self.open.call.clone(),
            attempt: self.open.attempt,
            control: Arc::clone(control),
        }
    }
}

/// Gives each place that is free to the next activity.
pub(crate) async fn give_places(engine: Arc<Engine>) {
    loop {
        engine.activities.freed.notified().await;
        engine.begin_activities();
    }
}
