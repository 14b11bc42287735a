//! What crosses the boundary at the import `orchestration-client`, in the terms of either side.

use crate::{
    bindings::{orchestration_client as wit, types},
    client_binding::Answer,
    error::failure_for_guest,
};
use durance_durable::{EntityId, IfExists, InstanceId, Json, RuntimeStatus, Timestamp};
use durance_taskhub::{
    ClientError, Holder, ListPosition, OrchestrationStatus, PurgeFilter, PurgeSelection, SortBy, StartAnswer,
    TimeRange, history_json,
};
use std::{collections::BTreeMap, sync::Arc};

const PAGE_SIZE_MAX: u32 = 1000;

pub(crate) fn instance(id: &str) -> Answer<InstanceId> {
    InstanceId::new(id).map_err(|invalid| wit::ClientError::InvalidArgument(invalid.to_string()))
}

pub(crate) fn entity_id(id: &types::EntityId) -> Answer<EntityId> {
    EntityId::new(&id.name, &id.key).map_err(|invalid| wit::ClientError::InvalidArgument(invalid.to_string()))
}

pub(crate) fn entity_position(token: &str) -> Answer<EntityId> {
    token.parse().map_err(|_| {
        wit::ClientError::InvalidArgument("the continuation token is not one of this host".to_owned())
    })
}

pub(crate) fn page_size(size: u32) -> Answer<usize> {
    if (1..=PAGE_SIZE_MAX).contains(&size) {
        return Ok(size as usize);
    }
    Err(wit::ClientError::InvalidArgument(format!("page-size must be 1 to {PAGE_SIZE_MAX}")))
}

pub(crate) fn client_error(error: ClientError) -> wit::ClientError {
    let text = error.to_string();
    match error {
        ClientError::InvalidArgument(_) | ClientError::TooLarge { .. } => {
            wit::ClientError::InvalidArgument(text)
        }
        ClientError::UnknownEntity { .. } => wit::ClientError::UnknownEntity(text),
        ClientError::UnknownOrchestrator { .. } => wit::ClientError::UnknownOrchestrator(text),
        ClientError::NotFound(_) | ClientError::ScheduleNotFound(_) => wit::ClientError::NotFound(text),
        ClientError::Finished { .. }
        | ClientError::NotFinished { .. }
        | ClientError::NotFailed { .. }
        | ClientError::HeldLocks(_)
        | ClientError::ScheduleExists(_)
        | ClientError::ScheduleOfFunction(_) => wit::ClientError::WrongStatus(text),
        ClientError::IdempotencyMismatch => wit::ClientError::IdempotencyMismatch(text),
        _ => wit::ClientError::Unavailable(text),
    }
}

pub(crate) fn if_exists(policy: wit::IfExists) -> IfExists {
    match policy {
        wit::IfExists::Reject => IfExists::Reject,
        wit::IfExists::ReplaceFinished => IfExists::ReplaceFinished,
        wit::IfExists::UseExisting => IfExists::UseExisting,
        wit::IfExists::UseExistingIfLive => IfExists::UseExistingIfLive,
        wit::IfExists::TerminateAndReplace => IfExists::TerminateAndReplace,
        wit::IfExists::Queue => IfExists::Queue,
    }
}

pub(crate) fn start_outcome(answer: StartAnswer) -> wit::StartOutcome {
    match answer {
        StartAnswer::Started(run) => wit::StartOutcome::Started(holder(run)),
        StartAnswer::Queued(queued) => wit::StartOutcome::Queued(wit::QueuedStart {
            execution_id: queued.execution.to_string(),
            position: queued.position,
            holder: holder(queued.holder),
        }),
        StartAnswer::Existing(run) => wit::StartOutcome::Existing(holder(run)),
        StartAnswer::AlreadyExists(run) => wit::StartOutcome::AlreadyExists(holder(run)),
        StartAnswer::Changed(run) => wit::StartOutcome::Changed(run.map(holder)),
    }
}

fn holder(run: Holder) -> wit::Holder {
    wit::Holder {
        instance_id: run.instance.to_string(),
        execution_id: run.execution.to_string(),
        generation: run.generation,
        status: runtime_status(run.status),
    }
}

