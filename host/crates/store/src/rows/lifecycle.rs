//! How runs begin, end and are kept: what starts, turns and purges have in common.

use super::{
    Key, Table, Transaction, codec, keys,
    stored::{StoredMessage, Tombstone},
    transaction::Listed,
};
use crate::{Holder, StartRequest, StoreError};
use durance_durable::{
    ExecutionId, ExecutionRecord, HistoryEvent, InstanceId, InstanceRecord, Json, Message, MessageTarget,
    Parent, RuntimeStatus, TaskFailureDetails, Timestamp, Token, Turn,
};
use std::sync::Arc;

/// How many replaced runs of an id are kept.
const GENERATIONS_KEPT: usize = 3;

/// The sequence of the message that begins an execution.
pub(super) const SEQUENCE_OF_START: u64 = 0;

/// The type of failure that a parent sees of a child that somebody ended.
const TERMINATED: &str = "Terminated";

impl Transaction<'_> {
    pub(super) fn record(&self, id: &InstanceId) -> Result<Option<InstanceRecord>, StoreError> {
        self.get(&keys::instance(id))
    }

    pub(super) fn tombstone(&self, id: &InstanceId) -> Result<Option<Tombstone>, StoreError> {
        self.get(&keys::tombstone(id))
    }

    /// The token of an id that has no instance.
    pub(super) fn unused_token(&self, tombstone: Option<&Tombstone>) -> Token {
        tombstone.map_or(self.opening().horizon, |tombstone| tombstone.token)
    }

    /// Writes a new run, pending, in place of whatever holds the id. The message begins it.
    pub(super) fn begin_run(
        &mut self,
        request: StartRequest,
        generation: u64,
        replaced: Option<Listed>,
    ) -> (Holder, Message) {
        let StartRequest {
            instance, name, input, module, execution, parent, retention, details, now, ..
        } = request;
        let record = InstanceRecord {
            name,
            execution,
            generation,
            token: self.next_token(),
            module,
            status: RuntimeStatus::Pending,
            created: now,
            last_updated: now,
            event_count: 0,
            custom_status: None,
            output: None,
            failure: None,
            details,
        };
        self.put_record(&instance, replaced, &record);
        if let Some(parent) = &parent {
            self.put(keys::child(&parent.instance, &instance), &());
        }
        let began = ExecutionRecord {
            instance: instance.clone(),
            started: now,
            input,
            parent,
            carryover: Vec::new(),
            retention,
        };
        let message = self.begin_execution(execution, &began);
        (holder(instance, &record), message)
    }

    /// Writes what an execution begins with, and the message that begins it.
    pub(super) fn begin_execution(&mut self, id: ExecutionId, record: &ExecutionRecord) -> Message {
        self.insert(keys::execution(id), record);
        self.deliver(Message {
            instance: record.instance.clone(),
            sequence: SEQUENCE_OF_START,
            target: MessageTarget::Execution(id),
            event: HistoryEvent::ExecutionStarted,
        })
    }

    /// Ends a live run from outside its orchestrator. The message is for its parent. Doesn't write the record.
    pub(super) fn terminate(
        &mut self,
        id: &InstanceId,
        record: &mut InstanceRecord,
        reason: &str,
        now: Timestamp,
    ) -> Result<Option<Message>, StoreError> {
        let output = Some(Json::of(reason));
        let mut events = vec![
            HistoryEvent::ExecutionTerminated { reason: reason.into(), recursive: false },
            HistoryEvent::ExecutionCompleted {
                status: RuntimeStatus::Terminated,
                output: output.clone(),
                failure: None,
            },
        ];
        if record.event_count == 0 {
            events.insert(0, HistoryEvent::ExecutionStarted);
        }
        let first_event = record.event_count;
        record.event_count += events.len() as u64;
        record.last_updated = now;
        record.status = RuntimeStatus::Terminated;
        record.output = output;
        self.insert(keys::turn(record.execution, first_event), &Turn { time: now, events });
        self.close(id, record)
    }

    /// Settles a run that is over: a new token, nothing that waits. The message is for its parent. Doesn't write the
    /// record.
    pub(super) fn close(
        &mut self,
        id: &InstanceId,
        record: &mut InstanceRecord,
    ) -> Result<Option<Message>, StoreError> {
        record.token = self.next_token();
        self.release_locks(record.execution)?;
        let partition = self.partition(id);
        self.delete_under(&keys::of_instance(Table::Tasks, partition, id))?;
        self.delete_under(&keys::of_instance(Table::Inbox, partition, id))?;
        let began: Option<ExecutionRecord> = self.get(&keys::execution(record.execution))?;
        let Some(began) = began else { return Ok(None) };
        if let Some(key) = expiry(&began, record) {
            self.insert(key, &());
        }
        match began.parent {
            Some(parent) => self.tell_parent(&parent, result_for_parent(&parent, record)),
            None => Ok(None),
        }
    }

    /// A run that is over is live again: it is not purged when its time is over.
    pub(super) fn keep(&mut self, record: &InstanceRecord) -> Result<(), StoreError> {
        let began: Option<ExecutionRecord> = self.get(&keys::execution(record.execution))?;
        if let Some(key) = began.and_then(|began| expiry(&began, record)) {
            self.delete(key);
        }
        Ok(())
    }

    /// Sends a parent the result of a child, if the execution that waits for it is still at work.
    pub(super) fn tell_parent(
        &mut self,
        parent: &Parent,
        event: HistoryEvent,
    ) -> Result<Option<Message>, StoreError> {
        self.tell_execution(&parent.instance, parent.execution, event)
    }

    /// Sends an execution the result of a task, if it is still at work.
    pub(super) fn tell_execution(
        &mut self,
        instance: &InstanceId,
        execution: ExecutionId,
        event: HistoryEvent,
    ) -> Result<Option<Message>, StoreError> {
        let record = self.record(instance)?;
        let waits =
            record.is_some_and(|record| record.execution == execution && !record.status.is_finished());
        let target = MessageTarget::Execution(execution);
        Ok(waits.then(|| self.send(instance.clone(), target, event)))
    }

    /// Keeps a finished run as a previous generation of its id, and forgets those that are too old.
    pub(super) fn retire(&mut self, id: &InstanceId, record: &InstanceRecord) -> Result<(), StoreError> {
        self.forget_parent(id, record)?;
        self.insert(keys::generation(id, record.generation), record);
        let kept = self.under(&keys::generations(id))?;
        let surplus = kept.len().saturating_sub(GENERATIONS_KEPT);
        for (bytes, value) in kept.into_iter().take(surplus) {
            let oldest: InstanceRecord = codec::decode(Table::Generations, &value)?;
            self.delete(Key { table: Table::Generations, bytes });
            self.forget_execution(oldest.execution)?;
        }
        Ok(())
    }

    /// The run is not found any more among the sub-orchestrations of its parent.
    pub(super) fn forget_parent(
        &mut self,
        id: &InstanceId,
        record: &InstanceRecord,
    ) -> Result<(), StoreError> {
        let began: Option<ExecutionRecord> = self.get(&keys::execution(record.execution))?;
        if let Some(parent) = began.and_then(|began| began.parent) {
            self.delete(keys::child(&parent.instance, id));
        }
        Ok(())
    }

    /// The sub-orchestrations of an instance.
    pub(super) fn children(&self, parent: &InstanceId) -> Result<Vec<InstanceId>, StoreError> {
        let prefix = keys::children(parent);
        self.under(&prefix)?.into_keys().map(|key| keys::read_child(&prefix, &key)).collect()
    }

    /// Sends all live sub-orchestrations of an instance the message to end, past those that are over.
    pub(super) fn terminate_children(
        &mut self,
        parent: &InstanceId,
        reason: &Arc<str>,
    ) -> Result<Vec<Message>, StoreError> {
        let mut messages = Vec::new();
        let mut waiting = self.children(parent)?;
        while let Some(child) = waiting.pop() {
            let Some(record) = self.record(&child)? else { continue };
            if record.status.is_finished() {
                waiting.extend(self.children(&child)?);
                continue;
            }
            let event = HistoryEvent::ExecutionTerminated { reason: Arc::clone(reason), recursive: true };
            messages.push(self.send(child, MessageTarget::Generation(record.generation), event));
        }
        Ok(messages)
    }

    /// Deletes what an execution began with, and its history.
    pub(super) fn forget_execution(&mut self, id: ExecutionId) -> Result<(), StoreError> {
        self.delete(keys::execution(id));
        self.delete_under(&keys::history(id))
    }

    /// Deletes the messages that only the instance's last execution could have taken.
    pub(super) fn drop_messages_for_executions(&mut self, id: &InstanceId) -> Result<(), StoreError> {
        let inbox = keys::of_instance(Table::Inbox, self.partition(id), id);
        for (bytes, value) in self.under(&inbox)? {
            let message: StoredMessage = codec::decode(Table::Inbox, &value)?;
            if matches!(message.target, MessageTarget::Execution(_)) {
                self.delete(Key { table: Table::Inbox, bytes });
            }
        }
        Ok(())
    }
}

