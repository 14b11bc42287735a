//! The engine of a task hub: it turns messages into turns, turns into commits, and commits into effects.
//!
//! One way for data. A message reaches the mailbox of its instance (`partition`); the instance's runner takes all that
//! waits and runs one turn (`turn`); the turn is committed together with others (`committer`); when it is durable
//! its effects happen (`effects`): activities run, timers are armed, messages go to other instances, waiters wake.
//!
//! *Invariant:* nothing leaves a turn before it is durable. *Invariant:* at most one runner per instance.

#![forbid(unsafe_code)]

mod activities;
mod client;
mod client_error;
mod clock;
mod committer;
mod effects;
mod engine;
mod executor;
mod history_json;
mod idempotency;
mod operate;
mod partition;
mod purge;
mod read;
mod settings;
mod start;
mod status;
mod task_hub;
mod timers;
mod turn;
mod watchers;

pub use client::{OrchestrationClient, RaisedEvent, RestartUnder, StartAnswer, StartOptions};
pub use client_error::ClientError;
pub use clock::{Clock, SystemClock};
pub use durance_store::{Holder, ListPosition, ListQuery, SortBy, StatusCounts, StoreError, TimeRange};
pub use executor::{ActivityCall, ExecutorError, FunctionExecutor, OrchestratorRun, Progress, SharedState};
pub use history_json::history_json;
pub use idempotency::Idempotency;
pub use purge::PurgeFilter;
pub use settings::TaskHubSettings;
pub use status::{InstancePage, OrchestrationStatus, StatusOptions, StatusSnapshot};
pub use task_hub::TaskHub;
