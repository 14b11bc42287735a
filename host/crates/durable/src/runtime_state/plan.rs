//! Tasks that take more than one step: the host goes on with them by itself, and the orchestrator sees only the end.
//!
//! A step is a task of its own, and an event in the history: replay comes by the same steps, whatever the guest's language.

use super::{GuestFault, RuntimeState, Task, TaskKind};
use crate::{
    CreateSubOrchestration, CreateTimer, ExecutionId, FailedAttempt, HistoryEvent, Json, TaskFailureDetails,
    TaskId, Timestamp, http::HttpPolls,
};
use std::time::Duration;

/// What an awaited task ended with.
type TaskResult = Result<Json, TaskFailureDetails>;

/// What is to be done for a task until it is done.
#[derive(Debug)]
pub(super) struct Plan {
    work: Work,
    began: Timestamp,
    /// From 1.
    attempt: u32,
    /// The step that is under way: at first the task itself.
    step: TaskId,
}

#[derive(Debug)]
pub(super) enum Work {
    /// Call it again by its retry policy when it fails.
    SubOrchestration(CreateSubOrchestration),
    /// Ask how far it is for as long as it is answered 202.
    Http(Box<HttpPolls>),
}

/// What the end of a step means.
enum Judgement {
    Done(TaskResult),
    /// After this time, another step.
    Again(Duration),
}

impl Plan {
    fn judge(&mut self, owner: TaskId, result: TaskResult, now: Timestamp, run: ExecutionId) -> Judgement {
        let elapsed = now.saturating_since(self.began);
        match &mut self.work {
            Work::SubOrchestration(child) => {
                let delay = result.as_ref().err().and_then(|failure| {
                    child.retry.as_ref()?.next_delay(&FailedAttempt {
                        failure,
                        attempt: self.attempt,
                        elapsed,
                        execution: run,
                        task: owner,
                    })
                });
                self.attempt += 1;
                delay.map_or(Judgement::Done(result), Judgement::Again)
            }
            Work::Http(polls) => match result.as_ref().map(|answer| polls.after(answer, now, elapsed)) {
                Ok(Ok(Some(delay))) => Judgement::Again(delay),
                Ok(Err(failure)) => Judgement::Done(Err(failure)),
                Ok(Ok(None)) | Err(_) => Judgement::Done(result),
            },
        }
    }

    fn next_call(&self, step: TaskId, now: Timestamp) -> (TaskKind, HistoryEvent) {
        match &self.work {
            Work::SubOrchestration(child) => {
                let again = CreateSubOrchestration { task: step, ..child.clone() };
                (TaskKind::SubOrchestration, HistoryEvent::SubOrchestrationInstanceCreated(again))
            }
            Work::Http(polls) => {
                let poll = polls.activity(step, now.saturating_since(self.began));
                (TaskKind::Activity, HistoryEvent::TaskScheduled(poll))
            }
        }
    }
}

impl RuntimeState {
    /// Notes how to go on with a task that was just opened.
    pub(super) fn plan(&mut self, task: TaskId, work: Work) {
        self.plans.insert(task, Plan { work, began: self.now, attempt: 1, step: task });
    }

    /// An open task has ended: it is done, or a step of a task that may not be done yet.
    pub(super) fn end_step(&mut self, task: TaskId, result: TaskResult) {
        let Some(owner) = self.steps.remove(&task) else { return self.judge(task, result) };
        let slot = self.tasks.get_mut(task.0 as usize);
        match slot.map(|slot| std::mem::replace(slot, Task::Gone)) {
            Some(Task::Open(TaskKind::Timer)) => self.call_again(owner),
            _ => self.judge(owner, result),
        }
    }

    fn judge(&mut self, owner: TaskId, result: TaskResult) {
        let (now, run) = (self.now, self.execution);
        let judgement = match self.plans.get_mut(&owner) {
            Some(plan) => plan.judge(owner, result, now, run),
            None => Judgement::Done(result),
        };
        match judgement {
            Judgement::Done(result) => {
                self.plans.remove(&owner);
                let order = self.next_order();
                self.finish(owner, order, result);
            }
            Judgement::Again(delay) => {
                let fire_at = self.now.saturating_add(delay);
                let Ok(task) = self.next_task() else { return };
                let timer = HistoryEvent::TimerCreated(CreateTimer { task, fire_at });
                self.take_step(owner, TaskKind::Timer, timer);
            }
        }
    }

    fn call_again(&mut self, owner: TaskId) {
        let Ok(task) = self.next_task() else { return };
        let Some(plan) = self.plans.get(&owner) else { return };
        let (kind, call) = plan.next_call(task, self.now);
        self.take_step(owner, kind, call);
    }

    /// Takes a step. A fault is kept, and ends the orchestrator before it goes on.
    fn take_step(&mut self, owner: TaskId, kind: TaskKind, event: HistoryEvent) {
        if self.ask(event).is_err() {
            return;
        }
        let step = self.open(kind);
        self.steps.insert(step, owner);
        if let Some(plan) = self.plans.get_mut(&owner) {
            plan.step = step;
        }
    }

    /// Gives up the step that is under way for a task that is given up.
    pub(super) fn give_up_step(&mut self, owner: TaskId) -> Option<Result<(), GuestFault>> {
        let step = self.plans.remove(&owner)?.step;
        self.steps.remove(&step)?;
        Some(self.cancel_task(step))
    }
}
