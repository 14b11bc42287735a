//! What may be said when a task is scheduled.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::imports::orchestration_context as wit;

/// When and how often a failed activity or sub-orchestration is tried again.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// The wait before the second attempt.
    pub first_retry_interval: Duration,
    /// From 1, the first attempt included; 1 means no retry.
    pub max_attempts: u32,
    /// Each wait is this many times the one before; at least 1.0, the default.
    pub backoff_coefficient: f64,
    /// No wait is longer. Default: an hour.
    pub max_retry_interval: Option<Duration>,
    /// No attempt begins later than this after the first one began. Default: no limit.
    pub retry_timeout: Option<Duration>,
    /// The part of each wait that is left to chance, by which it may be shorter: 0.0, the default, to 1.0. The host
    /// chooses, the same at every replay.
    pub jitter: f64,
    /// Only failures of these error types are tried again. Default: none, which means all.
    pub handle: Vec<String>,
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
            jitter: 0.0,
            handle: Vec::new(),
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

    /// Leaves this part of each wait to chance, by which it may be shorter: 0.0 to 1.0.
    #[must_use]
    pub fn jitter(mut self, jitter: f64) -> Self {
        self.jitter = jitter;
        self
    }

    /// Tries again only after failures of these error types.
    #[must_use]
    pub fn handle<const N: usize>(mut self, error_types: [&str; N]) -> Self {
        self.handle = error_types.map(str::to_owned).to_vec();
        self
    }
}

/// How an activity is called. Default: one attempt, with the host's time-out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ActivityOptions {
    /// None: a failure is final.
    pub retry: Option<RetryPolicy>,
    /// How long one attempt may take; none: the host's default.
    pub timeout: Option<Duration>,
    /// The name of a limit that calls share, besides that of their function: `[limits.keys.NAME]` of the app.
    pub concurrency_key: Option<String>,
    /// Of those that wait for a place, the higher ones come first. None waits for ever. Default: 0.
    pub priority: i8,
    /// How long one attempt may go without a heartbeat; none: it need not give any.
    pub heartbeat_timeout: Option<Duration>,
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

    /// Counts the call under this limit too.
    #[must_use]
    pub fn concurrency_key(mut self, key: impl Into<String>) -> Self {
        self.concurrency_key = Some(key.into());
        self
    }

    /// Puts the call before those of a lower priority.
    #[must_use]
    pub fn priority(mut self, priority: i8) -> Self {
        self.priority = priority;
        self
    }

    /// Ends an attempt that gives no [heartbeat](crate::ActivityContext::heartbeat) for this long.
    #[must_use]
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.heartbeat_timeout = Some(timeout);
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

/// How an HTTP request is sent. Default: the asynchronous pattern, one attempt, no time-out of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpOptions {
    /// Whether an answer of 202 with `Location` is polled there until there is another answer. Before each poll there is a
    /// durable timer: as long as `Retry-After` says, in seconds or as a date, but at least a second; else 30 seconds.
    pub asynchronous_pattern: bool,
    /// For each request, the polls too. None: no answer is a failure of the task, and any status a result.
    pub retry: Option<RetryPolicy>,
    /// With a retry policy: the statuses that are failures. Default: none, which means 400 and above.
    pub retry_status_codes: Vec<u16>,
    /// How long all requests and the waits between them may take together; none: each request has the time of an activity.
    pub timeout: Option<Duration>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self { asynchronous_pattern: true, retry: None, retry_status_codes: Vec::new(), timeout: None }
    }
}

impl HttpOptions {
    /// Gives an answer of 202 back as it is.
    #[must_use]
    pub fn without_asynchronous_pattern(mut self) -> Self {
        self.asynchronous_pattern = false;
        self
    }

    /// Tries again by this policy, after no answer and after a status that is a failure.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// With a retry policy, makes these statuses failures, and no others.
    #[must_use]
    pub fn retry_status_codes<const N: usize>(mut self, codes: [u16; N]) -> Self {
        self.retry_status_codes = codes.to_vec();
        self
    }

    /// Ends the call when all of it takes longer.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl From<RetryPolicy> for HttpOptions {
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

    /// Nanoseconds since the Unix epoch, where the clock is that of the world.
    pub(crate) fn since_now(self) -> u64 {
        self.nanoseconds(Self::At(SystemTime::now()).nanoseconds(0))
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

/// How an orchestration continues as new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContinueAsNewOptions {
    /// What becomes of events that no one waited for. Default: the next execution finds them.
    pub unprocessed_events: UnprocessedEvents,
    /// Whether the next execution runs on the very component that this one runs on. Default: on that of the version of the
    /// app that is active then.
    pub keep_version: bool,
}

impl ContinueAsNewOptions {
    /// Drops events that no one waited for.
    #[must_use]
    pub fn discard_unprocessed_events(mut self) -> Self {
        self.unprocessed_events = UnprocessedEvents::Discard;
        self
    }

    /// Stays on the component that this execution runs on, whatever was deployed since.
    #[must_use]
    pub fn keep_version(mut self) -> Self {
        self.keep_version = true;
        self
    }
}

impl From<ContinueAsNewOptions> for wit::ContinueAsNewOptions {
    fn from(options: ContinueAsNewOptions) -> Self {
        Self {
            preserve_unprocessed_events: options.unprocessed_events == UnprocessedEvents::Preserve,
            keep_version: options.keep_version,
        }
    }
}

impl From<ActivityOptions> for wit::ActivityOptions {
    fn from(options: ActivityOptions) -> Self {
        Self {
            retry: options.retry.map(wit::RetryPolicy::from),
            timeout_ms: options.timeout.map(milliseconds),
            concurrency_key: options.concurrency_key,
            priority: options.priority,
            heartbeat_timeout_ms: options.heartbeat_timeout.map(milliseconds),
        }
    }
}

impl From<SubOrchestrationOptions> for wit::SubOrchestrationOptions {
    fn from(options: SubOrchestrationOptions) -> Self {
        Self { instance_id: options.instance_id, retry: options.retry.map(wit::RetryPolicy::from) }
    }
}

impl From<HttpOptions> for wit::HttpOptions {
    fn from(options: HttpOptions) -> Self {
        let status_codes = options.retry_status_codes;
        Self {
            asynchronous_pattern: options.asynchronous_pattern,
            retry: options.retry.map(|policy| wit::HttpRetry { policy: policy.into(), status_codes }),
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
            jitter: policy.jitter,
            handle: policy.handle,
        }
    }
}

pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
