//! A version of the pinned components that cannot go on with the instances of the others: it does something else first.

use durance_sdk::prelude::*;

#[orchestrator(name = "Versioned")]
async fn versioned(ctx: OrchestrationContext) -> Result<String> {
    ctx.call_activity::<()>("Prepare", ()).await?;
    ctx.wait_for_external_event::<Value>("go").await?;
    Ok("diverging".to_owned())
}

#[activity(name = "Prepare")]
fn prepare() {}
