//! A function that is called every second, and counts.
//!
//! ```text
//! curl http://127.0.0.1:7071/runtime/webhooks/durabletask/entities/Counter/heartbeat
//! curl http://127.0.0.1:7071/runtime/webhooks/durabletask/schedules/Heartbeat
//! ```

use durance_sdk::prelude::*;

#[timer_trigger(name = "Heartbeat", schedule = "* * * * * *")]
fn heartbeat(_timer: TimerInfo, client: OrchestrationClient) -> Result<()> {
    client.signal_entity(EntityId::new("Counter", "heartbeat"), "add", 1)?;
    Ok(())
}
