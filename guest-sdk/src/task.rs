//! One scheduled task as a future.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::executor::{self, TaskId};
use crate::imports::orchestration_context::{cancel_task, take_result};

/// A durable task of an orchestrator: an activity, a sub-orchestration, a timer or a wait for an event.
///
/// It is scheduled when it is made, not when it is first awaited. Dropping it unfinished gives the task up: a timer is
/// deleted, an activity is cancelled, a wait takes no event.
#[must_use = "a task that is not awaited is given up"]
pub struct Task<T> {
    /// What was scheduled, for people.
    what: String,
    state: State,
    output: PhantomData<fn() -> T>,
}

enum State {
    Scheduled(TaskId),
    /// It could not even be scheduled.
    Refused(Error),
    Finished,
}

impl<T> Task<T> {
    pub(crate) fn scheduled(what: String, task: Result<TaskId>) -> Self {
        Self { what, state: task.map_or_else(State::Refused, State::Scheduled), output: PhantomData }
    }
}

impl<T: DeserializeOwned> Task<T> {
    fn result(&self, task: TaskId) -> Result<T> {
        let output = take_result(task).map_err(Error::from_failure)?;
        serde_json::from_str(&output).map_err(|error| {
            let message = format!("the result of {} does not fit: {error}", self.what);
            Error::non_retriable("InvalidResult", message)
        })
    }
}

impl<T: DeserializeOwned> Future for Task<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        if let State::Scheduled(task) = self.state
            && executor::poll_done(task, context).is_pending()
        {
            return Poll::Pending;
        }
        match std::mem::replace(&mut self.state, State::Finished) {
            State::Scheduled(task) => Poll::Ready(self.result(task)),
            State::Refused(error) => Poll::Ready(Err(error)),
            State::Finished => {
                let message = format!("{} is awaited after its end", self.what);
                Poll::Ready(Err(Error::non_retriable("AwaitedTwice", message)))
            }
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if let State::Scheduled(task) = self.state {
            executor::forget(task);
            cancel_task(task);
        }
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Task({})", self.what)
    }
}
