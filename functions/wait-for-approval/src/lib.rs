//! Human interaction: an event from outside, or a time-out.
//!
//! ```text
//! curl -i -X POST http://127.0.0.1:7071/api/orchestrators/WaitForApproval/order-7 -d '{"timeoutSeconds":300}'
//! ```
//!
//! Then post `true` or `false` to the answer's `sendEventPostUri`, with `Approval` for `{eventName}`.

use durance_sdk::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    timeout_seconds: f64,
}

#[orchestrator(name = "WaitForApproval")]
async fn wait_for_approval(ctx: OrchestrationContext, input: Input) -> Result<&'static str> {
    let timeout = Duration::try_from_secs_f64(input.timeout_seconds)?;
    let approval = ctx.wait_for_external_event::<bool>("Approval");
    match select(approval, ctx.create_timer(timeout)).await {
        Either::Left((is_approved, _)) => Ok(if is_approved? { "approved" } else { "rejected" }),
        Either::Right(_) => Ok("timed out"),
    }
}
