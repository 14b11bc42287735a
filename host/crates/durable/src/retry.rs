//! Retry policies of activities and sub-orchestrations.

use crate::{ExecutionId, TaskFailureDetails, TaskId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When what has failed is tried again.
///
/// Source: `RetryOptions` of Durable Functions. The delay before attempt n+1 is
/// `first_retry_interval * backoff_coefficient^(n-1)`, at most `max_retry_interval`, and shortened by `jitter`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryPolicy {
    /// Before the second attempt; more than zero.
    pub first_retry_interval: Duration,
    /// All attempts together, at least 1.
    pub max_attempts: u32,
    /// At least 1.0, which means a constant interval.
    pub backoff_coefficient: f64,
    /// The longest interval; without one, an hour.
    pub max_retry_interval: Option<Duration>,
    /// No attempt begins later than this after the first one began.
    pub retry_timeout: Option<Duration>,
    /// The part of each interval that is left to chance, from 0.0, none, to 1.0: tasks that failed together are not all
    /// tried again together. The same task has the same intervals at every replay.
    #[serde(default)]
    pub jitter: f64,
    /// Only failures of these error types are tried again; empty means all.
    #[serde(default)]
    pub handle: Vec<String>,
}

/// The interval when a policy sets no longest one.
const MAX_RETRY_INTERVAL_DEFAULT: Duration = Duration::from_secs(3600);

/// The policy makes no sense; the text says which field.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("retry policy: {0}")]
pub struct InvalidRetryPolicy(&'static str);

/// An attempt that failed.
#[derive(Debug, Clone, Copy)]
pub struct FailedAttempt<'a> {
    /// Why.
    pub failure: &'a TaskFailureDetails,
    /// Its number, from 1.
    pub attempt: u32,
    /// How long ago the first attempt began.
    pub elapsed: Duration,
    /// Whose task it was, for the jitter.
    pub execution: ExecutionId,
    /// Which task, for the jitter.
    pub task: TaskId,
}

impl FailedAttempt<'_> {
    /// A number from 0 to 1, the same whenever it is asked for.
    fn chance(&self) -> f64 {
        let mut bytes = [0; 24];
        let (execution, numbers) = bytes.split_at_mut(16);
        execution.copy_from_slice(self.execution.0.as_bytes());
        let (task, attempt) = numbers.split_at_mut(4);
        task.copy_from_slice(&self.task.0.to_be_bytes());
        attempt.copy_from_slice(&self.attempt.to_be_bytes());
        let [a, b, c, d, ..] = xxhash_rust::xxh3::xxh3_64(&bytes).to_be_bytes();
        f64::from(u32::from_be_bytes([a, b, c, d])) / f64::from(u32::MAX)
    }
}

impl RetryPolicy {
    /// Checks the ranges of the fields.
    ///
    /// # Errors
    /// A field is out of its range.
    pub fn check(&self) -> Result<(), InvalidRetryPolicy> {
        if self.max_attempts == 0 {
            return Err(InvalidRetryPolicy("max-attempts must be at least 1"));
        }
        if self.first_retry_interval.is_zero() && self.max_attempts > 1 {
            return Err(InvalidRetryPolicy("first-retry-interval-ms must be more than 0"));
        }
        if !self.backoff_coefficient.is_finite() || self.backoff_coefficient < 1.0 {
            return Err(InvalidRetryPolicy("backoff-coefficient must be a number of at least 1.0"));
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(InvalidRetryPolicy("jitter must be a number from 0.0 to 1.0"));
        }
        Ok(())
    }

