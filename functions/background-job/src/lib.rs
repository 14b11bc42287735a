//! A long job whose progress shows in its status.
//!
//! ```text
//! curl -i -X POST http://127.0.0.1:7071/api/orchestrators/BackgroundJob/nightly -d '{"steps":30,"stepMs":1000}'
//! ```

use durance_sdk::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    steps: u64,
    step_ms: u64,
}

#[orchestrator(name = "BackgroundJob")]
async fn background_job(ctx: OrchestrationContext, input: Input) -> Result<u64> {
    for step in 1..=input.steps {
        ctx.set_custom_status(json!({ "step": step }))?;
        ctx.call_activity::<()>("DoStep", input.step_ms).await?;
    }
    Ok(input.steps)
}

#[activity(name = "DoStep")]
fn do_step(duration_ms: u64) {
    std::thread::sleep(Duration::from_millis(duration_ms));
}
