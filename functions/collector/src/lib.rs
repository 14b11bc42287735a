//! An aggregator: collects the events `item` until the event `done`.
//!
//! ```text
//! curl -i -X POST http://127.0.0.1:7071/api/orchestrators/Collector/basket
//! curl -X POST http://127.0.0.1:7071/runtime/webhooks/durabletask/instances/basket/raiseEvent/item \
//!   -H 'content-type: application/json' -d '"apple"'
//! curl -X POST http://127.0.0.1:7071/runtime/webhooks/durabletask/instances/basket/raiseEvent/done \
//!   -H 'content-type: application/json' -d null
//! ```
//!
//! The output is what the items carried, in the order in which they came: `["apple"]`.

use durance_sdk::prelude::*;

#[orchestrator(name = "Collector")]
async fn collector(ctx: OrchestrationContext) -> Result<Vec<Value>> {
    let mut items = Vec::new();
    let mut done = ctx.wait_for_external_event::<Value>("done");
    loop {
        let item = ctx.wait_for_external_event::<Value>("item");
        match select(item, &mut done).await {
            Either::Left((item, _)) => items.push(item?),
            Either::Right(_) => return Ok(items),
        }
    }
}
