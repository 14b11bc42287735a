//! Delivering what comes in to the tasks that wait for it.

use super::{BufferedEvent, RuntimeState, Task, TaskKind};
use crate::{HistoryEvent, Json, TaskFailureDetails, TaskId};
use std::sync::Arc;

impl RuntimeState {
    /// Delivers an event; false if it is stale and does not belong in the history.
    pub(super) fn deliver(&mut self, event: HistoryEvent) -> bool {
        match event {
            HistoryEvent::ExecutionStarted => {
                for carried in std::mem::take(&mut self.record.carryover) {
                    self.deliver(carried);
                }
                true
            }
            HistoryEvent::ExecutionSuspended { .. } => !std::mem::replace(&mut self.suspended, true),
            HistoryEvent::ExecutionResumed { .. } => self.resume(),
            event if self.suspended => self.hold(event),
            HistoryEvent::EventRaised { name, input } => {
                self.raise(name, input);
                true
            }
            HistoryEvent::TaskCompleted { task, result }
            | HistoryEvent::SubOrchestrationInstanceCompleted { task, result }
            | HistoryEvent::EntityOperationCompleted { task, result } => self.complete(task, Ok(result)),
            HistoryEvent::TaskFailed { task, failure }
            | HistoryEvent::SubOrchestrationInstanceFailed { task, failure }
            | HistoryEvent::EntityOperationFailed { task, failure } => self.complete(task, Err(failure)),
            HistoryEvent::TimerFired { task } | HistoryEvent::EntityLockGranted { task } => {
                self.complete(task, Ok(Json::null()))
            }
            _ => false,
        }
    }

    fn hold(&mut self, event: HistoryEvent) -> bool {
        let wanted = event.completes().is_none_or(|task| self.is_open(task));
        if wanted {
            self.held.push_back(event);
        }
        wanted
    }

    fn resume(&mut self) -> bool {
        let was_suspended = std::mem::replace(&mut self.suspended, false);
        for event in std::mem::take(&mut self.held) {
            self.deliver(event);
        }
        was_suspended
    }

    fn is_open(&self, task: TaskId) -> bool {
        matches!(self.tasks.get(task.0 as usize), Some(Task::Open(_)))
    }

    fn complete(&mut self, task: TaskId, result: Result<Json, TaskFailureDetails>) -> bool {
        let is_open = self.is_open(task);
        if is_open {
            self.end_step(task, result);
        }
        is_open
    }

    /// Gives an open task its result.
    pub(super) fn finish(&mut self, task: TaskId, order: u64, result: Result<Json, TaskFailureDetails>) {
        let Some(slot @ Task::Open(_)) = self.tasks.get_mut(task.0 as usize) else { return };
        let Task::Open(kind) = std::mem::replace(slot, Task::Gone) else { return };
        *slot = Task::Done { kind, order, result };
        self.wait_set.finished(task, order);
    }

    fn raise(&mut self, name: Arc<str>, input: Json) {
        let key = name.to_lowercase();
        match self.waiters.get_mut(&key).and_then(std::collections::VecDeque::pop_front) {
            Some(waiter) => {
                self.complete(waiter, Ok(input));
            }
            None => {
                let order = self.next_order();
                self.buffered.entry(key).or_default().push_back(BufferedEvent { order, name, input });
            }
        }
    }

    pub(super) fn next_order(&mut self) -> u64 {
        self.deliveries += 1;
        self.deliveries
    }

    /// Gives a buffered event to a new waiter, or lets it wait.
    pub(super) fn wait_for_event(&mut self, task: TaskId, name: &Arc<str>) -> Task {
        let key = name.to_lowercase();
        let kind = TaskKind::Event(Arc::clone(name));
        match self.buffered.get_mut(&key).and_then(std::collections::VecDeque::pop_front) {
            Some(event) => Task::Done { kind, order: event.order, result: Ok(event.input) },
            None => {
                self.waiters.entry(key).or_default().push_back(task);
                Task::Open(kind)
            }
        }
    }

    /// Puts an event back that a cancelled waiter had been given: it goes to the next waiter, in its old place.
    pub(super) fn give_back(&mut self, name: Arc<str>, order: u64, input: Json) {
        let key = name.to_lowercase();
        if let Some(waiter) = self.waiters.get_mut(&key).and_then(std::collections::VecDeque::pop_front) {
            self.finish(waiter, order, Ok(input));
            return;
        }
        let queue = self.buffered.entry(key).or_default();
        let place = queue.partition_point(|event| event.order < order);
        queue.insert(place, BufferedEvent { order, name, input });
    }

    /// External events that nobody has taken, in the order in which they came.
    pub(super) fn unprocessed_events(&mut self) -> Vec<HistoryEvent> {
        let mut events: Vec<_> = std::mem::take(&mut self.buffered).into_values().flatten().collect();
        // An event that was given to a waiter whose result the orchestrator never took was not processed either.
        for task in &mut self.tasks {
            if matches!(task, Task::Done { kind: TaskKind::Event(_), result: Ok(_), .. })
                && let Task::Done { kind: TaskKind::Event(name), order, result: Ok(input) } =
                    std::mem::replace(task, Task::Gone)
            {
                events.push(BufferedEvent { order, name, input });
            }
        }
        events.sort_by_key(|event| event.order);
        events
            .into_iter()
            .map(|event| HistoryEvent::EventRaised { name: event.name, input: event.input })
            .chain(
                std::mem::take(&mut self.held)
                    .into_iter()
                    .filter(|e| matches!(e, HistoryEvent::EventRaised { .. })),
            )
            .collect()
    }
}
