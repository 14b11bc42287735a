//! Failures of guests. They are data: written to histories, handed to parents, shown in status.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why an activity, a sub-orchestration or an orchestration failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskFailureDetails {
    /// The kind of error, for programs.
    pub error_type: String,
    /// What went wrong, for people.
    pub message: String,
    /// More for people, a stack trace for example.
    pub details: Option<String>,
    /// Retry policies do not apply.
    pub non_retriable: bool,
    /// The chain of causes, the nearest first.
    pub causes: Vec<FailureCause>,
}

/// One link in the chain of causes of a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailureCause {
    /// The kind of error, for programs.
    pub error_type: String,
    /// What went wrong, for people.
    pub message: String,
}

impl TaskFailureDetails {
    /// A failure without causes that may be retried.
    #[must_use]
    pub fn new(error_type: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            error_type: error_type.into(),
            message: message.into(),
            details: None,
            non_retriable: false,
            causes: Vec::new(),
        }
    }

    /// A failure without causes that no retry can mend.
    #[must_use]
    pub fn non_retriable(error_type: impl Into<String>, message: impl Into<String>) -> Self {
        Self { non_retriable: true, ..Self::new(error_type, message) }
    }
}

impl fmt::Display for TaskFailureDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error_type, self.message)
    }
}
