//! One of two versions of a component: an instance in flight must end with the one that it began with.

use durance_sdk::prelude::*;

#[orchestrator(name = "Versioned")]
async fn versioned(ctx: OrchestrationContext) -> Result<String> {
    ctx.wait_for_external_event::<Value>("go").await?;
    ctx.call_activity("Version", ()).await
}

#[activity(name = "Version")]
fn version() -> &'static str {
    "v1"
}
