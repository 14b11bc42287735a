//! Who waits for an instance to change, or to be over.

use durance_durable::InstanceId;
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};
use tokio::sync::Notify;

/// Wakes those who wait for instances.
#[derive(Debug, Default)]
pub(crate) struct Watchers(Mutex<HashMap<InstanceId, Arc<Signals>>>);

/// What wakes those who wait for one instance.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    /// A turn was committed.
    pub(crate) changed: Notify,
    /// The instance is over.
    pub(crate) finished: Notify,
}

/// A place among those who wait for one instance; given up when dropped.
#[derive(Debug)]
pub(crate) struct Watch<'a> {
    watchers: &'a Watchers,
    instance: InstanceId,
    pub(crate) signals: Arc<Signals>,
}

impl Watchers {
    /// Waits for an instance from now on.
    pub(crate) fn watch(&self, instance: &InstanceId) -> Watch<'_> {
        let signals = Arc::clone(self.0.lock().entry(instance.clone()).or_default());
        Watch { watchers: self, instance: instance.clone(), signals }
    }

    /// Something that clients see of an instance may have changed.
    pub(crate) fn changed(&self, instance: &InstanceId) {
        // Under the lock: a reference beyond it would keep a watch that is dropped now from cleaning up.
        if let Some(waiting) = self.0.lock().get(instance) {
            waiting.changed.notify_waiters();
        }
    }

    /// An instance is over.
    pub(crate) fn finished(&self, instance: &InstanceId) {
        if let Some(waiting) = self.0.lock().get(instance) {
            waiting.changed.notify_waiters();
            waiting.finished.notify_waiters();
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut waiting = self.watchers.0.lock();
        // Two: the map's and this one.
        if waiting.get(&self.instance).is_some_and(|signals| Arc::strong_count(signals) == 2) {
            waiting.remove(&self.instance);
        }
    }
}
