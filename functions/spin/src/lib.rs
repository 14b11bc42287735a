//! A turn that never ends. The host stops it at `turn_cpu_ms`, and the orchestration fails; nobody else notices.
//!
//! ```text
//! curl -i -X POST http://127.0.0.1:7071/api/orchestrators/Spin
//! ```
//!
//! An orchestrator only schedules and combines: work belongs in activities.

use durance_sdk::prelude::*;

#[orchestrator(name = "Spin")]
async fn spin(_ctx: OrchestrationContext) {
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}
