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

/// Works until it is cancelled, and says so.
#[activity(name = "UntilCancelled")]
fn until_cancelled(_input: Value, context: ActivityContext) -> Result<()> {
    for beat in 0_u64.. {
        if let Err(cancelled) = context.heartbeat(beat) {
            println!("ends after a heartbeat: {cancelled}");
            return Err(cancelled);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Counts to ten with a heartbeat at each step, and goes on from the last one; its first attempt falls silent at five.
#[activity(name = "CountWithHeartbeats")]
fn count_with_heartbeats(_input: Value, context: ActivityContext) -> Result<Value> {
    let first = context.heartbeat_details::<u64>()?.map_or(1, |last| last + 1);
    for step in first..=10 {
        context.heartbeat(step)?;
        if context.attempt() == 1 && step == 5 {
            std::thread::sleep(Duration::from_secs(60));
        }
    }
    Ok(json!({ "first": first, "attempt": context.attempt() }))
}

/// A heartbeat of 17 KiB: the host takes 16.
#[activity(name = "HugeHeartbeat")]
fn huge_heartbeat(_input: Value, context: ActivityContext) -> Result<()> {
    context.heartbeat("x".repeat(17 * 1024))
}
