//! Retry policies of activities.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When a failed activity is tried again.
///
/// Source: `RetryOptions` of Durable Functions. The delay before attempt n+1 is
/// `first_retry_interval * backoff_coefficient^(n-1)`, at most `max_retry_interval`. No jitter.
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
}

/// The interval when a policy sets no longest one.
const MAX_RETRY_INTERVAL_DEFAULT: Duration = Duration::from_secs(3600);

/// The policy makes no sense; the text says which field.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("retry policy: {0}")]
pub struct InvalidRetryPolicy(&'static str);

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
        Ok(())
    }

    /// How long to wait after attempt `attempt` (from 1) failed, `elapsed` after the first one began; `None` when it
    /// was the last one.
    #[must_use]
    pub fn next_delay(&self, attempt: u32, elapsed: Duration) -> Option<Duration> {
        if attempt >= self.max_attempts {
            return None;
        }
        let longest = self.max_retry_interval.unwrap_or(MAX_RETRY_INTERVAL_DEFAULT);
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.first_retry_interval.as_secs_f64() * self.backoff_coefficient.powi(exponent);
        let delay = Duration::try_from_secs_f64(seconds).unwrap_or(longest).min(longest);
        match self.retry_timeout {
            Some(limit) if elapsed.saturating_add(delay) > limit => None,
            _ => Some(delay),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RetryPolicy {
        RetryPolicy {
            first_retry_interval: Duration::from_millis(100),
            max_attempts: 4,
            backoff_coefficient: 2.0,
            max_retry_interval: Some(Duration::from_millis(300)),
            retry_timeout: None,
        }
    }

    #[test]
    fn delay_doubles_up_to_the_longest_interval_and_ends_with_the_attempts() {
        let delays: Vec<_> = (1..=4).map(|n| policy().next_delay(n, Duration::ZERO)).collect();
        let ms = |n| Some(Duration::from_millis(n));
        assert_eq!(delays, [ms(100), ms(200), ms(300), None]);
    }

    #[test]
    fn no_attempt_begins_after_the_retry_timeout() {
        let policy = RetryPolicy { retry_timeout: Some(Duration::from_millis(150)), ..policy() };
        assert_eq!(policy.next_delay(1, Duration::from_millis(40)), Some(Duration::from_millis(100)));
        assert_eq!(policy.next_delay(1, Duration::from_millis(60)), None);
    }

    #[test]
    fn huge_backoff_stops_at_the_longest_interval() {
        let policy = RetryPolicy { backoff_coefficient: 1e300, max_attempts: u32::MAX, ..policy() };
        assert_eq!(policy.next_delay(1_000_000, Duration::ZERO), Some(Duration::from_millis(300)));
    }

    #[test]
    fn fields_out_of_range_are_refused() {
        assert_eq!(policy().check(), Ok(()));
        assert!(RetryPolicy { max_attempts: 0, ..policy() }.check().is_err());
        assert!(RetryPolicy { first_retry_interval: Duration::ZERO, ..policy() }.check().is_err());
        assert!(RetryPolicy { backoff_coefficient: 0.5, ..policy() }.check().is_err());
        assert!(RetryPolicy { backoff_coefficient: f64::NAN, ..policy() }.check().is_err());
    }
}
