//! The tasks that an orchestrator awaits, kept from one wait to the next: a fan-in of n tasks costs n steps, where handing
//! over a list for each of them costs n * n.

use super::{GuestFault, RuntimeState, Task};
use crate::TaskId;
use std::collections::{BTreeMap, BTreeSet};

/// *Invariant:* a task is in `done` exactly if it was awaited, is done and has neither been answered nor given up.
#[derive(Debug, Default)]
pub(super) struct WaitSet {
    open: BTreeSet<TaskId>,
    /// By the order of their completions.
    done: BTreeMap<u64, TaskId>,
}

impl WaitSet {
    /// A task is done.
    pub(super) fn finished(&mut self, task: TaskId, order: u64) {
        if self.open.remove(&task) {
            self.done.insert(order, task);
        }
    }

    /// An open task was given up.
    pub(super) fn forget_open(&mut self, task: TaskId) {
        self.open.remove(&task);
    }

    /// A finished task's result was taken or given up.
    pub(super) fn forget_done(&mut self, order: u64) {
        self.done.remove(&order);
    }
}

impl RuntimeState {
    /// Adds tasks to those that [`Self::wait_next`] chooses from.
    ///
    /// # Errors
    /// A task is unknown, or its result was taken.
    pub fn await_tasks(&mut self, tasks: &[TaskId]) -> Result<(), GuestFault> {
        for &task in tasks {
            let fault = match self.tasks.get(task.0 as usize) {
                Some(Task::Open(_)) => {
                    self.wait_set.open.insert(task);
                    continue;
                }
                Some(Task::Done { order, .. }) => {
                    self.wait_set.done.insert(*order, task);
                    continue;
                }
                Some(Task::Gone) => GuestFault::ResultGone(task),
                None => GuestFault::UnknownTask(task),
            };
            return Err(self.fail(fault));
        }
        Ok(())
    }

    /// The first of the awaited tasks to be done, in the order of the history, which is then no longer awaited; none if
    /// the orchestrator must wait.
    ///
    /// Goes on to the next turn as often as there is one and none of the tasks is done.
    ///
    /// # Errors
    /// No task is awaited, or the history has gone another way.
    pub fn wait_next(&mut self) -> Result<Option<TaskId>, GuestFault> {
        if self.wait_set.open.is_empty() && self.wait_set.done.is_empty() {
            return Err(self.fail(GuestFault::NothingToWaitFor));
        }
        loop {
            if !self.suspended
                && let Some((_, task)) = self.wait_set.done.pop_first()
            {
                return Ok(Some(task));
            }
            if !self.advance()? {
                return Ok(None);
            }
        }
    }
}
