//! Why a client is refused.

use durance_durable::{InstanceId, RuntimeStatus, ScheduleId};
use durance_store::StoreError;

/// Why the client cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// An argument is malformed.
    #[error("{0}")]
    InvalidArgument(String),
    /// A value is longer than [`crate::TaskHubSettings::value_bytes_max`].
    #[error("{what} has {bytes} bytes; at most {bytes_max} are allowed")]
    TooLarge {
        /// Which value.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The app has no such orchestrator.
    #[error("there is no orchestrator '{name}'; {}", list_known(.known))]
    UnknownOrchestrator {
        /// As asked for.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The app has no such entity.
    #[error("there is no entity '{name}'; {}", list_known(.known))]
    UnknownEntity {
        /// As asked for.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// No instance has the id.
    #[error("there is no instance with ID '{0}'")]
    NotFound(InstanceId),
    /// The instance is over, so nothing can be sent to it.
    #[error("the instance with ID '{instance}' is {status}: it is over")]
    Finished {
        /// The instance.
        instance: InstanceId,
        /// How it ended.
        status: RuntimeStatus,
    },
    /// The instance is not over, so it cannot be purged.
    #[error(
        "the instance with ID '{instance}' is {status}: only a finished instance can be purged; terminate it first"
    )]
    NotFinished {
        /// The instance.
        instance: InstanceId,
        /// Where it stands.
        status: RuntimeStatus,
    },
    /// The instance has not failed, so it cannot be rewound.
    #[error("the instance with ID '{instance}' is {status}: only a failed instance can be rewound")]
    NotFailed {
        /// The instance.
        instance: InstanceId,
        /// Where it stands.
        status: RuntimeStatus,
    },
    /// The instance, or a failed sub-orchestration of it, failed in a critical section.
    #[error(
        "the instance with ID '{0}' failed in a critical section, whose locks were released: it cannot be rewound; restart it"
    )]
    HeldLocks(InstanceId),
    /// There is no schedule of this id.
    #[error("there is no schedule with ID '{0}'")]
    ScheduleNotFound(ScheduleId),
    /// There is a schedule of this id.
    #[error("a schedule with ID '{0}' already exists")]
    ScheduleExists(ScheduleId),
    /// The schedule follows a function's code.
    #[error("the schedule '{0}' is that of a timer-triggered function: change the function instead")]
    ScheduleOfFunction(ScheduleId),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used before, for another request; use a new key for each request")]
    IdempotencyMismatch,
    /// Too much waits already. Try again later.
    #[error("the host is busy; try again later")]
    Busy,
    /// What the store has of the instance cannot be read; the text says which row, and why.
    #[error("{0}")]
    Unreadable(String),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The host is stopping.
    #[error("the host is stopping")]
    Stopping,
}

fn list_known(names: &[String]) -> String {
    if names.is_empty() {
        "this app has none".to_owned()
    } else {
        format!("this app has {}", names.join(", "))
    }
}
