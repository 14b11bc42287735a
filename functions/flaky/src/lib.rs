//! Retries: an activity that fails at first is called again by its retry policy.
//!
//! ```text
//! curl -i -X POST http://127.0.0.1:7071/api/orchestrators/Flaky -d '{"failures":3}'
//! ```
//!
//! The output is the number of attempts, 4. With five failures or more the orchestration fails as its last attempt did.

use durance_sdk::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Input {
    failures: u32,
}

#[orchestrator(name = "Flaky")]
async fn flaky(ctx: OrchestrationContext, input: Input) -> Result<u32> {
    let policy = RetryPolicy::new(5, Duration::from_millis(20));
    ctx.call_activity_with("FailNTimes", input.failures, policy).await
}

#[activity(name = "FailNTimes")]
fn fail_n_times(failures: u32, context: ActivityContext) -> Result<u32> {
    let attempt = context.attempt();
    if attempt <= failures {
        return Err(Error::new("NotYet", format!("attempt {attempt} of {failures} that fail")));
    }
    Ok(attempt)
}
