//! Instances that cannot go on: shown as such, and tried again, never silently.

use durance_durable::{InstanceId, Timestamp};
use parking_lot::Mutex;
use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

/// Between the first tries of a turn that the host could not run.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// The longest time between two tries.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Why an instance cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// What was in the way at the last try.
    pub reason: String,
    /// When it first could not go on.
    pub since: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next; none: only after a restart of the host.
    pub next_attempt: Option<Timestamp>,
}

/// The instances that are stuck now.
#[derive(Debug, Default)]
pub(crate) struct StuckInstances(Mutex<HashMap<InstanceId, Stuck>>);

impl StuckInstances {
    /// A try has failed; answers how long to wait before the next one.
    pub(crate) fn failed(&self, instance: &InstanceId, reason: String, now: Timestamp) -> Duration {
        let mut stuck = self.0.lock();
        let entry = stuck.entry(instance.clone()).or_insert_with(|| Stuck {
            reason: String::new(),
            since: now,
            attempts: 0,
            next_attempt: None,
        });
        let backoff = BACKOFF_FIRST.saturating_mul(1 << entry.attempts.min(16)).min(BACKOFF_MAX);
        let is_news = entry.reason != reason;
        entry.reason = reason;
        entry.attempts += 1;
        entry.next_attempt = Some(now.saturating_add(backoff));
        if is_news {
            tracing::warn!(instance_id = %instance, error = %entry.reason, "instance is stuck");
        } else {
            tracing::debug!(instance_id = %instance, attempts = entry.attempts, "instance is still stuck");
        }
        backoff
    }

    /// Something that waits for an instance cannot be read: nothing is tried before the next start.
    pub(crate) fn unreadable(&self, instance: InstanceId, reason: String, now: Timestamp) {
        tracing::error!(instance_id = %instance, error = %reason, "instance is stuck");
        self.0.lock().insert(instance, Stuck { reason, since: now, attempts: 1, next_attempt: None });
    }

    /// A try has succeeded.
    pub(crate) fn goes_on(&self, instance: &InstanceId) {
        let mut stuck = self.0.lock();
        if stuck.get(instance).is_some_and(|stuck| stuck.next_attempt.is_some()) {
            stuck.remove(instance);
            tracing::info!(instance_id = %instance, "instance is not stuck any more");
        }
    }

    /// The run that was stuck is over, or another one has its id.
    pub(crate) fn over(&self, instance: &InstanceId) {
        self.0.lock().remove(instance);
    }

    /// All of them.
    pub(crate) fn all(&self) -> BTreeSet<InstanceId> {
        self.0.lock().keys().cloned().collect()
    }

    /// Why an instance is stuck, if it is.
    pub(crate) fn find(&self, instance: &InstanceId) -> Option<Stuck> {
        self.0.lock().get(instance).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_come_at_doubling_intervals_up_to_the_longest_and_begin_anew_once_it_went_on() {
        let (stuck, job) = (StuckInstances::default(), InstanceId::new("job").unwrap());
        let mut now = Timestamp::from_nanos(7);
        let mut waits = Vec::new();
        for _ in 0..11 {
            let wait = stuck.failed(&job, "no component".to_owned(), now);
            now = now.saturating_add(wait);
            assert_eq!(stuck.find(&job).and_then(|stuck| stuck.next_attempt), Some(now));
            waits.push(wait.as_millis());
        }
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]);
        let shown = stuck.find(&job).unwrap();
        assert_eq!((shown.attempts, shown.since), (11, Timestamp::from_nanos(7)));
        stuck.goes_on(&job);
        assert_eq!(stuck.find(&job), None);
        assert_eq!(stuck.failed(&job, "again".to_owned(), now), BACKOFF_FIRST);
    }

    #[test]
    fn what_cannot_be_read_stays_until_the_run_is_over() {
        let (stuck, job) = (StuckInstances::default(), InstanceId::new("job").unwrap());
        stuck.unreadable(job.clone(), "damaged".to_owned(), Timestamp::from_nanos(7));
        stuck.goes_on(&job);
        assert!(stuck.find(&job).is_some());
        stuck.over(&job);
        assert_eq!(stuck.find(&job), None);
    }
}
