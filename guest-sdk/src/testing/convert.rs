//! Between the contract's types and those of the rules.

use std::fmt::Display;

use durance_durable::{self as rules, FailureCause, HttpContent, Json, TaskFailureDetails, Timestamp};

use crate::bindings::durance::functions::types::EntitySignal;
use crate::{Cause, EntityId, Failure, Request, Response, RuntimeStatus};

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

pub(crate) fn entity_to_guest(id: &rules::EntityId) -> EntityId {
    EntityId::new(id.name(), id.key())
}

pub(crate) fn signal(signal: EntitySignal) -> Result<rules::EntitySignal, TaskFailureDetails> {
    Ok(rules::EntitySignal {
        entity: rules::EntityId::new(&signal.entity.name, &signal.entity.key).map_err(invalid)?,
        operation: signal.operation.into(),
        input: json(signal.input)?,
        due: signal.at.map(Timestamp::from_nanos),
    })
}

pub(crate) fn json(text: String) -> Result<Json, TaskFailureDetails> {
    Json::parse(text).map_err(invalid)
}

pub(crate) fn invalid(error: impl Display) -> TaskFailureDetails {
    TaskFailureDetails::non_retriable("InvalidArgument", error.to_string())
}

pub(crate) fn request(request: rules::HttpRequest) -> Request {
    let body = request.content.map(HttpContent::into_bytes).transpose();
    let sent =
        Request::new(request.method, request.uri).with_body(body.unwrap_or_default().unwrap_or_default());
    request.headers.iter().fold(sent, |sent, (name, value)| sent.with_header(name, value))
}

pub(crate) fn response(response: Response) -> rules::HttpResponse {
    let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
    rules::HttpResponse {
        status_code: response.status,
        headers: response.headers.into_iter().map(|(name, value)| (name, text(value))).collect(),
        content: HttpContent::of(response.body),
    }
}

/// As a test names it.
#[track_caller]
pub(crate) fn entity_id(id: &EntityId) -> rules::EntityId {
    rules::EntityId::new(&id.name, &id.key).unwrap_or_else(|invalid| panic!("{id}: {invalid}"))
}
