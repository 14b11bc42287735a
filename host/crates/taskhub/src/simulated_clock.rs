//! A clock for tests: time stands still while there is work, and moves to the next time that something waits for.
//!
//! An orchestration of thirty days runs in milliseconds, and every run of a test sees the same times and ids.
//! [`TaskHub::drive`] moves the clock; the test has a current-thread runtime, functions in plain Rust, and no other
//! clock:
//!
//! ```text
//! let clock = Arc::new(SimulatedClock::new(start, seed));
//! let mut hub = TaskHub::open(store, executor, clock.clone(), &settings)?;
//! hub.recover()?;
//! let month = Duration::from_secs(30 * 24 * 3600);
//! let status = hub.drive(&clock, month, client.wait_for_completion(&instance, month)).await;
//! ```

use crate::{Clock, TaskHub};
use durance_durable::Timestamp;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    task::{Poll, Waker},
    time::Duration,
};
use uuid::Uuid;

/// The tasks of a current-thread runtime that are ready each get their turn between two of these. What one wakes another
/// for goes through fewer tasks than this before it ends in a commit or in a wait for the clock.
const QUIET_ROUNDS: u32 = 64;

/// Time and ids as a test wants them.
///
/// Ids are UUIDs (version 5) of the seed and a counter.
#[derive(Debug)]
pub struct SimulatedClock {
    seed: Uuid,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    now: Timestamp,
    ids: u64,
    /// Who waits, by time and then in the order in which they came.
    waiting: BTreeMap<(Timestamp, u64), Waker>,
    /// How many have ever waited.
    waits: u64,
    /// How often somebody began to wait or was woken.
    changes: u64,
}

impl SimulatedClock {
    /// A clock that shows `start` and gives the ids of `seed`.
    #[must_use]
    pub fn new(start: Timestamp, seed: u64) -> Self {
        let state = State { now: start, ..State::default() };
        Self { seed: Uuid::from_u128(seed.into()), state: Mutex::new(state) }
    }

    /// Sets it, and wakes those who waited for a time until then. It never goes back.
    pub fn advance_to(&self, time: Timestamp) {
        let mut state = self.state.lock();
        state.now = state.now.max(time);
        let later = (state.now.saturating_add(Duration::from_nanos(1)), 0);
        let due = state.waiting.split_off(&later);
        let due = std::mem::replace(&mut state.waiting, due);
        state.changes += due.len() as u64;
        drop(state);
        due.into_values().for_each(Waker::wake);
    }

    /// Moves it by so much at once.
    pub fn advance(&self, time: Duration) {
        self.advance_to(self.now().saturating_add(time));
    }

    /// The next time that somebody waits for.
    #[must_use]
    pub fn next_wait(&self) -> Option<Timestamp> {
        self.state.lock().waiting.first_key_value().map(|((time, _), _)| *time)
    }

    fn changes(&self) -> u64 {
        self.state.lock().changes
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        self.state.lock().now
    }

    fn sleep_until(&self, time: Timestamp) -> BoxFuture<'_, ()> {
        let place = {
            let mut state = self.state.lock();
            state.waits += 1;
            Place { clock: self, key: (time, state.waits) }
        };
        Box::pin(poll_fn(move |context| {
            let mut state = place.clock.state.lock();
            if state.now >= time {
                return Poll::Ready(());
            }
            if state.waiting.insert(place.key, context.waker().clone()).is_none() {
                state.changes += 1;
            }
            Poll::Pending
        }))
    }

    fn new_id(&self) -> Uuid {
        let mut state = self.state.lock();
        state.ids += 1;
        Uuid::new_v5(&self.seed, &state.ids.to_be_bytes())
    }
}

/// A place among those who wait; given up when dropped.
struct Place<'c> {
    clock: &'c SimulatedClock,
    key: (Timestamp, u64),
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let left = self.clock.state.lock().waiting.remove(&self.key);
        drop(left);
    }
}

impl TaskHub {
    /// Does `work` while time moves: whenever nothing is under way, to the next time that something waits for. None if
    /// the work is not done before `patience` has passed on the clock, or if nothing would ever happen.
    ///
    /// The hub has to be on this clock, and the runtime has to be a current-thread one: on another, what is under way
    /// cannot be seen.
    pub async fn drive<T>(
        &self,
        clock: &SimulatedClock,
        patience: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let deadline = clock.now().saturating_add(patience);
        let moving = async {
            loop {
                self.quiet(clock).await;
                match clock.next_wait() {
                    Some(time) if time <= deadline => clock.advance_to(time),
                    _ => return,
                }
            }
        };
        tokio::select! {
            biased;
            done = work => Some(done),
            () = moving => None,
        }
    }

    /// Waits until nothing is under way: no commit, and no task that could go on.
    async fn quiet(&self, clock: &SimulatedClock) {
        let mut rounds = 0;
        let mut seen = clock.changes();
        while rounds < QUIET_ROUNDS {
            tokio::task::yield_now().await;
            let changes = clock.changes();
            if self.is_committing() {
                rounds = 0;
                // The committer has a thread of its own.
                std::thread::yield_now();
            } else if changes == seen {
                rounds += 1;
            } else {
                rounds = 0;
            }
            seen = changes;
        }
    }
}
