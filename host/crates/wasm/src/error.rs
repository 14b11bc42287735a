//! How a function can fail.

use crate::{guest_log::GuestLog, shared::InvalidValue};
use durance_durable::{FailureCause, GuestFault, TaskFailureDetails};
use wasmtime::{PoolConcurrencyLimitError, Trap};
use wasmtime_wasi::I32Exit;

/// What wasmtime says when a guest hands over more than `Store::set_hostcall_fuel` allows; it has no public type for it.
const COPY_LIMIT: &str = "fuel allocated for hostcalls has been exhausted";

/// Why an HTTP function gave no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvokeError {
    /// The app has no such function.
    #[error("there is no HTTP function '{0}'")]
    NotFound(String),
    /// The guest crashed.
    #[error("the function crashed: {message}")]
    Trap {
        /// What happened, with what the guest said last.
        message: String,
    },
    /// The guest took too long.
    #[error("the function did not answer within {} s", .0.as_secs_f64())]
    Timeout(std::time::Duration),
    /// The guest wanted more memory than it may have.
    #[error("the function wanted more memory than its limit of {0} bytes")]
    MemoryLimit(usize),
    /// The guest's answer is not a response.
    #[error("the function answered with something that is not a response: {0}")]
    BadOutput(String),
    /// The guest said that it failed.
    #[error("{0}")]
    Failed(TaskFailureDetails),
    /// As many functions are running as may. Try again later.
    #[error("the host is busy: {0}")]
    Busy(String),
    /// The host could not run the function.
    #[error("the host could not run the function: {0}")]
    Host(String),
}

/// A reason of the host to stop a guest. Raised as a trap, recognised by [`Stop::of`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GuestStop {
    /// The role of the function does not allow what it called.
    #[error("{0}")]
    NotAllowed(&'static str),
    /// An argument breaks its rules.
    #[error("{0}")]
    InvalidArgument(String),
    /// A value is longer than it may be.
    #[error("{0}")]
    OutputTooLarge(String),
    /// The CPU budget of a turn is used up.
    #[error(
        "the orchestrator used up its CPU time of {0} ms without waiting for anything; move work to activities"
    )]
    CpuBudget(u128),
    /// The orchestration does not allow what the orchestrator called.
    #[error(transparent)]
    Fault(#[from] GuestFault),
}

impl From<InvalidValue> for GuestStop {
    fn from(invalid: InvalidValue) -> Self {
        match invalid {
            InvalidValue::TooLarge(text) => Self::OutputTooLarge(text),
            InvalidValue::NotJson(text) => Self::InvalidArgument(text),
        }
    }
}

/// How a call of a guest ended without a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    Trap(String),
    Guest(GuestStop),
    MemoryLimit,
    NoRoom(String),
}

impl Stop {
    /// Reads the reason out of an error of wasmtime.
    pub(crate) fn of(error: &wasmtime::Error, memory_refused: bool, log: Option<&GuestLog>) -> Self {
        if let Some(stop) = error.downcast_ref::<GuestStop>() {
            return Self::Guest(stop.clone());
        }
        if let Some(full) = error.downcast_ref::<PoolConcurrencyLimitError>() {
            return Self::NoRoom(full.to_string());
        }
        if error.root_cause().to_string().contains(COPY_LIMIT) {
            let text = "the function handed over more data at once than it may".to_owned();
            return Self::Guest(GuestStop::OutputTooLarge(text));
        }
        if memory_refused {
            return Self::MemoryLimit;
        }
        tracing::debug!(target: "durance::guest", error = format!("{error:?}"), "guest trapped");
        let what = if let Some(exit) = error.downcast_ref::<I32Exit>() {
            format!("it exited with status {}", exit.0)
        } else if let Some(trap) = error.downcast_ref::<Trap>() {
            trap.to_string()
        } else {
            error.root_cause().to_string()
        };
        match log.and_then(GuestLog::last_words) {
            Some(words) => Self::Trap(format!("{words} ({what})")),
            None => Self::Trap(what),
        }
    }

    pub(crate) fn into_failure(self, memory_bytes_max: usize) -> TaskFailureDetails {
        match self {
            Self::Trap(message) => {
                TaskFailureDetails::new("Trap", format!("the function crashed: {message}"))
            }
            Self::Guest(GuestStop::Fault(fault)) => fault.failure(),
            Self::Guest(stop @ GuestStop::CpuBudget(_)) => {
                TaskFailureDetails::non_retriable("CpuBudgetExceeded", stop.to_string())
            }
            Self::Guest(stop @ GuestStop::NotAllowed(_)) => {
                TaskFailureDetails::non_retriable("NotAllowed", stop.to_string())
            }
            Self::Guest(stop @ GuestStop::InvalidArgument(_)) => {
                TaskFailureDetails::non_retriable("InvalidArgument", stop.to_string())
            }
            Self::Guest(stop @ GuestStop::OutputTooLarge(_)) => {
                TaskFailureDetails::non_retriable("OutputTooLarge", stop.to_string())
            }
            Self::MemoryLimit => {
                let error = InvokeError::MemoryLimit(memory_bytes_max);
                TaskFailureDetails::new("MemoryLimit", error.to_string())
            }
            Self::NoRoom(why) => TaskFailureDetails::new("HostBusy", why),
        }
    }

    pub(crate) fn into_invoke_error(self, memory_bytes_max: usize) -> InvokeError {
        match self {
            Self::Trap(message) => InvokeError::Trap { message },
            Self::Guest(stop @ GuestStop::OutputTooLarge(_)) => InvokeError::BadOutput(stop.to_string()),
            Self::Guest(stop) => InvokeError::Trap { message: stop.to_string() },
            Self::MemoryLimit => InvokeError::MemoryLimit(memory_bytes_max),
            Self::NoRoom(why) => InvokeError::Busy(why),
        }
    }
}

/// A failure as the guest tells it.
pub(crate) fn failure_from_guest(failure: crate::bindings::types::Failure) -> TaskFailureDetails {
    let cause = |cause: crate::bindings::types::Cause| FailureCause {
        error_type: cause.error_type,
        message: cause.message,
    };
    TaskFailureDetails {
        error_type: failure.error_type,
        message: failure.message,
        details: failure.details,
        non_retriable: failure.non_retriable,
        causes: failure.causes.into_iter().map(cause).collect(),
    }
}

/// A failure as the guest is told it.
pub(crate) fn failure_for_guest(failure: TaskFailureDetails) -> crate::bindings::types::Failure {
    let cause = |cause: FailureCause| crate::bindings::types::Cause {
        error_type: cause.error_type,
        message: cause.message,
    };
    crate::bindings::types::Failure {
        error_type: failure.error_type,
        message: failure.message,
        details: failure.details,
        non_retriable: failure.non_retriable,
        causes: failure.causes.into_iter().map(cause).collect(),
    }
}
