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

#[cfg(test)]
mod tests {
    use super::*;
    use durance_sdk::testing::TestHub;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn input(max: Option<u64>) -> Input {
        Input { every_ms: DAY.as_millis() as u64, max, counter: 0 }
    }

    #[test]
    fn it_cleans_up_once_a_day_and_continues_as_new() {
        let run = TestHub::new().run_for(30 * DAY, "PeriodicCleanup", input(None));
        assert_eq!(run.activity_inputs("CleanUp").len(), 31);
        assert_eq!(run.inputs().last().map(|input| &input["counter"]), Some(&json!(30)));
    }

    #[test]
    fn it_ends_after_the_last_clean_up() {
        let run = TestHub::new().run("PeriodicCleanup", input(Some(3)));
        assert_eq!((run.output::<u64>(), run.elapsed()), (3, 2 * DAY));
    }
}
