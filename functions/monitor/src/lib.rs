//! Looks at something again and again until it is as wanted, or the time is over.
//!
//! ```text
//! curl -i -X POST http://127.0.0.1:7071/api/orchestrators/BackgroundJob/nightly -d '{"steps":30,"stepMs":1000}'
//! curl -i -X POST http://127.0.0.1:7071/api/orchestrators/Monitor -d \
//!   '{"uri":"http://127.0.0.1:7071/runtime/webhooks/durabletask/instances/nightly","member":"runtimeStatus","is":"Completed","everyMs":1000,"expiresMs":60000}'
//! ```
//!
//! `allowed_outbound_hosts` in `durance.toml` says where requests may go.

use durance_sdk::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    /// Answers a JSON object.
    uri: String,
    /// A member of that object, and what it is to be.
    member: String,
    is: Value,
    every_ms: u64,
    expires_ms: u64,
}

/// Answers whether it came to be, and after how many looks.
#[orchestrator(name = "Monitor")]
async fn monitor(ctx: OrchestrationContext, input: Input) -> Result<Value> {
    let expiry = ctx.current_utc_date_time() + Duration::from_millis(input.expires_ms);
    let mut looks = 0;
    while ctx.current_utc_date_time() < expiry {
        // The monitor itself says when it looks again, whatever the answer's status.
        let options = HttpOptions::default().without_asynchronous_pattern();
        let response = ctx.call_http_with(Request::get(&input.uri), options).await?;
        looks += 1;
        let state: Value = response.read_json().unwrap_or_default();
        if state[&input.member] == input.is {
            return Ok(json!({ "reached": true, "looks": looks }));
        }
        ctx.set_custom_status(json!({ "looks": looks, "is": state[&input.member] }))?;
        ctx.create_timer(Duration::from_millis(input.every_ms)).await?;
    }
    Ok(json!({ "reached": false, "looks": looks }))
}
