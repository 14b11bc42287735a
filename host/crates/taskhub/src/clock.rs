//! Time and ids, the two things that the engine takes from outside.

use durance_durable::Timestamp;
use futures_util::future::BoxFuture;
use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use uuid::Uuid;

/// Where the engine's time and its ids come from.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// The present.
    fn now(&self) -> Timestamp;

    /// Waits until it is `time`.
    fn sleep_until(&self, time: Timestamp) -> BoxFuture<'_, ()>;

    /// An id that was never given before.
    fn new_id(&self) -> Uuid;
}

/// The machine's clock, and random ids.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// The machine's clock may be set while the engine waits, so that it looks again after this.
const NAP_MAX: Duration = Duration::from_secs(1);

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::default().saturating_add(since_epoch)
    }

    fn sleep_until(&self, time: Timestamp) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                let left = time.saturating_since(self.now());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(NAP_MAX)).await;
            }
        })
    }

    fn new_id(&self) -> Uuid {
        Uuid::new_v4()
    }
}
