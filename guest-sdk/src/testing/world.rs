//! The hub at work: instances, and an agenda of what happens next.

mod activities;
mod effects;
mod entities;

use std::collections::BTreeMap;
use std::time::Duration;

use durance_durable::{
    BeginTurn, EntityId, EntitySignal, ExecutionId, ExecutionRecord, HistoryEvent, InstanceId,
    InstanceRecord, Json, MessageTarget, ModuleHash, Outcome, Parent, RetentionPolicy, RuntimeState,
    RuntimeStatus, StartDetails, Timestamp, Token, Turn,
};
use serde_json::Value;

use crate::function;
use crate::testing::hub::{Fakes, Planned, TestHub};
use crate::testing::run::{Call, TestRun};
use crate::testing::{convert, guest};
use activities::Attempt;
use entities::Entities;

/// After so many steps an orchestration is taken for one without an end.
const STEPS_MAX: usize = 100_000;

/// All that there is in a test.
pub(crate) struct World {
    activities: Fakes,
    orchestrators: Fakes,
    /// The instance that the test is about.
    root: InstanceId,
    start: Timestamp,
    now: Timestamp,
    instances: BTreeMap<InstanceId, Instance>,
    entities: Entities,
    /// What happens next, by time and then in the order in which it was noted.
    agenda: BTreeMap<(Timestamp, u64), Due>,
    noted: u64,
    executions: u128,
    journal: Journal,
}

/// What the test will be told.
#[derive(Default)]
struct Journal {
    calls: Vec<Call>,
    custom_statuses: Vec<Value>,
    inputs: Vec<Value>,
}

struct Instance {
    record: InstanceRecord,
    begun_with: ExecutionRecord,
    history: Vec<Turn>,
}

/// Something that is to happen.
enum Due {
    Message(Message),
    Attempt(Attempt),
    /// An entity may have something to do.
    Entity(EntityId),
}

/// Something for an instance.
struct Message {
    instance: InstanceId,
    target: MessageTarget,
    event: HistoryEvent,
}

/// An orchestration to be started.
struct Start {
    name: &'static str,
    instance: InstanceId,
    input: Json,
    parent: Option<Parent>,
}

impl World {
    /// The world of a hub in which its orchestration has just been started.
    #[track_caller]
    pub(crate) fn start(hub: TestHub, orchestrator: &str, input: Json) -> Self {
        let Some(name) = function::orchestrator_named(orchestrator) else {
            panic!("this crate has no orchestrator '{orchestrator}'")
        };
        let TestHub { activities, orchestrators, entities, entity_states, planned, instance, start } = hub;
        let mut world = Self {
            activities,
            orchestrators,
            root: instance.clone(),
            start,
            now: start,
            instances: BTreeMap::new(),
            entities: Entities::new(entities, entity_states),
            agenda: BTreeMap::new(),
            noted: 0,
            executions: 0,
            journal: Journal::default(),
        };
        world.journal.inputs.push(value(&input));
        world.begin_run(Start { name, instance: instance.clone(), input, parent: None });
        for (delay, planned) in planned {
            let time = start.saturating_add(delay);
            match planned {
                Planned::Event(event) => {
                    let (instance, target) = (instance.clone(), MessageTarget::Generation(1));
                    world.note(time, Due::Message(Message { instance, target, event }));
                }
                Planned::Signal(signal) => world.signal(EntitySignal { due: Some(time), ..signal }),
            }
        }
        world
    }

    /// Lets everything happen, in order, until the orchestration is over, nothing is left, or it is `until`.
    #[track_caller]
    pub(crate) fn run(mut self, until: Option<Timestamp>) -> TestRun {
        for _ in 0..STEPS_MAX {
            let next = self.agenda.first_key_value().map(|(&(time, _), _)| time);
            let Some(time) = next.filter(|time| until.is_none_or(|until| *time <= until)) else {
                return self.report();
            };
            if self.root().record.status.is_finished() {
                return self.report();
            }
            self.now = self.now.max(time);
            match self.agenda.pop_first() {
                Some((_, Due::Message(first))) => self.turn(first),
                Some((_, Due::Attempt(attempt))) => self.attempt(attempt),
                Some((_, Due::Entity(entity))) => self.serve(&entity),
                None => {}
            }
        }
        panic!("the orchestration has come to no end in {STEPS_MAX} steps; run an eternal one with `run_for`")
    }

