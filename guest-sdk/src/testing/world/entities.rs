//! Entities: what they are sent, and what they do.

use std::collections::BTreeMap;

use durance_durable::{
    CallEntity, Caller, CriticalSection, EntityId, EntityMessage, EntityOperation, EntityRecord,
    EntitySignal, ExecutionId, HistoryEvent, InstanceId, Json, Lane, LockEntities, LockRequest, LockStep,
    MessageTarget, RuntimeState, StartOrchestration, TaskFailureDetails, TaskId, Timestamp, Token,
};
use serde_json::Value;

use super::effects::unknown_orchestrator;
use super::{Due, Message, World, value};
use crate::bindings::durance::functions::types::{EntityAction, EntityStart};
use crate::bindings::{EntityRequest, EntityResponse};
use crate::function;
use crate::testing::hub::EntityFakes;
use crate::testing::{convert, guest};

/// The entities of a test.
pub(super) struct Entities {
    fakes: EntityFakes,
    records: BTreeMap<EntityId, EntityRecord>,
    mail: BTreeMap<(EntityId, Place), EntityMessage>,
    sections: BTreeMap<ExecutionId, CriticalSection>,
    /// How many operations there were.
    operations: u64,
}

/// Where a message is in an inbox: by lane, then by the time from which it may be taken, then by number.
type Place = (Lane, Timestamp, u64);

/// What an operation did.
struct Done {
    result: Json,
    signals: Vec<EntitySignal>,
    starts: Vec<StartOrchestration>,
}

impl Entities {
    pub(super) fn new(fakes: EntityFakes, states: BTreeMap<EntityId, Json>) -> Self {
        let record = |state| EntityRecord { state: Some(state), ..no_record() };
        let records = states.into_iter().map(|(id, state)| (id, record(state))).collect();
        Self { fakes, records, mail: BTreeMap::new(), sections: BTreeMap::new(), operations: 0 }
    }

    /// The states of those that have one.
    pub(super) fn states(&self) -> BTreeMap<EntityId, Value> {
        let state =
            |(id, record): (&EntityId, &EntityRecord)| Some((id.clone(), value(record.state.as_ref()?)));
        self.records.iter().filter_map(state).collect()
    }

    fn take_mail(&mut self, entity: &EntityId, now: Timestamp) -> Option<EntityMessage> {
        let record = self.records.get(entity);
        let first = (entity.clone(), (Lane::Holder, Timestamp::default(), 0));
        let mut mail = self.mail.range(first..).map(|(key, _)| key).take_while(|(of, _)| of == entity);
        let key = mail.find(|(_, (lane, due, _))| lane.is_open(record) && *due <= now)?.clone();
        self.mail.remove(&key)
    }
}

impl World {
    pub(super) fn call_entity(&mut self, state: &RuntimeState, call: CallEntity) {
        let CallEntity { task, entity, operation, input } = call;
        let lane = Lane::of_call(self.entities.records.get(&entity), state.execution());
        let operation = EntityOperation { name: operation, input, caller: Some(caller(state, task)) };
        self.post(&entity, lane, None, EntityMessage::Operation(operation));
    }

    pub(super) fn signal(&mut self, signal: EntitySignal) {
        let EntitySignal { entity, operation, input, due } = signal;
        let lane = if due.is_some() { Lane::Scheduled } else { Lane::Queue };
        let operation = EntityOperation { name: operation, input, caller: None };
        self.post(&entity, lane, due, EntityMessage::Operation(operation));
    }

    pub(super) fn request_locks(&mut self, state: &RuntimeState, locks: LockEntities) {
        let request = LockRequest { holder: caller(state, locks.task), entities: locks.entities };
        self.entities.sections.insert(state.execution(), request.section());
        if let Some(first) = request.entities.first().cloned() {
            self.post(&first, Lane::Queue, None, EntityMessage::Lock(request));
        }
    }

    /// Ends the critical section of an execution, if it is in one.
    pub(super) fn release_locks(&mut self, execution: ExecutionId) {
        let Some(section) = self.entities.sections.remove(&execution) else { return };
        for entity in section.entities {
            if let Some(record) = self.entities.records.get_mut(&entity)
                && record.is_locked_by(execution)
            {
                record.lock = None;
                self.note(self.now, Due::Entity(entity));
            }
        }
    }

    fn post(&mut self, entity: &EntityId, lane: Lane, due: Option<Timestamp>, message: EntityMessage) {
        self.noted += 1;
        let place = (lane, due.unwrap_or_default(), self.noted);
        self.entities.mail.insert((entity.clone(), place), message);
        self.note(due.unwrap_or_default().max(self.now), Due::Entity(entity.clone()));
    }

