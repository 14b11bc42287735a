//! The rules of durable orchestrations: what is in a history, what a turn may do, what a start means.
//!
//! *Invariant:* nothing here reads a clock, does I/O, is async or knows of Wasm. Time comes in as an argument, what is
//! to be written goes out as one [`TurnCommit`]; the same input always gives the same output.
//!
//! Read next: [`RuntimeState`] for how an orchestrator's calls meet its history, [`TurnCommit`] for what is written.

#![forbid(unsafe_code)]

mod commit;
mod event;
mod failure;
mod history;
mod id;
mod json;
mod record;
mod retry;
mod rewind;
mod runtime_state;
mod start;
mod time;

pub use commit::{NextExecution, TurnCommit};
pub use event::{ActivityOptions, CreateSubOrchestration, CreateTimer, HistoryEvent, ScheduleTask, TaskId};
pub use failure::{FailureCause, TaskFailureDetails};
pub use history::Turn;
pub use id::{
    ExecutionId, INSTANCE_ID_CHARS_MAX, InstanceId, InvalidInstanceId, InvalidModuleHash, ModuleHash,
    PartitionId,
};
pub use json::{InvalidJson, Json};
pub use record::{
    ExecutionRecord, InstanceRecord, Message, MessageTarget, Parent, RuntimeStatus, StartDetails, Token,
};
pub use retry::{InvalidRetryPolicy, RetryPolicy};
pub use rewind::{Reopened, RewindPlan, plan_rewind};
pub use runtime_state::{
    ACTIONS_MAX, BeginTurn, CUSTOM_STATUS_BYTES_MAX, ContinueAsNew, GuestFault, NAME_BYTES_MAX,
    NonDeterminism, Outcome, RuntimeState, TURN_BYTES_MAX,
};
pub use start::{IfExists, StartDecision, UnknownIfExists, decide_start};
pub use time::Timestamp;
