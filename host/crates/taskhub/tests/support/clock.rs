//! A clock that stands still until a test moves it.

use durance_durable::Timestamp;
use durance_taskhub::Clock;
use futures_util::future::BoxFuture;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tokio::sync::Notify;
use uuid::Uuid;

/// Simulated time, and random ids.
#[derive(Debug)]
pub(crate) struct SimulatedClock {
    nanos: AtomicU64,
    moved: Notify,
}

impl SimulatedClock {
    /// Stands at this second since the Unix epoch.
    pub(crate) fn at_seconds(seconds: u64) -> Self {
        Self { nanos: AtomicU64::new(seconds * 1_000_000_000), moved: Notify::new() }
    }

    /// Lets time pass at once.
    pub(crate) fn advance(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap();
        self.nanos.fetch_add(nanos, Ordering::SeqCst);
        self.moved.notify_waiters();
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.nanos.load(Ordering::SeqCst))
    }

    fn sleep_until(&self, time: Timestamp) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                let mut moved = std::pin::pin!(self.moved.notified());
                // Armed before the look, so that a move between the two is not missed.
                moved.as_mut().enable();
                if self.now() >= time {
                    return;
                }
                moved.await;
            }
        })
    }

    fn new_id(&self) -> Uuid {
        Uuid::new_v4()
    }
}
