//! What an attempt of an activity and the engine tell each other while it runs.

use durance_durable::Json;
use tokio::sync::watch;

/// The two ways: the engine says that the activity was cancelled, the activity says that it is at work.
#[derive(Debug)]
pub struct ActivityControl {
    cancelled: watch::Sender<bool>,
    heartbeat: watch::Sender<Option<Json>>,
}

impl ActivityControl {
    /// Of an attempt that has not begun; `heartbeat` is the last one of the attempt before it.
    #[must_use]
    pub fn new(heartbeat: Option<Json>) -> Self {
        Self { cancelled: watch::Sender::new(false), heartbeat: watch::Sender::new(heartbeat) }
    }

    /// Whether nobody waits for the activity any more: it is to end soon, and what it answers is dropped.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        *self.cancelled.borrow()
    }

    /// The activity is at work. The next attempt is handed the details of the last call.
    pub fn heartbeat(&self, details: Json) {
        self.heartbeat.send_replace(Some(details));
    }

    /// The details of the last heartbeat, of this attempt or one before it.
    #[must_use]
    pub fn last_heartbeat(&self) -> Option<Json> {
        self.heartbeat.borrow().clone()
    }

    /// Tells the activity that nobody waits for it.
    pub fn cancel(&self) {
        self.cancelled.send_replace(true);
    }

    /// Returns when the activity was cancelled.
    pub(crate) async fn cancelled(&self) {
        let mut cancelled = self.cancelled.subscribe();
        // An error would mean that the sender is gone, and `self` has it.
        let _is_so = cancelled.wait_for(|cancelled| *cancelled).await;
    }

    /// Changes at each heartbeat from now on.
    pub(crate) fn heartbeats(&self) -> watch::Receiver<Option<Json>> {
        self.heartbeat.subscribe()
    }
}
