//! A test kit: orchestrators run in `cargo test`, natively, in virtual time. Feature `testing`.
//!
//! ```
//! use durance_sdk::prelude::*;
//! use durance_sdk::testing::TestHub;
//!
//! #[orchestrator(name = "Reminder")]
//! async fn reminder(ctx: OrchestrationContext, days: u64) -> Result<String> {
//!     ctx.create_timer(Duration::from_secs(days * 24 * 3600)).await?;
//!     ctx.call_activity("SendMail", "It is time.").await
//! }
//!
//! let run = TestHub::new()
//!     .activity("SendMail", |text: String| Ok(format!("sent: {text}")))
//!     .run("Reminder", 30);
//! assert_eq!(run.output::<String>(), "sent: It is time.");
//! assert_eq!(run.elapsed(), Duration::from_secs(30 * 24 * 3600));
//! ```
//!
//! - The rules are those of the host, not a copy of them: retries, events, continue-as-new, failures, limits.
//! - Time stands still while anything is to be done, and then moves to what is due next.
//! - Activities, orchestrators and entities of the crate run as they are, unless the hub is given a fake of the same name.
//! - Each turn runs the orchestrator from its beginning, as after a crash: one that does not do the same again fails with
//!   `NonDeterministicOrchestration`, which names both sides.
//! - What functions print appears as in any test. HTTP functions and the orchestration client are not there; nor are limits:
//!   each activity runs at once, whatever its priority and concurrency key.
#![expect(clippy::panic, clippy::missing_panics_doc, reason = "a test fails by a panic")]

pub(crate) mod convert;
pub(crate) mod guest;
mod hub;
pub(crate) mod imports;
mod run;
mod world;

pub use hub::TestHub;
pub use run::{Call, CallKind, TestRun};
