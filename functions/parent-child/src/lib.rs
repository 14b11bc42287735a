//! Sub-orchestrations: an orchestration of orchestrations.
//!
//! ```text
//! curl -i -X POST http://127.0.0.1:7071/api/orchestrators/Parent -d '{"children":3}'
//! ```

use durance_sdk::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Input {
    children: u32,
}

/// Runs its children in parallel; its output is the list of theirs.
#[orchestrator(name = "Parent")]
async fn parent(ctx: OrchestrationContext, input: Input) -> Result<Vec<String>> {
    let children = (0..input.children).map(|number| ctx.call_sub_orchestrator("Child", number));
    try_join_all(children).await
}

#[orchestrator(name = "Child")]
async fn child(ctx: OrchestrationContext, number: u32) -> Result<String> {
    ctx.create_timer(Duration::from_millis(10)).await?;
    Ok(match ctx.parent() {
        Some(parent) => format!("child {number} of {}", parent.name),
        None => format!("child {number} of nobody"),
    })
}
