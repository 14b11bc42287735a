//! An HTTP request from an orchestrator: durable, and with the asynchronous pattern. An answer of 202 is polled until there
//! is another, so this waits for the end of another orchestration:
//!
//! ```text
//! curl -i -X POST http://127.0.0.1:7071/api/orchestrators/BackgroundJob/nightly -d '{"steps":30,"stepMs":1000}'
//! curl -i -X POST http://127.0.0.1:7071/api/orchestrators/CallHttp \
//!   -d '{"uri":"http://127.0.0.1:7071/runtime/webhooks/durabletask/instances/nightly"}'
//! ```
//!
//! `allowed_outbound_hosts` in `durance.toml` says where requests may go.

use std::collections::BTreeMap;

use durance_sdk::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    uri: String,
    #[serde(default = "get")]
    method: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    content: String,
    /// Of each request; a status of 500 and above is a failure then.
    attempts: Option<u32>,
    timeout_ms: Option<u64>,
    #[serde(default)]
    no_polling: bool,
}

fn get() -> String {
    "GET".to_owned()
}

#[orchestrator(name = "CallHttp")]
async fn call_http(ctx: OrchestrationContext, input: Input) -> Result<Value> {
    let request = Request::new(input.method, input.uri).with_body(input.content);
    let request =
        input.headers.into_iter().fold(request, |request, (name, value)| request.with_header(&name, value));
    let policy = |attempts| RetryPolicy::new(attempts, Duration::from_millis(100));
    let options = HttpOptions {
        asynchronous_pattern: !input.no_polling,
        retry: input.attempts.map(policy),
        retry_status_codes: vec![500, 502, 503, 504],
        timeout: input.timeout_ms.map(Duration::from_millis),
    };
    let response = ctx.call_http_with(request, options).await?;
    let content = String::from_utf8_lossy(response.bytes());
    Ok(json!({ "statusCode": response.status(), "content": content }))
}
