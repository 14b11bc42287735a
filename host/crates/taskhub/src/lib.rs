//! The engine of a task hub: it turns messages into turns, turns into commits, and commits into effects.
//!
//! One way for data. A message reaches the mailbox of its instance (`partition`); the instance's runner takes all that
//! waits and runs one turn (`turn`); the turn is committed together with others (`committer`); when it is durable
//! its effects happen (`effects`): activities run, timers are armed, messages go to other instances, waiters wake.
//!
//! *Invariant:* nothing leaves a turn before it is durable. *Invariant:* at most one runner per instance.

#![forbid(unsafe_code)]

mod activities;
mod activity_control;
mod activity_queue;
mod app_control;
mod client;
mod client_error;
mod clock;
mod committer;
mod effects;
mod engine;
mod entities;
mod entity_client;
mod executor;
mod gate;
mod history_json;
mod idempotency;
mod operate;
mod partition;
mod purge;
mod read;
mod replay;
mod schedules;
mod settings;
mod simulated_clock;
mod start;
mod status;
mod stuck;
mod task_hub;
mod timers;
mod turn;
mod watchers;

pub use activity_control::ActivityControl;
pub use activity_queue::ActivityLimits;
pub use app_control::{AppControl, EarlierCalls};
pub use client::{OrchestrationClient, RaisedEvent, RestartUnder, StartAnswer, StartOptions};
pub use client_error::ClientError;
pub use clock::{Clock, SystemClock};
pub use durance_durable::EntityAction;
pub use durance_store::{
    EntityPage, EntityQuery, Holder, ListPosition, ListQuery, QueuedStart, SortBy, StatusCounts, StoreError,
    TimeRange,
};
pub use executor::{
    ActivityCall, EntityAnswer, EntityCall, ExecutorError, FunctionExecutor, OrchestratorRun, Progress,
    SharedState,
};
pub use gate::{GateError, ReplayedInstance};
pub use history_json::history_json;
pub use idempotency::Idempotency;
pub use purge::{PurgeFilter, PurgeOptions, PurgeSelection};
pub use replay::{Divergence, replay};
pub use schedules::{TimerCall, TimerFunction};
pub use settings::TaskHubSettings;
pub use simulated_clock::SimulatedClock;
pub use status::{InstancePage, OrchestrationStatus, StatusOptions, StatusSnapshot};
pub use stuck::Stuck;
pub use task_hub::TaskHub;
