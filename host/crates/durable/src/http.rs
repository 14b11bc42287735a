//! Durable HTTP: a request that an orchestrator asks for, and the polls that follow an answer of 202.
//!
//! Every request is an activity, [`HTTP_ACTIVITY`], which the host itself runs; every wait between two of them is a timer.
//! So retries, limits, cancellation and recovery are those of activities, and between two requests there is nothing but the
//! timer.

mod message;
#[cfg(test)]
mod tests;

use crate::{ActivityOptions, Json, RetryPolicy, ScheduleTask, TaskFailureDetails, TaskId, Timestamp};
pub use message::{HttpContent, HttpHeaders, HttpRequest, HttpResponse};
use std::time::{Duration, UNIX_EPOCH};

/// The name of the activity that sends a request. Its input is an [`HttpRequest`], its output an [`HttpResponse`].
///
/// Source: Durable Functions, whose histories have the same name.
pub const HTTP_ACTIVITY: &str = "BuiltIn::HttpActivity";

/// The wait before a poll when the answer says nothing of it.
///
/// Source: `defaultAsyncRequestSleepTimeMilliseconds` of Durable Functions.
pub const POLL_INTERVAL_DEFAULT: Duration = Duration::from_secs(30);

/// The shortest wait before a poll, whatever the answer says: a server must not drive the host.
pub const POLL_INTERVAL_MIN: Duration = Duration::from_secs(1);

const ACCEPTED: u16 = 202;

/// What an orchestrator asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpCall {
    /// The first request.
    pub request: HttpRequest,
    /// For each request, the polls too. Which statuses are failures is in the request.
    pub retry: Option<RetryPolicy>,
    /// For all of them and the waits together. None: each request has the time of an activity.
    pub timeout: Option<Duration>,
}

/// A call that may go on with polls.
#[derive(Debug)]
pub(crate) struct HttpPolls {
    call: HttpCall,
    next: HttpRequest,
}

impl HttpCall {
    /// The activity that sends a request of this call, when so much of its time is gone.
    pub(crate) fn activity(&self, task: TaskId, request: &HttpRequest, elapsed: Duration) -> ScheduleTask {
        let timeout = self.timeout.map(|timeout| timeout.saturating_sub(elapsed));
        let retry = self.retry.clone().map(|policy| {
            let limits = policy.retry_timeout.into_iter().chain(timeout);
            RetryPolicy { retry_timeout: limits.min(), ..policy }
        });
        let options = ActivityOptions { retry, timeout, ..ActivityOptions::default() };
        ScheduleTask { task, name: HTTP_ACTIVITY.into(), input: Json::of(request), options }
    }
}

impl HttpPolls {
    pub(crate) fn new(call: HttpCall) -> Self {
        Self { next: call.request.clone(), call }
    }

    /// After this answer: how long to wait before the next poll; none if the answer is the last one.
    ///
    /// # Errors
    /// There is no time left for another poll.
    pub(crate) fn after(
        &mut self,
        answer: &Json,
        now: Timestamp,
        elapsed: Duration,
    ) -> Result<Option<Duration>, TaskFailureDetails> {
        let Ok(response) = serde_json::from_str::<HttpResponse>(answer.as_str()) else { return Ok(None) };
        let Some(location) = response.headers.get("location").filter(|_| response.status_code == ACCEPTED)
        else {
            return Ok(None);
        };
        let delay = response.headers.get("retry-after").and_then(|value| retry_after(value, now));
        let delay = delay.unwrap_or(POLL_INTERVAL_DEFAULT).max(POLL_INTERVAL_MIN);
        if self.call.timeout.is_some_and(|timeout| elapsed.saturating_add(delay) >= timeout) {
            return Err(self.too_slow());
        }
        self.next = self.call.request.poll(location);
        Ok(Some(delay))
    }

    /// The activity that sends the next poll.
    pub(crate) fn activity(&self, task: TaskId, elapsed: Duration) -> ScheduleTask {
        self.call.activity(task, &self.next, elapsed)
    }

    fn too_slow(&self) -> TaskFailureDetails {
        let seconds = self.call.timeout.unwrap_or_default().as_secs_f64();
        let text = format!("the HTTP call did not end within {seconds} s: it is still answered 202");
        TaskFailureDetails::new("Timeout", text)
    }
}

/// The header `Retry-After`: seconds, or a date. None if it is neither.
fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // One with more digits is longer than anybody waits.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let since_epoch = date.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(Timestamp::default().saturating_add(since_epoch).saturating_since(now))
}
