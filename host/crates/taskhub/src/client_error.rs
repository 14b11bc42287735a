//! Why a client is refused.

use durance_durable::{InstanceId, RuntimeStatus};
use durance_store::StoreError;

/// Why the client cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// An argument is malformed.
    #[error("{0}")]
    InvalidArgument(String),
    /// The app has no such orchestrator.
    #[error("there is no orchestrator '{name}'; {}", list_known(.known))]
    UnknownOrchestrator {
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
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used before, for another request; use a new key for each request")]
    IdempotencyMismatch,
    /// Too much waits already. Try again later.
    #[error("the host is busy; try again later")]
    Busy,
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