    /// How long to wait after an attempt before the next one; `None` when it was the last one.
    #[must_use]
    pub fn next_delay(&self, failed: &FailedAttempt<'_>) -> Option<Duration> {
        if failed.failure.non_retriable
            || failed.attempt >= self.max_attempts
            || !self.handles(failed.failure)
        {
            return None;
        }
        let longest = self.max_retry_interval.unwrap_or(MAX_RETRY_INTERVAL_DEFAULT);
        let exponent = i32::try_from(failed.attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.first_retry_interval.as_secs_f64() * self.backoff_coefficient.powi(exponent);
        let delay = Duration::try_from_secs_f64(seconds).unwrap_or(longest).min(longest);
        let delay = delay.mul_f64(1.0 - self.jitter * failed.chance());
        match self.retry_timeout {
            Some(limit) if failed.elapsed.saturating_add(delay) > limit => None,
            _ => Some(delay),
        }
    }

    fn handles(&self, failure: &TaskFailureDetails) -> bool {
        self.handle.is_empty() || self.handle.contains(&failure.error_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn policy() -> RetryPolicy {
        RetryPolicy {
            first_retry_interval: Duration::from_millis(100),
            max_attempts: 4,
            backoff_coefficient: 2.0,
            max_retry_interval: Some(Duration::from_millis(300)),
            retry_timeout: None,
            jitter: 0.0,
            handle: Vec::new(),
        }
    }

    fn delay_of(policy: &RetryPolicy, attempt: u32, elapsed_ms: u64, task: u32) -> Option<Duration> {
        let failure = TaskFailureDetails::new("Busy", "later");
        let elapsed = Duration::from_millis(elapsed_ms);
        let (execution, task) = (ExecutionId(Uuid::from_u128(1)), TaskId(task));
        policy.next_delay(&FailedAttempt { failure: &failure, attempt, elapsed, execution, task })
    }

    fn delay(policy: &RetryPolicy, attempt: u32, elapsed_ms: u64) -> Option<Duration> {
        delay_of(policy, attempt, elapsed_ms, 0)
    }

    #[test]
    fn delay_doubles_up_to_the_longest_interval_and_ends_with_the_attempts() {
        let delays: Vec<_> = (1..=4).map(|n| delay(&policy(), n, 0)).collect();
        let ms = |n| Some(Duration::from_millis(n));
        assert_eq!(delays, [ms(100), ms(200), ms(300), None]);
    }

    #[test]
    fn no_attempt_begins_after_the_retry_timeout() {
        let policy = RetryPolicy { retry_timeout: Some(Duration::from_millis(150)), ..policy() };
        assert_eq!(delay(&policy, 1, 40), Some(Duration::from_millis(100)));
        assert_eq!(delay(&policy, 1, 60), None);
    }

    #[test]
    fn huge_backoff_stops_at_the_longest_interval() {
        let policy = RetryPolicy { backoff_coefficient: 1e300, max_attempts: u32::MAX, ..policy() };
        assert_eq!(delay(&policy, 1_000_000, 0), Some(Duration::from_millis(300)));
    }

    #[test]
    fn only_failures_of_the_types_that_are_handled_are_tried_again() {
        let handling = |types: &[&str]| {
            let handle = types.iter().map(ToString::to_string).collect();
            delay(&RetryPolicy { handle, ..policy() }, 1, 0).is_some()
        };
        assert_eq!([handling(&[]), handling(&["Busy"]), handling(&["X", "Busy"])], [true; 3]);
        assert!(!handling(&["X"]) && !handling(&["busy"]));
    }

    #[test]
    fn a_final_failure_is_not_tried_again() {
        let failure = TaskFailureDetails::non_retriable("Busy", "never");
        let (execution, task) = (ExecutionId(Uuid::nil()), TaskId(0));
        let failed =
            FailedAttempt { failure: &failure, attempt: 1, elapsed: Duration::ZERO, execution, task };
        assert_eq!(policy().next_delay(&failed), None);
    }

    #[test]
    fn jitter_shortens_each_task_s_delays_by_its_own_part_and_always_by_the_same() {
        let policy = RetryPolicy { jitter: 0.5, ..policy() };
        let delays: Vec<_> = (0..100).map(|task| delay_of(&policy, 1, 0, task).unwrap()).collect();
        let (shortest, longest) = (delays.iter().min().unwrap(), delays.iter().max().unwrap());
        assert!((50..55).contains(&shortest.as_millis()), "{shortest:?}");
        assert!((95..=100).contains(&longest.as_millis()), "{longest:?}");
        let again: Vec<_> = (0..100).map(|task| delay_of(&policy, 1, 0, task).unwrap()).collect();
        assert_eq!(delays, again);
    }

    #[test]
    fn fields_out_of_range_are_refused() {
        assert_eq!(policy().check(), Ok(()));
        assert!(RetryPolicy { max_attempts: 0, ..policy() }.check().is_err());
        assert!(RetryPolicy { first_retry_interval: Duration::ZERO, ..policy() }.check().is_err());
        assert!(RetryPolicy { backoff_coefficient: 0.5, ..policy() }.check().is_err());
        assert!(RetryPolicy { backoff_coefficient: f64::NAN, ..policy() }.check().is_err());
        for jitter in [-0.1, 1.1, f64::NAN] {
            assert!(RetryPolicy { jitter, ..policy() }.check().is_err());
        }
    }
}
