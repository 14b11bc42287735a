//! Calls a function: reads its input, drives its future, writes its output.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::OrchestrationContext;
use crate::error::{Error, Result};
use crate::executor;
use crate::imports::orchestration_context::wait_next;
use crate::response::Response;

/// Runs an HTTP function.
///
/// # Errors
/// Those of the function, and `NotReady` when it awaits what only an orchestrator can.
pub fn run_http(function: impl Future<Output = Result<Response>>) -> Result<Response> {
    run_at_once(function)
}

/// Runs a timer-triggered function.
///
/// # Errors
/// Those of the function, and `NotReady` when it awaits what only an orchestrator can.
pub fn run_timer<O>(function: impl Future<Output = Result<O>>) -> Result<()> {
    run_at_once(function).map(drop)
}

/// Runs an activity on a JSON text.
///
/// # Errors
/// Those of the function, `InvalidInput`, and `NotReady` when it awaits what only an orchestrator can.
pub fn run_activity<I, O, F>(name: &str, input: &str, function: fn(I) -> F) -> Result<String>
where
    I: DeserializeOwned,
    O: Serialize,
    F: Future<Output = Result<O>>,
{
    let output = run_at_once(function(read_input(name, input)?))?;
    Ok(serde_json::to_string(&output)?)
}

/// Runs an orchestrator on a JSON text.
///
/// # Errors
/// Those of the function, `InvalidInput`, and `NotDurable` when it awaits what no durable task will wake.
pub fn run_orchestrator<I, O, F>(
    name: &str,
    input: &str,
    function: fn(OrchestrationContext, I) -> F,
) -> Result<String>
where
    I: DeserializeOwned,
    O: Serialize,
    F: Future<Output = Result<O>>,
{
    let input = read_input(name, input)?;
    let output = executor::run(function(OrchestrationContext::new(), input), wait_next)??;
    Ok(serde_json::to_string(&output)?)
}

pub(crate) fn read_input<I: DeserializeOwned>(name: &str, input: &str) -> Result<I> {
    serde_json::from_str(input).map_err(|error| {
        let message = format!("{name}: the input does not fit: {error}");
        Error::non_retriable("InvalidInput", message)
    })
}

/// Everything outside orchestrators answers at once, so that the first poll is the last.
fn run_at_once<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(Error::non_retriable(
            "NotReady",
            "the function awaits something that is not ready; only orchestrators wait, for durable tasks",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_that_does_not_fit_is_final_and_says_where() {
        let result = run_activity("Square", "\n  \"x\"", |n: u64| async move { Ok(n * n) });
        let error = result.expect_err("not a number");
        assert_eq!(error.error_type(), "InvalidInput");
        assert!(error.is_non_retriable());
        assert_eq!(
            error.message(),
            "Square: the input does not fit: invalid type: string \"x\", expected u64 at line 2 column 5"
        );
    }

    #[test]
    fn activity_reads_and_writes_json() {
        let result = run_activity("Square", "7", |n: u64| async move { Ok(n * n) });
        assert_eq!(result.expect("a square"), "49");
    }

    #[test]
    fn future_that_is_not_ready_is_refused_outside_orchestrators() {
        let error = run_http(std::future::pending()).expect_err("pending");
        assert_eq!(error.error_type(), "NotReady");
    }
}
