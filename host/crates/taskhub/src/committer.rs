//! Group commit: one thread gathers what is to be written while the store syncs what was gathered before.

use durance_store::{Lease, Operation, Outcome, StoreError, TaskHubStore};
use parking_lot::Mutex;
use std::{
    panic::{self, AssertUnwindSafe},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};
use tokio::sync::{oneshot, watch};

/// The most operations in one commit: bounds the memory and the length of one write.
const OPERATIONS_MAX: usize = 2_048;

/// Takes operations to be committed.
#[derive(Debug)]
pub(crate) struct Committer {
    submissions: Mutex<Option<mpsc::Sender<Submission>>>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
    health: Arc<Health>,
}

/// How the store does.
#[derive(Debug)]
struct Health {
    /// When the commit that is under way began.
    commit_began: Mutex<Option<Instant>>,
    failed: watch::Sender<Option<Arc<StoreError>>>,
}

impl Health {
    fn fail(&self, error: StoreError) {
        self.failed.send_replace(Some(Arc::new(error)));
    }
}

/// Operations that stand together in one commit, in order.
#[derive(Debug)]
struct Submission {
    operations: Vec<Operation>,
    reply: oneshot::Sender<Vec<Outcome>>,
}

/// The operations were not committed, and will not be: the store has failed or the hub is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotCommitted;

impl Committer {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(crate) fn start(store: Arc<dyn TaskHubStore>, leases: Vec<Lease>) -> std::io::Result<Self> {
        let (submissions, inbox) = mpsc::channel();
        let health = Arc::new(Health { commit_began: Mutex::default(), failed: watch::Sender::new(None) });
        let of_thread = Arc::clone(&health);
        let thread = thread::Builder::new().name("durance-committer".to_owned()).spawn(move || {
            let commit = || commit_until_closed(&*store, &leases, &inbox, &of_thread);
            if panic::catch_unwind(AssertUnwindSafe(commit)).is_err() {
                of_thread.fail(StoreError::Poisoned);
            }
        })?;
        Ok(Self { submissions: Mutex::new(Some(submissions)), thread: Mutex::new(Some(thread)), health })
    }

    /// Commits operations together; when this returns they are durable.
    ///
    /// # Errors
    /// They are not, as far as can be known.
    pub(crate) async fn commit(&self, operations: Vec<Operation>) -> Result<Vec<Outcome>, NotCommitted> {
        let (reply, outcomes) = oneshot::channel();
        let submission = Submission { operations, reply };
        {
            let sender = self.submissions.lock();
            sender.as_ref().ok_or(NotCommitted)?.send(submission).map_err(|_| NotCommitted)?;
        }
        outcomes.await.map_err(|_| NotCommitted)
    }

    /// Commits one operation.
    pub(crate) async fn commit_one(&self, operation: Operation) -> Result<Outcome, NotCommitted> {
        let mut outcomes = self.commit(vec![operation]).await?;
        outcomes.pop().ok_or(NotCommitted)
    }

    /// Becomes `Some` when the store has failed: from then on nothing is acknowledged any more.
    pub(crate) fn failed(&self) -> watch::Receiver<Option<Arc<StoreError>>> {
        self.health.failed.subscribe()
    }

    /// Fails the store when a commit takes longer than `limit`: its thread is beyond help, but the process can end and
    /// recover. Returns then.
    pub(crate) async fn watch(&self, limit: Duration) {
        let mut look = tokio::time::interval(limit / 10);
        loop {
            look.tick().await;
            if self.health.commit_began.lock().is_some_and(|began| began.elapsed() > limit) {
                tracing::error!(?limit, "a commit hangs; nothing is acknowledged any more");
                return self.health.fail(StoreError::Stalled(limit));
            }
        }
    }

    /// Commits what was submitted and ends the thread.
    pub(crate) fn close(&self) {
        drop(self.submissions.lock().take());
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the committer thread has panicked");
        }
    }
}

fn commit_until_closed(
    store: &dyn TaskHubStore,
    leases: &[Lease],
    inbox: &mpsc::Receiver<Submission>,
    health: &Health,
) {
    while let Ok(first) = inbox.recv() {
        let mut operations = first.operations;
        let mut replies = vec![(operations.len(), first.reply)];
        while operations.len() < OPERATIONS_MAX
            && let Ok(next) = inbox.try_recv()
        {
            replies.push((next.operations.len(), next.reply));
            operations.extend(next.operations);
        }
        *health.commit_began.lock() = Some(Instant::now());
        let committed = store.commit(leases, operations);
        *health.commit_began.lock() = None;
        match committed {
            Ok(outcomes) => answer(replies, outcomes),
            Err(error) => {
                // Nothing is known of what was written. Only a restart can find out.
                tracing::error!(error = %error, "the store has failed; nothing is acknowledged any more");
                return health.fail(error);
            }
        }
    }
}

fn answer(replies: Vec<(usize, oneshot::Sender<Vec<Outcome>>)>, outcomes: Vec<Outcome>) {
    let mut outcomes = outcomes.into_iter();
    for (count, reply) in replies {
        // Whoever asked may be gone; what was committed stands.
        let _gone = reply.send(outcomes.by_ref().take(count).collect());
    }
}
