//! Running activities: at least once, each attempt with its number, again after a failure if the policy says so.

use crate::{
    ActivityCall, ActivityLimits,
    activity_queue::{ActivityQueue, Group},
    engine::Engine,
    partition::Delivery,
    timers::Due,
};
use durance_durable::{
    ExecutionId, HistoryEvent, InstanceId, Json, MessageTarget, ModuleHash, TaskFailureDetails, TaskId,
};
use durance_store::{OpenActivity, Operation, Outcome, RetryTask};
use futures_util::FutureExt;
use parking_lot::Mutex;
use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc};
use tokio::{sync::Notify, task::AbortHandle};

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
    running: Mutex<HashMap<ExecutionId, HashMap<TaskId, AbortHandle>>>,
}

impl Activities {
    pub(crate) fn new(concurrent_max: usize, limits: ActivityLimits) -> Self {
        Self {
            queue: Mutex::new(ActivityQueue::new(concurrent_max, limits)),
            freed: Notify::new(),
            running: Mutex::default(),
        }
    }

    /// Stops those of an execution that is over.
    pub(crate) fn stop(&self, instance: &InstanceId, execution: ExecutionId) {
        self.queue.lock().retain(instance, |run| run.open.execution != execution);
        let stopped = self.running.lock().remove(&execution).unwrap_or_default();
        stopped.values().for_each(AbortHandle::abort);
    }

    /// Stops all.
    pub(crate) fn stop_all(&self) {
        self.queue.lock().clear();
        let stopped = std::mem::take(&mut *self.running.lock());
        stopped.values().flat_map(HashMap::values).for_each(AbortHandle::abort);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.running.lock().is_empty()
    }

    /// The attempt that runs in the present tokio task has ended. The next one may be there already.
    fn ended(&self, execution: ExecutionId, task: TaskId) {
        let mut running = self.running.lock();
        if let Some(tasks) = running.get_mut(&execution) {
            if tasks.get(&task).is_some_and(|handle| Some(handle.id()) == tokio::task::try_id()) {
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
            let Some((group, run)) = self.activities.queue.lock().next() else { return };
            self.begin_activity(Place { engine: Arc::clone(self), group }, run);
        }
    }

    fn begin_activity(self: &Arc<Self>, place: Place, run: ActivityRun) {
        let (execution, task) = (run.open.execution, run.open.call.task);
        let engine = Arc::clone(self);
        // The lock is held over the spawn, so that an end cannot be noted before the beginning.
        let mut running = self.activities.running.lock();
        let handle = tokio::spawn(async move {
            engine.attempt(run, place).await;
            engine.activities.ended(execution, task);
        });
        running.entry(execution).or_default().insert(task, handle.abort_handle());
    }

    async fn attempt(self: &Arc<Self>, run: ActivityRun, place: Place) {
        let attempt = AssertUnwindSafe(self.executor.activity(run.call())).catch_unwind();
        let result = attempt.await.unwrap_or_else(|_| {
            Err(TaskFailureDetails::new("HostPanic", "the host has panicked while it ran the activity"))
        });
        drop(place);
        match result {
            Ok(result) => self.complete(&run, Ok(result)),
            Err(failure) => self.retry_or_fail(run, failure).await,
        }
    }

    async fn retry_or_fail(self: &Arc<Self>, mut run: ActivityRun, failure: TaskFailureDetails) {
        let open = &run.open;
        tracing::warn!(
            instance_id = %open.instance, activity = %open.call.name, attempt = open.attempt, error = %failure,
            "activity failed"
        );
        let elapsed = self.clock.now().saturating_since(open.scheduled);
        let policy = open.call.options.retry.as_ref().filter(|_| !failure.non_retriable);
        let Some(delay) = policy.and_then(|policy| policy.next_delay(open.attempt, elapsed)) else {
            return self.complete(&run, Err(failure));
        };
        let (attempt, due) = (open.attempt + 1, self.clock.now().saturating_add(delay));
        let retry = RetryTask {
            instance: open.instance.clone(),
            execution: open.execution,
            task: open.call.task,
            attempt,
            due,
        };
        match self.committer.commit_one(Operation::Retry(retry)).await {
            Ok(Outcome::Retry { applied: true }) => {
                run.open.attempt = attempt;
                run.open.due = Some(due);
                self.timers.add(Due::Retry(run));
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

impl ActivityRun {
    fn call(&self) -> ActivityCall {
        ActivityCall {
            instance: self.open.instance.clone(),
            execution: self.open.execution,
            generation: self.generation,
            module: self.module,
            call: self.open.call.clone(),
            attempt: self.open.attempt,
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
