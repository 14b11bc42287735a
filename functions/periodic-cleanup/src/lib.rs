//! An eternal orchestration: work, wait, and continue as new, so that its history stays short.
//!
//! ```text
//! curl -i -X POST http://127.0.0.1:7071/api/orchestrators/PeriodicCleanup/cleanup -d '{"everyMs":60000}'
//! curl -i -X POST http://127.0.0.1:7071/api/orchestrators/PeriodicCleanup/thrice -d '{"everyMs":1000,"max":3}'
//! ```

use durance_sdk::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    every_ms: u64,
    /// Ends after so many clean-ups; without it, never.
    max: Option<u64>,
    /// The clean-ups done so far.
    #[serde(default)]
    counter: u64,
}

#[orchestrator(name = "PeriodicCleanup")]
async fn periodic_cleanup(ctx: OrchestrationContext, mut input: Input) -> Result<u64> {
    ctx.call_activity::<()>("CleanUp", input.counter).await?;
    input.counter += 1;
    if input.max.is_some_and(|max| input.counter >= max) {
        return Ok(input.counter);
    }
    ctx.create_timer(Duration::from_millis(input.every_ms)).await?;
    ctx.continue_as_new(&input)?;
    Ok(input.counter)
}

#[activity(name = "CleanUp")]
fn clean_up(counter: u64) {
    println!("Clean-up {counter} is done.");
}
