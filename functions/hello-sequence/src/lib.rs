//! Function chaining: one activity after the other.
//!
//! ```text
//! curl -i -X POST http://127.0.0.1:7071/api/orchestrators/HelloSequence
//! ```

use durance_sdk::prelude::*;

#[orchestrator(name = "HelloSequence")]
async fn hello_sequence(ctx: OrchestrationContext) -> Result<Vec<String>> {
    Ok(vec![
        ctx.call_activity("SayHello", "Tokyo").await?,
        ctx.call_activity("SayHello", "Seattle").await?,
        ctx.call_activity("SayHello", "London").await?,
    ])
}

#[activity(name = "SayHello")]
fn say_hello(city: String) -> String {
    format!("Hello {city}!")
}
