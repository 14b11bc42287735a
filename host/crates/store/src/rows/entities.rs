//! Entities: their messages, turns and locks.

use super::{Transaction, keys, start};
use crate::{EntityReply, EntityTurn, EntityTurnOutcome, MailPlace, StartOutcome, StoreError};
use durance_durable::{
    CallEntity, Caller, CriticalSection, EntityId, EntityMessage, EntityOperation, EntityRecord,
    EntitySignal, ExecutionId, HistoryEvent, Lane, LockRequest, LockStep, Message, Timestamp, TurnCommit,
};
use std::sync::Arc;

/// [`Operation::EntityTurn`](crate::Operation::EntityTurn).
pub(super) fn turn(
    transaction: &mut Transaction<'_>,
    turn: EntityTurn,
) -> Result<EntityTurnOutcome, StoreError> {
    let before = transaction.entity(&turn.entity)?;
    if before.as_ref().map(|record| record.version) != turn.base || !transaction.has_all(&turn)? {
        return Ok(EntityTurnOutcome::Stale);
    }
    let partition = turn.entity.partition(transaction.opening().partition_count);
    for place in &turn.taken {
        transaction.delete(keys::entity_message(partition, &turn.entity, *place));
    }
    let mut messages = Vec::new();
    let mut lock = before.as_ref().and_then(|record| record.lock.clone());
    if let Some(request) = turn.lock {
        lock = transaction.take_lock(&turn.entity, request, &mut messages)?;
    }
    let earlier = before.map(|record| record.last_operation).unwrap_or_default();
    let last_operation = turn.last_operation.unwrap_or(earlier);
    let version = transaction.next_token();
    transaction.put_entity(&turn.entity, &EntityRecord { version, state: turn.state, last_operation, lock });
    for reply in turn.replies {
        messages.extend(transaction.answer(reply)?);
    }
    for signal in turn.signals {
        transaction.signal(signal);
    }
    for request in turn.starts {
        if let StartOutcome::Started { messages: begun, .. } = start::apply(transaction, request)? {
            messages.extend(begun);
        }
    }
    Ok(EntityTurnOutcome::Committed { messages })
}

/// Sends what a turn of an orchestration asks of entities, in order.
pub(super) fn send_of_turn(transaction: &mut Transaction<'_>, commit: &TurnCommit) -> Result<(), StoreError> {
    let caller = |task| Caller { instance: commit.instance.clone(), execution: commit.execution, task };
    for event in &commit.turn.events {
        match event {
            HistoryEvent::EntityOperationCalled(call) => {
                transaction.call_entity(caller(call.task), call)?;
            }
            HistoryEvent::EntityOperationSignaled(signal) => transaction.signal(signal.clone()),
            HistoryEvent::EntityLockRequested(request) => {
                let request =
                    LockRequest { holder: caller(request.task), entities: request.entities.clone() };
                transaction.request_locks(request);
            }
            HistoryEvent::EntityUnlockSent { .. } => transaction.release_locks(commit.execution)?,
            _ => {}
        }
    }
    Ok(())
}

impl Transaction<'_> {
    pub(super) fn entity(&self, id: &EntityId) -> Result<Option<EntityRecord>, StoreError> {
        self.get(&keys::entity(id))
    }

    fn put_entity(&mut self, id: &EntityId, record: &EntityRecord) {
        if record.is_empty() {
            self.delete(keys::entity(id));
        } else {
            self.put(keys::entity(id), record);
        }
    }

    /// Whether no message that the turn took was taken before.
    fn has_all(&self, turn: &EntityTurn) -> Result<bool, StoreError> {
        let partition = turn.entity.partition(self.opening().partition_count);
        for place in &turn.taken {
            let key = keys::entity_message(partition, &turn.entity, *place);
            if self.get::<EntityMessage>(&key)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Puts a signal in the inbox of its entity.
    pub(super) fn signal(&mut self, signal: EntitySignal) {
        let operation = EntityOperation { name: signal.operation, input: signal.input, caller: None };
        let lane = if signal.due.is_some() { Lane::Scheduled } else { Lane::Queue };
        let due = signal.due.unwrap_or_default();
        self.post(&signal.entity, lane, due, &EntityMessage::Operation(operation));
    }

    /// Puts a call in the inbox of its entity. The holder of a lock is served past all others.
    pub(super) fn call_entity(&mut self, caller: Caller, call: &CallEntity) -> Result<(), StoreError> {
        let lane = Lane::of_call(self.entity(&call.entity)?.as_ref(), caller.execution);
        let operation = EntityOperation {
            name: Arc::clone(&call.operation),
            input: call.input.clone(),
            caller: Some(caller),
        };
        self.post(&call.entity, lane, Timestamp::default(), &EntityMessage::Operation(operation));
        Ok(())
    }

    fn post(&mut self, entity: &EntityId, lane: Lane, due: Timestamp, message: &EntityMessage) {
        let place = MailPlace { lane, due, sequence: self.next_sequence() };
        let partition = entity.partition(self.opening().partition_count);
        self.insert(keys::entity_message(partition, entity, place), message);
        self.wake(entity);
    }

    /// Notes a critical section, and sends its request to the first entity.
    fn request_locks(&mut self, request: LockRequest) {
        self.put(keys::critical_section(request.holder.execution), &request.section());
        if let Some(first) = request.entities.first() {
            self.post(first, Lane::Queue, Timestamp::default(), &EntityMessage::Lock(request.clone()));
        }
    }

    /// Who holds the lock of an entity when it has taken a request, which is then sent on. Nobody, if whoever asked does
    /// not wait for it any more.
    fn take_lock(
        &mut self,
        entity: &EntityId,
        request: LockRequest,
        messages: &mut Vec<Message>,
    ) -> Result<Option<Caller>, StoreError> {
        let holder = request.holder.clone();
        let section: Option<CriticalSection> = self.get(&keys::critical_section(holder.execution))?;
        match request.step(entity, section.as_ref()) {
            LockStep::Void => return Ok(None),
            LockStep::GoOn(next) => {
                self.post(next, Lane::Queue, Timestamp::default(), &EntityMessage::Lock(request.clone()));
            }
            LockStep::Granted => {
                let event = HistoryEvent::EntityLockGranted { task: holder.task };
                messages.extend(self.tell_execution(&holder.instance, holder.execution, event)?);
            }
        }
        Ok(Some(holder))
    }

    /// Ends the critical section of an execution, if it is in one: its locks are free, its request is void.
    pub(super) fn release_locks(&mut self, execution: ExecutionId) -> Result<(), StoreError> {
        let key = keys::critical_section(execution);
        let Some(section) = self.get::<CriticalSection>(&key)? else { return Ok(()) };
        self.delete(key);
        for entity in section.entities {
            let Some(mut record) = self.entity(&entity)?.filter(|record| record.is_locked_by(execution))
            else {
                continue;
            };
            record.lock = None;
            record.version = self.next_token();
            self.put_entity(&entity, &record);
            self.wake(&entity);
        }
        Ok(())
    }

    fn answer(&mut self, reply: EntityReply) -> Result<Option<Message>, StoreError> {
        let Caller { instance, execution, task } = reply.caller;
        let event = match reply.result {
            Ok(result) => HistoryEvent::EntityOperationCompleted { task, result },
            Err(failure) => HistoryEvent::EntityOperationFailed { task, failure },
        };
        self.tell_execution(&instance, execution, event)
    }
}