/// The row by which a finished run is purged when its time is over; none if it is kept for ever.
fn expiry(began: &ExecutionRecord, record: &InstanceRecord) -> Option<Key> {
    let time = began.retention.of(record.status)?;
    let expires = record.last_updated.saturating_add(time);
    Some(keys::expiry(expires, &began.instance, record.generation))
}

/// The run as answers name it.
pub(super) fn holder(instance: InstanceId, record: &InstanceRecord) -> Holder {
    Holder { instance, execution: record.execution, generation: record.generation, status: record.status }
}

pub(super) fn result_for_parent(parent: &Parent, record: &InstanceRecord) -> HistoryEvent {
    let task = parent.task;
    let failure = match record.status {
        RuntimeStatus::Completed => {
            let result = record.output.clone().unwrap_or_else(Json::null);
            return HistoryEvent::SubOrchestrationInstanceCompleted { task, result };
        }
        RuntimeStatus::Failed => record.failure.clone(),
        _ => None,
    };
    let failure = failure.unwrap_or_else(|| {
        let reason = record.output.as_ref().map_or("null", Json::as_str);
        TaskFailureDetails::non_retriable(
            TERMINATED,
            format!("the sub-orchestration was terminated: {reason}"),
        )
    });
    HistoryEvent::SubOrchestrationInstanceFailed { task, failure }
}
