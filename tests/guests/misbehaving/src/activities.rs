//! Activities for tests.

use durance_sdk::http;
use durance_sdk::prelude::*;
use serde::Deserialize;

/// Answers its input.
#[activity(name = "Echo")]
fn echo(input: Value) -> Value {
    input
}

/// Takes so many milliseconds.
#[activity(name = "Slow")]
fn slow(duration_ms: u64) {
    std::thread::sleep(Duration::from_millis(duration_ms));
}

/// What the host tells an activity of its call.
#[activity(name = "DescribeCall")]
fn describe_call(_input: Value, context: ActivityContext) -> Value {
    json!({
        "attempt": context.attempt(),
        "idempotencyKey": context.idempotency_key(),
        "instanceId": context.instance_id(),
        "generation": context.generation(),
        "invocationId": context.invocation_id(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Flakiness {
    /// So many attempts fail.
    failures: u32,
    #[serde(default)]
    non_retriable: bool,
}

/// Fails at its first attempts; then answers the number of the attempt and the idempotency key.
#[activity(name = "FlakyActivity")]
fn flaky_activity(input: Flakiness, context: ActivityContext) -> Result<Value> {
    let attempt = context.attempt();
    if attempt > input.failures {
        return Ok(json!({ "attempt": attempt, "idempotencyKey": context.idempotency_key() }));
    }
    let message = format!("attempt {attempt} fails");
    Err(if input.non_retriable {
        Error::non_retriable("Flaky", message)
    } else {
        Error::new("Flaky", message)
    })
}

/// Gets a URL.
#[activity(name = "GetUrl")]
fn get_url(url: String) -> Result<Value> {
    let response = http::send(Request::new("GET", url))?;
    let body = String::from_utf8_lossy(response.bytes());
    Ok(json!({ "status": response.status(), "body": body }))
}
