//! Critical sections.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::error::Result;
use crate::executor::TaskId;
use crate::imports::orchestration_context::release_locks;
use crate::task::Task;

/// The locks of entities, held until this is dropped. The end of the execution, whatever it is, releases them too.
#[derive(Debug)]
#[must_use = "the locks are released when this is dropped: bind it to a variable"]
pub struct EntityLock(TaskId);

impl Drop for EntityLock {
    fn drop(&mut self) {
        release_locks(self.0);
    }
}

/// A request for locks, as a future. Dropping it gives the request up.
#[derive(Debug)]
#[must_use = "locks that are not awaited are given up"]
pub struct Locking {
    id: TaskId,
    task: Task<()>,
}

impl Locking {
    pub(crate) fn new(id: TaskId) -> Self {
        Self { id, task: Task::scheduled("the locks of entities".to_owned(), Ok(id)) }
    }
}

impl Future for Locking {
    type Output = Result<EntityLock>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<EntityLock>> {
        let granted = ready!(Pin::new(&mut self.task).poll(context));
        Poll::Ready(granted.map(|()| EntityLock(self.id)))
    }
}
