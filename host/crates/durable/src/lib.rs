//! The rules of durable orchestrations: what is in a history, what a turn may do, what a start means.
//!
//! *Invariant:* nothing here reads a clock, does I/O, is async or knows of Wasm. Time comes in as an argument, what is
//! to be written goes out as one [`TurnCommit`]; the same input always gives the same output.
//!
//! Read next: [`RuntimeState`] for how an orchestrator's calls meet its history, [`TurnCommit`] for what is written.

#![forbid(unsafe_code)]

mod commit;
mod entity;
mod entity_lock;
mod event;
mod event_json;
mod failure;
mod history;
mod history_file;
mod http;
mod id;
mod json;
mod record;
mod retention;
mod retry;
mod rewind;
mod runtime_state;
mod schedule;
mod start;
mod time;

pub use commit::{NextExecution, TurnCommit};
pub use entity::{
    Caller, EntityAction, EntityId, EntityMessage, EntityOperation, EntityRecord, EntitySignal,
    InvalidEntityId,
};
pub use entity_lock::{CriticalSection, Lane, LockRequest, LockStep};
pub use event::{
    ActivityOptions, CallEntity, CreateSubOrchestration, CreateTimer, HistoryEvent, LockEntities,
    ScheduleTask, SendEventTo, StartOrchestration, TaskId,
};
pub use failure::{FailureCause, TaskFailureDetails};
pub use history::Turn;
pub use history_file::{ExecutionHistory, InvalidHistory};
pub use http::{
    HTTP_ACTIVITY, HttpCall, HttpContent, HttpHeaders, HttpRequest, HttpResponse, POLL_INTERVAL_DEFAULT,
    POLL_INTERVAL_MIN,
};
pub use id::{
    ExecutionId, INSTANCE_ID_CHARS_MAX, InstanceId, InvalidInstanceId, InvalidModuleHash, ModuleHash,
    PartitionId,
};
pub use json::{InvalidJson, Json};
pub use record::{
    ExecutionRecord, InstanceRecord, Message, MessageTarget, Parent, RuntimeStatus, StartDetails, Token,
};
pub use retention::RetentionPolicy;
pub use retry::{FailedAttempt, InvalidRetryPolicy, RetryPolicy};
pub use rewind::{HoldsLocks, Reopened, RewindPlan, plan_rewind};
pub use runtime_state::{
    ACTIONS_MAX, BeginTurn, CUSTOM_STATUS_BYTES_MAX, ContinueAsNew, GuestFault, NAME_BYTES_MAX,
    NonDeterminism, Outcome, RuntimeState, TURN_BYTES_MAX,
};
pub use schedule::{
    CATCH_UP_DEFAULT, INTERVAL_MIN, InvalidSchedule, InvalidScheduleId, InvalidTiming, ON_TIME,
    OverlapPolicy, QUEUED_TICKS_MAX, RunOutcome, RunningTick, SCHEDULE_ID_CHARS_MAX, ScheduleDefinition,
    ScheduleId, ScheduleRecord, ScheduleTarget, ScheduledRun, TICKS_AT_ONCE_MAX, TickDecision, Timing,
    UnknownOverlapPolicy,
};
pub use start::{IfExists, StartDecision, UnknownIfExists, decide_start};
pub use time::Timestamp;