    fn root(&self) -> &Instance {
        self.instances.get(&self.root).expect("it was started first and is never removed")
    }

    fn report(self) -> TestRun {
        let Instance { record, .. } = self.root();
        TestRun {
            status: convert::status(record.status),
            output: record.output.as_ref().map(value),
            failure: record.failure.clone().map(convert::to_guest),
            elapsed: self.after_start(record.last_updated),
            custom_statuses: self.journal.custom_statuses,
            inputs: self.journal.inputs,
            entities: self.entities.states(),
            calls: self.journal.calls,
        }
    }

    fn after_start(&self, time: Timestamp) -> Duration {
        time.saturating_since(self.start)
    }

    fn note(&mut self, time: Timestamp, due: Due) {
        self.noted += 1;
        self.agenda.insert((time, self.noted), due);
    }

    fn next_execution(&mut self) -> ExecutionId {
        self.executions += 1;
        format!("{:032x}", self.executions).parse().expect("32 hexadecimal digits")
    }

    /// Begins a run in place of whatever holds the id.
    fn begin_run(&mut self, start: Start) {
        let Start { name, instance, input, parent } = start;
        let execution = self.next_execution();
        let generation = self.instances.get(&instance).map_or(0, |before| before.record.generation) + 1;
        let record = InstanceRecord {
            name: name.into(),
            execution,
            generation,
            token: Token::default(),
            module: ModuleHash([0; 32]),
            status: RuntimeStatus::Pending,
            created: self.now,
            last_updated: self.now,
            event_count: 0,
            custom_status: None,
            output: None,
            failure: None,
            details: StartDetails::default(),
            queued: 0,
        };
        let begun_with = ExecutionRecord {
            instance: instance.clone(),
            started: self.now,
            input,
            parent,
            carryover: Vec::new(),
            retention: RetentionPolicy::default(),
        };
        self.instances.insert(instance.clone(), Instance { record, begun_with, history: Vec::new() });
        self.begin_execution(instance, execution);
    }

    fn begin_execution(&mut self, instance: InstanceId, execution: ExecutionId) {
        let target = MessageTarget::Execution(execution);
        let event = HistoryEvent::ExecutionStarted;
        self.note(self.now, Due::Message(Message { instance, target, event }));
    }

    /// A turn on a message and all others that are there for the same instance.
    fn turn(&mut self, first: Message) {
        let instance = first.instance.clone();
        let events = self.take_events(first);
        let execution = self.next_execution();
        let Some(Instance { record, begun_with, history }) = self.instances.get(&instance) else { return };
        if events.is_empty() || record.status.is_finished() {
            return;
        }
        // From the beginning, as after a crash: whatever does not do the same again is found out.
        let mut state = RuntimeState::new(record, begun_with.clone(), history.clone());
        let (mut state, outcome) = match state.begin_turn(self.now, events) {
            BeginTurn::Terminate(reason) => (state, Outcome::Terminated(reason)),
            BeginTurn::Run => guest::run_orchestrator(state),
        };
        if let Some(commit) = state.end_turn(outcome, Vec::new(), || execution) {
            self.apply(&state, commit);
        }
    }

    /// The events that are for the present life of the instance, in order. Its start is the first: no turn leaves any mail.
    fn take_events(&mut self, first: Message) -> Vec<HistoryEvent> {
        let instance = first.instance.clone();
        let now = self.now;
        let is_mail = |key: &(Timestamp, u64), due: &Due| {
            key.0 <= now && matches!(due, Due::Message(message) if message.instance == instance)
        };
        let others = self.agenda.extract_if(.., |key, due| is_mail(key, due));
        let others = others.filter_map(|(_, due)| match due {
            Due::Message(message) => Some(message),
            Due::Attempt(_) | Due::Entity(_) => None,
        });
        let mail: Vec<_> = std::iter::once(first).chain(others).collect();
        let Some(Instance { record, .. }) = self.instances.get(&instance) else { return Vec::new() };
        let is_ours = |message: &Message| match message.target {
            MessageTarget::Execution(execution) => execution == record.execution,
            MessageTarget::Generation(generation) => generation == record.generation,
        };
        mail.into_iter().filter(is_ours).map(|message| message.event).collect()
    }
}

/// A JSON text as the test sees it.
fn value(json: &Json) -> Value {
    serde_json::from_str(json.as_str()).expect("it is JSON")
}
