//! Timer-triggered functions.

use durance_sdk::prelude::*;

/// Starts an orchestration, once: its id stays the same.
#[timer_trigger(name = "EverySecond", schedule = "* * * * * *")]
fn every_second(timer: TimerInfo, client: OrchestrationClient) -> Result<()> {
    let options = StartOptions::default().instance_id("started-by-timer").if_exists(IfExists::UseExisting);
    client.start_new_with("HelloSequence", timer.is_past_due, options)?;
    Ok(())
}
