//! What may be said when a task is scheduled.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::bindings::durance::functions::orchestration_context as wit;

/// When and how often a failed activity or sub-orchestration is tried again.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// The wait before the second attempt.
    pub first_retry_interval: Duration,
    /// From 1, the first attempt included; 1 means no retry.
    pub max_attempts: u32,
    /// Each wait is this many times the one before; at least 1.0, the default.
    pub backoff_coefficient: f64,
    /// No wait is longer. Default: no limit.
    pub max_retry_interval: Option<Duration>,
    /// No attempt begins later than this after the first one began. Default: no limit.
    pub retry_timeout: Option<Duration>,
}

impl RetryPolicy {
    /// So many attempts in all, with the same wait between them.
    pub fn new(max_attempts: u32, first_retry_interval: Duration) -> Self {
        Self {
            first_retry_interval,
            max_attempts,
            backoff_coefficient: 1.0,
            max_retry_interval: None,
            retry_timeout: None,
        }
    }

    /// Makes each wait this many times the one before.
    #[must_use]
    pub fn backoff_coefficient(mut self, coefficient: f64) -> Self {
        self.backoff_coefficient = coefficient;
        self
    }

    /// Makes no wait longer than this.
    #[must_use]
    pub fn max_retry_interval(mut self, interval: Duration) -> Self {
        self.max_retry_interval = Some(interval);
        self
    }

    /// Lets no attempt begin later than this after the first one began.
    #[must_use]
    pub fn retry_timeout(mut self, timeout: Duration) -> Self {
        self.retry_timeout = Some(timeout);
        self
    }

    /// The wait after so many attempts, the first of which began `elapsed` ago; none when that was the last one.
    pub(crate) fn delay_after(&self, attempts: u32, elapsed: Duration) -> Option<Duration> {
        if attempts >= self.max_attempts {
            return None;
        }
        let factor = self.backoff_coefficient.max(1.0).powf(f64::from(attempts.saturating_sub(1)));
        let seconds = self.first_retry_interval.as_secs_f64() * factor;
        let interval = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        let interval = interval.min(self.max_retry_interval.unwrap_or(Duration::MAX));
        let next_attempt = elapsed.saturating_add(interval);
        (next_attempt <= self.retry_timeout.unwrap_or(Duration::MAX)).then_some(interval)
    }
}

/// How an activity is called. Default: one attempt, with the host's time-out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ActivityOptions {
    /// None: a failure is final.
    pub retry: Option<RetryPolicy>,
    /// How long one attempt may take; none: the host's default.
    pub timeout: Option<Duration>,
}

impl ActivityOptions {
    /// Tries again by this policy.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// Ends an attempt that takes longer.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl From<RetryPolicy> for ActivityOptions {
    fn from(policy: RetryPolicy) -> Self {
        Self::default().retry(policy)
    }
}

/// How a sub-orchestration is called. Default: one attempt, with an instance id that the host makes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubOrchestrationOptions {
    /// None: derived from this execution and the task.
    pub instance_id: Option<String>,
    /// None: a failure is final.
    pub retry: Option<RetryPolicy>,
}

impl SubOrchestrationOptions {
    /// Gives the sub-orchestration this instance id.
    #[must_use]
    pub fn instance_id(mut self, instance_id: impl Into<String>) -> Self {
        self.instance_id = Some(instance_id.into());
        self
    }

    /// Tries again by this policy.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }
}

impl From<RetryPolicy> for SubOrchestrationOptions {
    fn from(policy: RetryPolicy) -> Self {
        Self::default().retry(policy)
    }
}

/// When a timer fires: made of a [`Duration`] from the present turn's time, or of a [`SystemTime`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FireAt {
    /// So long after the present turn's time.
    After(Duration),
    /// At this time; at once if it is past.
    At(SystemTime),
}

impl FireAt {
    /// Nanoseconds since the Unix epoch, as those of the present are given.
    pub(crate) fn nanoseconds(self, now: u64) -> u64 {
        let nanoseconds = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        match self {
            Self::After(delay) => now.saturating_add(nanoseconds(delay)),
            Self::At(time) => nanoseconds(time.duration_since(UNIX_EPOCH).unwrap_or_default()),
        }
    }
}

impl From<Duration> for FireAt {
    fn from(delay: Duration) -> Self {
        Self::After(delay)
    }
}

impl From<SystemTime> for FireAt {
    fn from(time: SystemTime) -> Self {
        Self::At(time)
    }
}

/// What becomes of events that no one waited for when an orchestration continues as new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnprocessedEvents {
    /// The next execution finds them.
    #[default]
    Preserve,
    /// They are dropped.
    Discard,
}

impl From<ActivityOptions> for wit::ActivityOptions {
    fn from(options: ActivityOptions) -> Self {
        Self {
            retry: options.retry.map(wit::RetryPolicy::from),
            timeout_ms: options.timeout.map(milliseconds),
        }
    }
}

impl From<RetryPolicy> for wit::RetryPolicy {
    fn from(policy: RetryPolicy) -> Self {
        Self {
            first_retry_interval_ms: milliseconds(policy.first_retry_interval),
            max_attempts: policy.max_attempts,
            backoff_coefficient: policy.backoff_coefficient,
            max_retry_interval_ms: policy.max_retry_interval.map(milliseconds),
            retry_timeout_ms: policy.retry_timeout.map(milliseconds),
        }
    }
}

pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn retry_intervals_grow_up_to_the_longest() {
        let policy = RetryPolicy::new(5, SECOND).backoff_coefficient(3.0).max_retry_interval(10 * SECOND);
        let delays = (1..=5).map(|attempts| policy.delay_after(attempts, Duration::ZERO));
        let expected = [Some(SECOND), Some(3 * SECOND), Some(9 * SECOND), Some(10 * SECOND), None];
        assert!(delays.eq(expected));
    }

    #[test]
    fn no_attempt_begins_after_the_retry_timeout() {
        let policy = RetryPolicy::new(9, 2 * SECOND).retry_timeout(5 * SECOND);
        assert_eq!(policy.delay_after(1, 3 * SECOND), Some(2 * SECOND));
        assert_eq!(policy.delay_after(2, 4 * SECOND), None);
    }

    #[test]
    fn enormous_backoff_is_the_longest_interval_and_no_panic() {
        let policy = RetryPolicy::new(u32::MAX, SECOND).backoff_coefficient(10.0);
        assert_eq!(policy.delay_after(1000, Duration::ZERO), Some(Duration::MAX));
    }
}
