//! Between the contract's types and those of the rules.

use durance_durable::{self as rules, FailureCause, TaskFailureDetails};

use crate::{Cause, Failure, RuntimeStatus};

pub(crate) fn from_guest(failure: Failure) -> TaskFailureDetails {
    let cause = |cause: Cause| FailureCause { error_type: cause.error_type, message: cause.message };
    TaskFailureDetails {
        error_type: failure.error_type,
        message: failure.message,
        details: failure.details,
        non_retriable: failure.non_retriable,
        causes: failure.causes.into_iter().map(cause).collect(),
    }
}

pub(crate) fn to_guest(failure: TaskFailureDetails) -> Failure {
    let cause = |cause: FailureCause| Cause { error_type: cause.error_type, message: cause.message };
    Failure {
        error_type: failure.error_type,
        message: failure.message,
        details: failure.details,
        non_retriable: failure.non_retriable,
        causes: failure.causes.into_iter().map(cause).collect(),
    }
}

pub(crate) fn status(status: rules::RuntimeStatus) -> RuntimeStatus {
    match status {
        rules::RuntimeStatus::Running => RuntimeStatus::Running,
        rules::RuntimeStatus::Completed => RuntimeStatus::Completed,
        rules::RuntimeStatus::ContinuedAsNew => RuntimeStatus::ContinuedAsNew,
        rules::RuntimeStatus::Failed => RuntimeStatus::Failed,
        rules::RuntimeStatus::Canceled => RuntimeStatus::Canceled,
        rules::RuntimeStatus::Terminated => RuntimeStatus::Terminated,
        rules::RuntimeStatus::Pending => RuntimeStatus::Pending,
        rules::RuntimeStatus::Suspended => RuntimeStatus::Suspended,
    }
}