pub(crate) fn runtime_status(status: RuntimeStatus) -> types::RuntimeStatus {
    match status {
        RuntimeStatus::Running => types::RuntimeStatus::Running,
        RuntimeStatus::Completed => types::RuntimeStatus::Completed,
        RuntimeStatus::ContinuedAsNew => types::RuntimeStatus::ContinuedAsNew,
        RuntimeStatus::Failed => types::RuntimeStatus::Failed,
        RuntimeStatus::Canceled => types::RuntimeStatus::Canceled,
        RuntimeStatus::Terminated => types::RuntimeStatus::Terminated,
        RuntimeStatus::Pending => types::RuntimeStatus::Pending,
        RuntimeStatus::Suspended => types::RuntimeStatus::Suspended,
    }
}

pub(crate) fn status_from_guest(status: types::RuntimeStatus) -> RuntimeStatus {
    match status {
        types::RuntimeStatus::Running => RuntimeStatus::Running,
        types::RuntimeStatus::Completed => RuntimeStatus::Completed,
        types::RuntimeStatus::ContinuedAsNew => RuntimeStatus::ContinuedAsNew,
        types::RuntimeStatus::Failed => RuntimeStatus::Failed,
        types::RuntimeStatus::Canceled => RuntimeStatus::Canceled,
        types::RuntimeStatus::Terminated => RuntimeStatus::Terminated,
        types::RuntimeStatus::Pending => RuntimeStatus::Pending,
        types::RuntimeStatus::Suspended => RuntimeStatus::Suspended,
    }
}

pub(crate) fn status_for_guest(
    status: OrchestrationStatus,
    show_history_output: bool,
) -> wit::OrchestrationStatus {
    let text = |json: Json| json.as_str().to_owned();
    let history = status.history.map(|turns| {
        Json::of(&history_json(&status.name, &turns, show_history_output, time_text)).as_str().to_owned()
    });
    wit::OrchestrationStatus {
        name: status.name.as_ref().to_owned(),
        instance_id: status.instance.to_string(),
        execution_id: status.execution.to_string(),
        generation: status.generation,
        runtime_status: runtime_status(status.runtime_status),
        input: status.input.map(text),
        custom_status: status.custom_status.map(text),
        output: status.output.map(text),
        failure: status.failure.map(failure_for_guest),
        created_time: status.created.as_nanos(),
        last_updated_time: status.last_updated.as_nanos(),
        queued: status.queued,
        scheduled_start_time: status.details.scheduled_start.map(Timestamp::as_nanos),
        tags: status.details.tags.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        version: status.details.version.as_deref().map(str::to_owned),
        parent_instance_id: status.parent.map(|parent| parent.to_string()),
        history,
    }
}

/// RFC 3339, UTC.
fn time_text(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(time.as_nanos()));
    time.expect("64 bits of nanoseconds end in the year 2554").to_string()
}

/// Of a name that is given twice the last value counts.
pub(crate) fn tags(tags: Vec<(String, String)>) -> BTreeMap<Arc<str>, Arc<str>> {
    tags.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

pub(crate) fn time_range(range: wit::TimeRange) -> TimeRange {
    let time = |time: Option<u64>| time.map(Timestamp::from_nanos);
    TimeRange { from: time(range.time_from), to: time(range.time_to) }
}

pub(crate) fn sort_by(sort: wit::SortBy) -> SortBy {
    match sort {
        wit::SortBy::Id => SortBy::Id,
        wit::SortBy::Created => SortBy::Created,
        wit::SortBy::Updated => SortBy::Updated,
    }
}

pub(crate) fn position(token: &str) -> Answer<ListPosition> {
    token.parse().map_err(|_| {
        let text = "the continuation token is not one of this host; give it as the page before gave it";
        wit::ClientError::InvalidArgument(text.to_owned())
    })
}

pub(crate) fn purge_selection(selection: wit::PurgeSelection) -> Answer<PurgeSelection> {
    Ok(match selection {
        wit::PurgeSelection::Instances(ids) => {
            PurgeSelection::Instances(ids.iter().map(|id| instance(id)).collect::<Answer<_>>()?)
        }
        wit::PurgeSelection::Matching(filter) => PurgeSelection::Matching(PurgeFilter {
            created_from: Timestamp::from_nanos(filter.created_time_from),
            created_to: filter.created_time_to.map(Timestamp::from_nanos),
            statuses: filter.runtime_status.into_iter().map(status_from_guest).collect(),
        }),
    })
}
