//! A tree of sub-orchestrations: each node starts its branches and waits for them.
//!
//! ```text
//! curl -i -X POST http://127.0.0.1:7071/api/orchestrators/Tree -d '{"depth":3,"width":4}'
//! ```
//!
//! The output is the number of nodes: a root with three levels of four branches each has 1 + 4 + 16 + 64 = 85.

use durance_sdk::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
struct Input {
    /// Levels below this node; 0 is a leaf.
    depth: u32,
    /// Branches of each node that is no leaf.
    width: u32,
}

#[orchestrator(name = "Tree")]
async fn tree(ctx: OrchestrationContext, input: Input) -> Result<u64> {
    let Some(depth) = input.depth.checked_sub(1) else {
        return Ok(1);
    };
    let branch = Input { depth, width: input.width };
    let branches = (0..input.width).map(|_| ctx.call_sub_orchestrator::<u64>("Tree", &branch));
    Ok(1 + try_join_all(branches).await?.into_iter().sum::<u64>())
}
