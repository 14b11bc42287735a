//! [`Operation::Turn`](crate::Operation::Turn).

use super::{Table, Transaction, entities, keys, send, start, stored::OpenTask, transaction::Listed};
use crate::{SendEvent, SendOutcome, StartOutcome, StartRequest, StoreError, TurnOutcome, TurnWrite};
use durance_durable::{
    HistoryEvent, InstanceRecord, Message, MessageTarget, NextExecution, RuntimeStatus, SendEventTo,
    TaskFailureDetails, TaskId, TurnCommit,
};
use std::sync::Arc;

/// The type of failure of a sub-orchestration whose id is in use.
const ALREADY_EXISTS: &str = "AlreadyExists";

pub(super) fn apply(transaction: &mut Transaction<'_>, write: TurnWrite) -> Result<TurnOutcome, StoreError> {
    let TurnWrite { commit, children, replies, module, next_module } = write;
    let record = transaction.record(&commit.instance)?;
    let Some(mut record) = record.filter(|record| record.module == module && is_built_on(&commit, record))
    else {
        return Ok(TurnOutcome::Stale);
    };
    let before = Some(Listed::of(&record));
    let mut messages = Vec::new();
    take_messages(transaction, &commit);
    entities::send_of_turn(transaction, &commit)?;
    record.module = next_module.unwrap_or(module);
    record.last_updated = commit.turn.time;
    record.custom_status.clone_from(&commit.custom_status);
    match &commit.next {
        Some(next) => continue_as_new(transaction, &commit, next, &mut record, &mut messages)?,
        None => append(transaction, &commit, &mut record, &mut messages)?,
    }
    transaction.put_record(&commit.instance, before, &record);
    if record.status.is_finished() {
        messages.extend(transaction.begin_queued(&commit.instance, record.clone(), commit.turn.time)?);
    }
    if record.execution == commit.execution && !record.status.is_finished() {
        let target = MessageTarget::Execution(record.execution);
        messages.extend(
            replies.into_iter().map(|event| transaction.send(commit.instance.clone(), target, event)),
        );
    }
    for child in children {
        messages.extend(start_child(transaction, child)?);
    }
    // After the starts: what an orchestrator starts and writes to in one turn gets what was written.
    for event in commit.turn.events {
        if let HistoryEvent::EventSent(sent) = event {
            messages.extend(send_event(transaction, sent)?);
        }
    }
    Ok(TurnOutcome::Committed { messages })
}

fn is_built_on(commit: &TurnCommit, record: &InstanceRecord) -> bool {
    record.execution == commit.execution
        && record.event_count == commit.base_event_count
        && !record.status.is_finished()
}

fn take_messages(transaction: &mut Transaction<'_>, commit: &TurnCommit) {
    let partition = transaction.partition(&commit.instance);
    let start = (commit.base_event_count == 0).then_some(0);
    for sequence in start.into_iter().chain(commit.taken.iter().copied()) {
        transaction.delete(keys::message(partition, &commit.instance, sequence));
    }
}

/// Writes a turn after which the execution goes on, or is over.
fn append(
    transaction: &mut Transaction<'_>,
    commit: &TurnCommit,
    record: &mut InstanceRecord,
    messages: &mut Vec<Message>,
) -> Result<(), StoreError> {
    // A turn that only dropped stale messages is not part of the history.
    if !commit.turn.events.is_empty() {
        transaction.insert(keys::turn(commit.execution, commit.base_event_count), &commit.turn);
    }
    record.event_count += commit.turn.events.len() as u64;
    record.status = commit.status;
    record.output.clone_from(&commit.output);
    record.failure.clone_from(&commit.failure);
    write_tasks(transaction, commit);
    if record.status.is_finished() {
        messages.extend(transaction.close(&commit.instance, record)?);
    }
    if let Some(reason) = commit.turn.events.iter().find_map(recursive_termination) {
        messages.extend(transaction.terminate_children(&commit.instance, reason)?);
    }
    Ok(())
}

fn recursive_termination(event: &HistoryEvent) -> Option<&Arc<str>> {
    match event {
        HistoryEvent::ExecutionTerminated { reason, recursive: true } => Some(reason),
        _ => None,
    }
}

/// Begins the next execution of the run. Nothing is kept of the one before, and only messages for any execution of the
/// run stay in the inbox.
fn continue_as_new(
    transaction: &mut Transaction<'_>,
    commit: &TurnCommit,
    next: &NextExecution,
    record: &mut InstanceRecord,
    messages: &mut Vec<Message>,
) -> Result<(), StoreError> {
    let partition = transaction.partition(&commit.instance);
    transaction.delete_under(&keys::of_instance(Table::Tasks, partition, &commit.instance))?;
    transaction.drop_messages_for_executions(&commit.instance)?;
    transaction.release_locks(commit.execution)?;
    transaction.forget_execution(commit.execution)?;
    record.execution = next.execution;
    record.event_count = 0;
    record.status = RuntimeStatus::Running;
    messages.push(transaction.begin_execution(next.execution, &next.record));
    Ok(())
}

/// Opens and closes the tasks that the turn's events schedule and finish.
fn write_tasks(transaction: &mut Transaction<'_>, commit: &TurnCommit) {
    let partition = transaction.partition(&commit.instance);
    let key = |task: TaskId| keys::task(partition, &commit.instance, commit.execution, task);
    for event in &commit.turn.events {
        match event {
            HistoryEvent::TaskScheduled(call) => {
                let activity = OpenTask::Activity {
                    history_row: commit.base_event_count,
                    attempt: 1,
                    due: None,
                    heartbeat: None,
                };
                transaction.insert(key(call.task), &activity);
            }
            HistoryEvent::TimerCreated(timer) => {
                transaction.insert(key(timer.task), &OpenTask::Timer { fire_at: timer.fire_at });
            }
            HistoryEvent::TaskCompleted { task, .. }
            | HistoryEvent::TaskFailed { task, .. }
            | HistoryEvent::TimerFired { task }
            | HistoryEvent::TimerCanceled { task }
            | HistoryEvent::TaskCanceled { task } => transaction.delete(key(*task)),
            _ => {}
        }
    }
}

/// Sends an event of an orchestrator. There is nobody to tell that its receiver is missing or over.
fn send_event(transaction: &mut Transaction<'_>, sent: SendEventTo) -> Result<Option<Message>, StoreError> {
    let event = HistoryEvent::EventRaised { name: sent.name, input: sent.input };
    match send::apply(transaction, SendEvent { instance: sent.instance, event })? {
        SendOutcome::Accepted(message) => Ok(Some(message)),
        SendOutcome::NotFound | SendOutcome::Finished(_) | SendOutcome::Repeated => Ok(None),
    }
}

/// Starts a sub-orchestration, or tells the parent why not.
pub(super) fn start_child(
    transaction: &mut Transaction<'_>,
    child: StartRequest,
) -> Result<Vec<Message>, StoreError> {
    let parent = child.parent.clone();
    let instance = child.instance.clone();
    let in_use = match start::apply(transaction, child)? {
        StartOutcome::Started { messages, .. } => return Ok(messages),
        _ => TaskFailureDetails::new(
            ALREADY_EXISTS,
            format!("an instance with id '{instance}' already exists"),
        ),
    };
    let Some(parent) = parent else { return Ok(Vec::new()) };
    let event = HistoryEvent::SubOrchestrationInstanceFailed { task: parent.task, failure: in_use };
    Ok(transaction.tell_parent(&parent, event)?.into_iter().collect())
}
