//! Fan-out/fan-in: many activities in parallel, then one result of all of theirs.
//!
//! ```text
//! curl -i -X POST http://127.0.0.1:7071/api/orchestrators/FanOutFanIn -d '{"count":10}'
//! ```

use durance_sdk::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Input {
    count: u64,
}

#[orchestrator(name = "FanOutFanIn")]
async fn fan_out_fan_in(ctx: OrchestrationContext, input: Input) -> Result<u64> {
    let squares = (0..input.count).map(|number| ctx.call_activity::<u64>("Square", number));
    Ok(try_join_all(squares).await?.into_iter().sum())
}

#[activity(name = "Square")]
fn square(number: u64) -> u64 {
    number * number
}
