//! Drives an orchestrator's future: waits in the host for the tasks that it awaits, nothing else.
//!
//! *Invariant:* a task is in the wait set exactly while a future that was polled and not dropped awaits it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::error::{Error, Result};

/// The host's number for a task of this run.
pub(crate) type TaskId = u32;

/// The tasks that futures await, and those that are done and not yet looked at.
#[derive(Default)]
struct WaitSet {
    awaited: BTreeMap<TaskId, Waker>,
    /// Those of them that the host has not been told of.
    added: Vec<TaskId>,
    done: BTreeSet<TaskId>,
}

impl WaitSet {
    /// The tasks that are awaited since this was asked last; none if no task is awaited at all.
    fn take_added(&mut self) -> Option<Vec<TaskId>> {
        let mut added = std::mem::take(&mut self.added);
        // Those that were given up before the host was told of them must not be.
        added.retain(|task| self.awaited.contains_key(task));
        (!self.awaited.is_empty()).then_some(added)
    }
}

thread_local! {
    static WAIT_SET: RefCell<WaitSet> = RefCell::default();
}

/// Runs a future to its end. `wait_next` is told of more tasks that are awaited, answers which one of all that it was told
/// of and has not answered is done, and may suspend until one is.
///
/// # Errors
/// `NotDurable` when the future waits and no task can wake it.
pub(crate) fn run<T>(future: impl Future<Output = T>, wait_next: impl Fn(&[TaskId]) -> TaskId) -> Result<T> {
    let mut future = pin!(future);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    loop {
        woken.clear();
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Ok(output);
        }
        while !woken.is_set() {
            wait_for_one(&wait_next)?;
        }
    }
}

fn wait_for_one(wait_next: impl Fn(&[TaskId]) -> TaskId) -> Result<()> {
    let Some(added) = WAIT_SET.with_borrow_mut(WaitSet::take_added) else {
        return Err(Error::non_retriable(
            "NotDurable",
            "the orchestrator awaits something that is not durable: await only what OrchestrationContext returns",
        ));
    };
    let done = wait_next(&added);
    let waker = WAIT_SET.with_borrow_mut(|set| {
        set.done.insert(done);
        set.awaited.remove(&done)
    });
    if let Some(waker) = waker {
        waker.wake();
    }
    Ok(())
}

/// Ready once when the task is done; until then the caller is woken when it is.
pub(crate) fn poll_done(task: TaskId, context: &Context<'_>) -> Poll<()> {
    if WAIT_SET.with_borrow_mut(|set| set.done.remove(&task)) {
        return Poll::Ready(());
    }
    let waker = context.waker().clone();
    let replaced = WAIT_SET.with_borrow_mut(|set| {
        let replaced = set.awaited.insert(task, waker);
        if replaced.is_none() {
            set.added.push(task);
        }
        replaced
    });
    // IMPORTANT: outside the borrow, since dropping a waker may drop futures, which come back here.
    drop(replaced);
    Poll::Pending
}

/// Nobody awaits this task any more.
pub(crate) fn forget(task: TaskId) {
    let waker = WAIT_SET.with_borrow_mut(|set| {
        set.done.remove(&task);
        set.awaited.remove(&task)
    });
    drop(waker);
}

/// Whether the whole future has been woken since it was last polled.
#[derive(Default)]
struct Woken(AtomicBool);

impl Woken {
    fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::{Either, join_all, select};
    use std::cell::Cell;
    use std::pin::Pin;

    struct Durable<'a> {
        task: TaskId,
        polls: &'a Cell<usize>,
    }

    impl Future for Durable<'_> {
        type Output = TaskId;

        fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<TaskId> {
            self.polls.set(self.polls.get() + 1);
            poll_done(self.task, context).map(|()| self.task)
        }
    }

    impl Drop for Durable<'_> {
        fn drop(&mut self) {
            forget(self.task);
        }
    }

    /// The host's side: the tasks that it was told of and has not answered.
    #[derive(Default)]
    struct Host(RefCell<BTreeSet<TaskId>>);

    impl Host {
        fn wait_next(
            &self,
            added: &[TaskId],
            choose: impl Fn(&mut BTreeSet<TaskId>) -> Option<TaskId>,
        ) -> TaskId {
            let mut awaited = self.0.borrow_mut();
            awaited.extend(added);
            choose(&mut awaited).expect("never empty")
        }
    }

    #[test]
    fn join_all_polls_each_task_twice_only() {
        let polls = Cell::new(0);
        let tasks = (0..1000).map(|task| Durable { task, polls: &polls });
        let told = Cell::new(0);
        let host = Host::default();
        let last = |added: &[TaskId]| {
            told.set(told.get() + added.len());
            host.wait_next(added, |awaited| awaited.pop_last())
        };
        let outputs = run(join_all(tasks), last).expect("all are durable");
        assert_eq!(outputs, (0..1000).collect::<Vec<_>>());
        assert_eq!((polls.get(), told.get()), (2000, 1000));
    }

    #[test]
    fn loser_of_a_select_leaves_the_wait_set_when_dropped() {
        let polls = Cell::new(0);
        let durable = |task| Durable { task, polls: &polls };
        let orchestrator = async {
            let winner = match select(durable(1), durable(2)).await {
                Either::Left((task, _)) | Either::Right((task, _)) => task,
            };
            (winner, durable(3).await)
        };
        let waits = RefCell::new(Vec::new());
        let host = Host::default();
        let last = |added: &[TaskId]| {
            waits.borrow_mut().push(added.to_vec());
            host.wait_next(added, |awaited| awaited.pop_last())
        };
        assert_eq!(run(orchestrator, last).expect("all are durable"), (2, 3));
        assert_eq!(waits.into_inner(), [vec![1, 2], vec![3]]);
    }

    #[test]
    fn task_that_is_done_while_nobody_polls_it_is_ready_later() {
        let polls = Cell::new(0);
        let orchestrator = async {
            let mut early = Durable { task: 1, polls: &polls };
            let late = Durable { task: 2, polls: &polls };
            std::future::poll_fn(|context| {
                let _: Poll<TaskId> = Pin::new(&mut early).poll(context);
                Poll::Ready(())
            })
            .await;
            let late = late.await;
            (early.await, late)
        };
        let host = Host::default();
        let first = |added: &[TaskId]| host.wait_next(added, |awaited| awaited.pop_first());
        assert_eq!(run(orchestrator, first).expect("all are durable"), (1, 2));
    }

    #[test]
    fn waiting_for_nothing_durable_is_an_error() {
        let error = run(std::future::pending::<()>(), |_| 0).expect_err("nothing to wait for");
        assert_eq!(error.error_type(), "NotDurable");
    }
}
