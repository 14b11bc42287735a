//! Write functions, orchestrators and activities for the Durance host.
//!
//! A crate of type `cdylib`, built for `wasm32-wasip2`, that depends on this one becomes a component with every function
//! that bears an attribute:
//!
//! ```
//! use durance_sdk::prelude::*;
//!
//! #[orchestrator]
//! async fn greet_all(ctx: OrchestrationContext, cities: Vec<String>) -> Result<Vec<String>> {
//!     let greetings = cities.iter().map(|city| ctx.call_activity("greet", city));
//!     join_all(greetings).await.into_iter().collect()
//! }
//!
//! #[activity]
//! fn greet(city: String) -> String {
//!     format!("Hello {city}!")
//! }
//!
//! #[http_trigger(methods("post"))]
//! fn start(request: Request, client: OrchestrationClient) -> Result<Response> {
//!     let instance_id = client.start_new("greet_all", request.json::<RawJson>()?)?;
//!     Ok(client.create_check_status_response(&request, &instance_id)?)
//! }
//! ```
//!
//! An orchestrator is replayed: it may await only what its [`OrchestrationContext`] and the combinators [`join_all`],
//! [`try_join_all`] and [`select`] give it. The host gives it a deterministic clock and random numbers, and no I/O.

mod activity;
mod bindings;
mod client;
mod client_values;
mod context;
mod entity;
mod error;
mod executor;
mod function;
pub mod http;
mod imports;
mod lock;
mod options;
mod problem;
mod request;
mod response;
mod run;
mod schedule;
mod task;
#[cfg(all(feature = "testing", not(target_family = "wasm")))]
pub mod testing;
mod timer;

pub use activity::ActivityContext;
pub use bindings::durance::functions::orchestration_client::{
    EntityMetadata, EntityPage, EntityQuery, Holder, IfExists, InstancePage, InstanceQuery,
    OrchestrationStatus, PurgeFilter, PurgeOptions, PurgeSelection, SortBy, StartOptions, StartOutcome,
    StatusOptions, StatusSnapshot, TimeRange,
};
pub use bindings::durance::functions::orchestration_context::ParentInstance;
pub use bindings::durance::functions::schedule_client::{
    Cron, OverlapPolicy, Schedule, ScheduleDefinition, SchedulePage, ScheduleStatus, Tick, TickOutcome,
    Timing,
};
pub use bindings::durance::functions::types::{Cause, EntityId, Failure, RuntimeStatus};
pub use client::{ClientError, OrchestrationClient};
pub use context::OrchestrationContext;
pub use durance_sdk_macros::{activity, entity, http_trigger, orchestrator, timer_trigger};
pub use entity::EntityContext;
pub use error::{Error, Result};
pub use futures_util::future::{Either, join_all, select, try_join_all};
pub use lock::{EntityLock, Locking};
pub use options::{
    ActivityOptions, ContinueAsNewOptions, FireAt, HttpOptions, RetryPolicy, SubOrchestrationOptions,
    UnprocessedEvents,
};
pub use problem::Problem;
pub use request::Request;
pub use response::Response;
pub use schedule::ScheduleClient;
pub use serde_json::{Value, json};
pub use task::Task;
pub use timer::TimerInfo;

/// A JSON text that is passed on as it was read: its numbers, spaces and order of members stay.
pub type RawJson = Box<serde_json::value::RawValue>;

/// What almost every function uses.
pub mod prelude {
    pub use crate::{
        ActivityContext, ActivityOptions, ContinueAsNewOptions, Either, EntityContext, EntityId, Error,
        HttpOptions, IfExists, OrchestrationClient, OrchestrationContext, Problem, RawJson, Request,
        Response, Result, RetryPolicy, StartOptions, StartOutcome, SubOrchestrationOptions, TimerInfo, Value,
        activity, entity, http_trigger, join_all, json, orchestrator, select, timer_trigger, try_join_all,
    };
    pub use std::time::Duration;
}

/// What the attribute macros write; not for use by hand, and it may change at any time.
#[doc(hidden)]
pub mod __private {
    pub use crate::entity::{Access, Answer, Dispatch, run_entity, run_operation};
    pub use crate::function::{Function, HttpTrigger, TimerTrigger};
    pub use crate::run::{run_activity, run_http, run_orchestrator, run_timer};
    pub use inventory;
    pub use serde::de::IgnoredAny as IgnoredInput;
}
