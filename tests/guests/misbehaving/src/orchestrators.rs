//! Orchestrators for tests.

use durance_sdk::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Call {
    name: String,
    #[serde(default)]
    input: Value,
    timeout_ms: Option<u64>,
}

/// Calls any activity: `{"name":"Slow","input":500,"timeoutMs":100}`.
#[orchestrator(name = "CallActivity")]
async fn call_activity(ctx: OrchestrationContext, call: Call) -> Result<Value> {
    let timeout = call.timeout_ms.map(Duration::from_millis);
    let options = ActivityOptions { timeout, ..ActivityOptions::default() };
    ctx.call_activity_with(&call.name, &call.input, options).await
}

/// Calls any activity and answers what its failure looks like.
#[orchestrator(name = "CatchFailure")]
async fn catch_failure(ctx: OrchestrationContext, call: Call) -> Value {
    let result = ctx.call_activity::<Value>(&call.name, &call.input).await;
    let Err(error) = result else {
        return Value::Null;
    };
    let causes = error.causes().iter();
    let causes: Vec<_> = causes.map(|cause| json!([cause.error_type, cause.message])).collect();
    json!({
        "errorType": error.error_type(),
        "message": error.message(),
        "details": error.details(),
        "nonRetriable": error.is_non_retriable(),
        "causes": causes,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Flaky {
    failures: u32,
    #[serde(default)]
    non_retriable: bool,
    max_attempts: u32,
    interval_ms: u64,
}

/// Retries an activity that fails at first: `{"failures":2,"maxAttempts":3,"intervalMs":10}`.
#[orchestrator(name = "Flaky")]
async fn flaky(ctx: OrchestrationContext, input: Flaky) -> Result<Value> {
    let policy = RetryPolicy::new(input.max_attempts, Duration::from_millis(input.interval_ms));
    let flakiness = json!({ "failures": input.failures, "nonRetriable": input.non_retriable });
    ctx.call_activity_with("FlakyActivity", flakiness, policy).await
}

/// Retries a sub-orchestration that always fails, then answers how it failed.
#[orchestrator(name = "FlakyChild")]
async fn flaky_child(ctx: OrchestrationContext) -> String {
    let policy = RetryPolicy::new(3, Duration::from_millis(10));
    let child = ctx.call_sub_orchestrator_with::<Value>("Failing", (), policy);
    match child.await {
        Ok(_) => "succeeded".to_owned(),
        Err(error) => error.message().to_owned(),
    }
}

#[orchestrator(name = "Failing")]
async fn failing(_ctx: OrchestrationContext) -> Result<()> {
    Err(Error::new("Failing", "this orchestration always fails"))
}

/// Schedules another activity when it is replayed; the event `go` wakes it.
#[orchestrator(name = "NonDeterministic")]
async fn non_deterministic(ctx: OrchestrationContext) -> Result<Value> {
    let activity = if ctx.is_replaying() { "DescribeCall" } else { "Echo" };
    let result = ctx.call_activity(activity, 1).await?;
    ctx.wait_for_external_event::<Value>("go").await?;
    Ok(result)
}

#[orchestrator(name = "AwaitNothingDurable")]
async fn await_nothing_durable(_ctx: OrchestrationContext) {
    std::future::pending::<()>().await;
}

/// A custom status of 17 KiB: the host takes 16.
#[orchestrator(name = "HugeCustomStatus")]
async fn huge_custom_status(ctx: OrchestrationContext) -> Result<()> {
    ctx.set_custom_status("x".repeat(17 * 1024))
}

/// Collects so many events `item`, in the order received.
#[orchestrator(name = "CollectEvents")]
async fn collect_events(ctx: OrchestrationContext, count: u32) -> Result<Vec<Value>> {
    let mut events = Vec::new();
    for _ in 0..count {
        events.push(ctx.wait_for_external_event("item").await?);
    }
    Ok(events)
}

/// What the context answers before and after a timer.
#[orchestrator(name = "DescribeContext")]
async fn describe_context(ctx: OrchestrationContext) -> Result<Value> {
    let guids = [ctx.new_guid(), ctx.new_guid()];
    let before = ctx.current_utc_date_time();
    ctx.create_timer(before + Duration::from_millis(20)).await?;
    let waited = ctx.current_utc_date_time().duration_since(before)?;
    Ok(json!({
        "name": ctx.name(),
        "instanceId": ctx.instance_id(),
        "executionId": ctx.execution_id(),
        "parent": ctx.parent().map(|parent| json!([parent.name, parent.instance_id])),
        "guids": guids,
        "waitedMs": waited.as_secs_f64() * 1000.0,
    }))
}

/// Calls an activity that never ends by itself, and gives it up after a while; then waits for the event `go`.
#[orchestrator(name = "GiveUpActivity")]
async fn give_up_activity(ctx: OrchestrationContext) -> Result<Value> {
    let work = ctx.call_activity::<()>("UntilCancelled", ());
    if let Either::Left(_) = select(work, ctx.create_timer(Duration::from_millis(50))).await {
        return Err(Error::new("Ended", "the activity has ended by itself"));
    }
    ctx.wait_for_external_event("go").await
}

/// Returns while an activity, a child, a timer of a century and a wait are open.
#[orchestrator(name = "ReturnEarly")]
async fn return_early(ctx: OrchestrationContext) -> Result<&'static str> {
    let _work = ctx.call_activity::<()>("UntilCancelled", ());
    let _child = ctx.call_sub_orchestrator::<Value>("CollectEvents", 1);
    let _event = ctx.wait_for_external_event::<Value>("never");
    let _century = ctx.create_timer(Duration::from_secs(100 * 365 * 86_400));
    ctx.create_timer(Duration::from_millis(20)).await?;
    Ok("early")
}

/// Calls the activity that falls silent, with retries and a heartbeat time-out.
#[orchestrator(name = "WatchHeartbeats")]
async fn watch_heartbeats(ctx: OrchestrationContext) -> Result<Value> {
    let policy = RetryPolicy::new(2, Duration::from_millis(10)).jitter(1.0).handle(["HeartbeatTimeout"]);
    let options = ActivityOptions::from(policy).heartbeat_timeout(Duration::from_millis(300));
    ctx.call_activity_with("CountWithHeartbeats", (), options).await
}

/// Retries a child under an id of its own: `{"childId":"c","handle":"Failing"}`.
#[orchestrator(name = "RetryChild")]
async fn retry_child(ctx: OrchestrationContext, input: RetryChild) -> Result<Value> {
    let policy = RetryPolicy::new(3, Duration::from_millis(10)).handle([&input.handle]);
    let options = SubOrchestrationOptions::from(policy).instance_id(input.child_id);
    ctx.call_sub_orchestrator_with("Failing", (), options).await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RetryChild {
    child_id: String,
    handle: String,
}

/// Starts a collector that it does not wait for, and sends it so many events; gives its id.
#[orchestrator(name = "StartAndSend")]
async fn start_and_send(ctx: OrchestrationContext, count: u32) -> Result<String> {
    let id = ctx.start_new_orchestration("CollectEvents", count)?;
    ctx.start_new_orchestration_with_id("CollectEvents", &format!("{}-other", ctx.instance_id()), 1)?;
    for number in 0..count {
        ctx.send_event(&id, "ITEM", number)?;
    }
    ctx.send_event("nobody", "item", 0)?;
    Ok(id)
}

/// Collects the events `item` until none comes for so many milliseconds.
#[orchestrator(name = "CollectUntilQuiet")]
async fn collect_until_quiet(ctx: OrchestrationContext, quiet_ms: u64) -> Result<Vec<u32>> {
    let mut items = Vec::new();
    let quiet = Duration::from_millis(quiet_ms);
    while let Some(item) = ctx.wait_for_external_event_with_timeout("item", quiet).await? {
        items.push(item);
    }
    Ok(items)
}