    /// Lets an entity take the first message that it may, if there is one.
    pub(super) fn serve(&mut self, entity: &EntityId) {
        let Some(message) = self.entities.take_mail(entity, self.now) else { return };
        match message {
            EntityMessage::Operation(operation) => self.run_operation(entity, operation),
            EntityMessage::Lock(request) => self.lock(entity, &request),
        }
        self.note(self.now, Due::Entity(entity.clone()));
    }

    fn lock(&mut self, entity: &EntityId, request: &LockRequest) {
        let holder = &request.holder;
        match request.step(entity, self.entities.sections.get(&holder.execution)) {
            LockStep::Void => return,
            LockStep::GoOn(next) => {
                self.post(next, Lane::Queue, None, EntityMessage::Lock(request.clone()));
            }
            LockStep::Granted => {
                self.tell_caller(holder, HistoryEvent::EntityLockGranted { task: holder.task });
            }
        }
        self.record(entity).lock = Some(holder.clone());
    }

    fn run_operation(&mut self, entity: &EntityId, operation: EntityOperation) {
        let EntityOperation { name, input, caller } = operation;
        let result = self.operation(entity, &name, &input).map(|Done { result, signals, starts }| {
            signals.into_iter().for_each(|signal| self.signal(signal));
            starts.into_iter().for_each(|start| self.start_other(start));
            result
        });
        self.record(entity).last_operation = self.now;
        let Some(caller) = caller else { return };
        let task = caller.task;
        let ended = match result {
            Ok(result) => HistoryEvent::EntityOperationCompleted { task, result },
            Err(failure) => HistoryEvent::EntityOperationFailed { task, failure },
        };
        self.tell_caller(&caller, ended);
    }

    /// One that fails leaves nothing but its failure.
    fn operation(&mut self, entity: &EntityId, name: &str, input: &Json) -> Result<Done, TaskFailureDetails> {
        if let Some(fake) = self.entities.fakes.get_mut(entity.name()) {
            let result = fake(name, input)?;
            return Ok(Done { result, signals: Vec::new(), starts: Vec::new() });
        }
        let Some(registered) = function::entity_named(entity.name()) else {
            let message = format!("this crate has no entity '{}': give the hub a fake of it", entity.name());
            return Err(TaskFailureDetails::non_retriable("UnknownEntity", message));
        };
        self.entities.operations += 1;
        let state = self.entities.records.get(entity).and_then(|record| record.state.as_ref());
        let request = EntityRequest {
            entity: convert::entity_to_guest(entity),
            operation: name.to_owned(),
            operation_id: format!("{:032x}", self.entities.operations),
            input: input.as_str().to_owned(),
            state: state.map(|state| state.as_str().to_owned()),
            time: self.now.as_nanos(),
        };
        let EntityResponse { state, result, actions } = guest::run_entity(registered, request)?;
        let mut done = Done { result: convert::json(result)?, signals: Vec::new(), starts: Vec::new() };
        for action in actions {
            match action {
                EntityAction::Signal(signal) => done.signals.push(convert::signal(signal)?),
                EntityAction::Start(start) => done.starts.push(self.start_by_entity(start)?),
            }
        }
        self.record(entity).state = state.map(convert::json).transpose()?;
        Ok(done)
    }

    fn start_by_entity(&self, start: EntityStart) -> Result<StartOrchestration, TaskFailureDetails> {
        if !self.has_orchestrator(&start.orchestrator) {
            return Err(unknown_orchestrator(&start.orchestrator));
        }
        Ok(StartOrchestration {
            // Nothing of it is in a history.
            task: TaskId(0),
            name: start.orchestrator.into(),
            instance: InstanceId::new(&start.instance_id).map_err(convert::invalid)?,
            input: convert::json(start.input)?,
        })
    }

    fn record(&mut self, entity: &EntityId) -> &mut EntityRecord {
        self.entities.records.entry(entity.clone()).or_insert_with(no_record)
    }

    fn tell_caller(&mut self, caller: &Caller, event: HistoryEvent) {
        let (instance, target) = (caller.instance.clone(), MessageTarget::Execution(caller.execution));
        self.note(self.now, Due::Message(Message { instance, target, event }));
    }
}

fn caller(state: &RuntimeState, task: TaskId) -> Caller {
    Caller { instance: state.instance().clone(), execution: state.execution(), task }
}

fn no_record() -> EntityRecord {
    EntityRecord { version: Token::default(), state: None, last_operation: Timestamp::default(), lock: None }
}
