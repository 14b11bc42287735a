//! What a test sets up.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use durance_durable::{
    self as rules, EntitySignal, HTTP_ACTIVITY, HistoryEvent, InstanceId, Json, TaskFailureDetails, Timestamp,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::testing::convert;
use crate::testing::run::TestRun;
use crate::testing::world::World;
use crate::{EntityId, Error, Failure, Request, Response, Result, Value};

/// When a test begins unless it says otherwise: 2026-01-01T00:00:00Z, in seconds since the Unix epoch.
const START_DEFAULT_SECONDS: u64 = 1_767_225_600;

type FakeFunction = Box<dyn FnMut(&Json) -> Result<Json, TaskFailureDetails>>;

/// A stand-in for a function.
pub(crate) struct Fake {
    /// How long a call takes, in virtual time.
    pub(crate) takes: Duration,
    pub(crate) function: FakeFunction,
}

/// Stand-ins by name, in lower case.
pub(crate) type Fakes = HashMap<String, Fake>;

type FakeOperations = Box<dyn FnMut(&str, &Json) -> Result<Json, TaskFailureDetails>>;

/// Stand-ins for entities, by name in lower case: from an operation and its input to its result.
pub(crate) type EntityFakes = HashMap<String, FakeOperations>;

/// What somebody does while the orchestration runs.
pub(crate) enum Planned {
    /// Something for the orchestration.
    Event(HistoryEvent),
    Signal(EntitySignal),
}

/// A task hub in the test's own thread, in which one orchestration is run.
///
/// Set up what is around the orchestration, then [`TestHub::run`] it.
#[must_use = "nothing happens before it is run"]
pub struct TestHub {
    pub(crate) activities: Fakes,
    pub(crate) orchestrators: Fakes,
    pub(crate) entities: EntityFakes,
    pub(crate) entity_states: BTreeMap<rules::EntityId, Json>,
    pub(crate) planned: Vec<(Duration, Planned)>,
    pub(crate) instance: InstanceId,
    pub(crate) start: Timestamp,
}

impl Default for TestHub {
    fn default() -> Self {
        Self::new()
    }
}

impl TestHub {
    /// A hub in which only the functions of this crate are.
    pub fn new() -> Self {
        Self {
            activities: Fakes::new(),
            orchestrators: Fakes::new(),
            entities: EntityFakes::new(),
            entity_states: BTreeMap::new(),
            planned: Vec::new(),
            instance: InstanceId::new("test").expect("a valid id"),
            start: Timestamp::default().saturating_add(Duration::from_secs(START_DEFAULT_SECONDS)),
        }
    }

    /// Puts a closure in the place of an activity; a call of it takes no time.
    pub fn activity<I, O, F>(self, name: &str, function: F) -> Self
    where
        I: DeserializeOwned,
        O: Serialize,
        F: FnMut(I) -> Result<O> + 'static,
    {
        self.slow_activity(name, Duration::ZERO, function)
    }

    /// The same, and each call of it takes so long in virtual time.
    pub fn slow_activity<I, O, F>(mut self, name: &str, takes: Duration, function: F) -> Self
    where
        I: DeserializeOwned,
        O: Serialize,
        F: FnMut(I) -> Result<O> + 'static,
    {
        self.activities.insert(name.to_lowercase(), fake(name, takes, function));
        self
    }

    /// Puts a closure in the place of the host's HTTP client, for the requests of [`call_http`] and the polls that follow
    /// them; each takes no time. `Location` must be absolute.
    ///
    /// [`call_http`]: crate::OrchestrationContext::call_http
    pub fn http(self, mut answer: impl FnMut(Request) -> Result<Response> + 'static) -> Self {
        self.activity(HTTP_ACTIVITY, move |request| answer(convert::request(request)).map(convert::response))
    }

    /// Puts a closure in the place of a sub-orchestration, which then takes no time.
    pub fn sub_orchestrator<I, O, F>(mut self, name: &str, function: F) -> Self
    where
        I: DeserializeOwned,
        O: Serialize,
        F: FnMut(I) -> Result<O> + 'static,
    {
        self.orchestrators.insert(name.to_lowercase(), fake(name, Duration::ZERO, function));
        self
    }

    /// Puts a closure in the place of all entities of a name. It gets the operation's name as the orchestrator writes it, and
    /// its input. It keeps whatever state it has itself; locks are kept for it.
    pub fn entity<O, F>(mut self, name: &str, mut function: F) -> Self
    where
        O: Serialize,
        F: FnMut(&str, Value) -> Result<O> + 'static,
    {
        let mut call = move |operation: &str, input: &Json| -> Result<Json> {
            Ok(to_json(&function(operation, serde_json::from_str(input.as_str())?)?))
        };
        let fake = move |operation: &str, input: &Json| call(operation, input).map_err(to_details);
        self.entities.insert(name.to_lowercase(), Box::new(fake));
        self
    }

    /// The state that an entity of this crate has at the start; it has none unless it is set.
    ///
    /// # Panics
    /// When it cannot be an entity's id, or the state cannot be written as JSON.
    #[track_caller]
    pub fn entity_state(mut self, entity: impl Into<EntityId>, state: impl Serialize) -> Self {
        self.entity_states.insert(convert::entity_id(&entity.into()), to_json(&state));
        self
    }

    /// Signals an entity so long after the start, as somebody else.
    ///
    /// # Panics
    /// When it cannot be an entity's id, or the input cannot be written as JSON.
    #[track_caller]
    pub fn signal_entity_after(
        mut self,
        delay: Duration,
        entity: impl Into<EntityId>,
        operation: &str,
        input: impl Serialize,
    ) -> Self {
        let entity = convert::entity_id(&entity.into());
        let signal = EntitySignal { entity, operation: operation.into(), input: to_json(&input), due: None };
        self.planned.push((delay, Planned::Signal(signal)));
        self
    }

    /// Raises an event so long after the start.
    ///
    /// # Panics
    /// When the data cannot be written as JSON.
    pub fn raise_event_after(self, delay: Duration, name: &str, data: impl Serialize) -> Self {
        self.plan(delay, HistoryEvent::EventRaised { name: name.into(), input: to_json(&data) })
    }

    /// Suspends the orchestration so long after the start.
    pub fn suspend_after(self, delay: Duration) -> Self {
        self.plan(delay, HistoryEvent::ExecutionSuspended { reason: "test".into() })
    }

    /// Resumes the orchestration so long after the start.
    pub fn resume_after(self, delay: Duration) -> Self {
        self.plan(delay, HistoryEvent::ExecutionResumed { reason: "test".into() })
    }

    /// Terminates the orchestration so long after the start.
    pub fn terminate_after(self, delay: Duration, reason: &str) -> Self {
        self.plan(delay, HistoryEvent::ExecutionTerminated { reason: reason.into(), recursive: false })
    }

    /// The instance id to run under; `test` unless it is set.
    ///
    /// # Panics
    /// When it cannot be an instance id.
    pub fn instance_id(mut self, id: &str) -> Self {
        self.instance = InstanceId::new(id).unwrap_or_else(|invalid| panic!("'{id}': {invalid}"));
        self
    }

    /// When the orchestration starts; midnight UTC of 1 January 2026 unless it is set.
    pub fn starting_at(mut self, time: SystemTime) -> Self {
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.start = Timestamp::default().saturating_add(since_epoch);
        self
    }

    /// Starts an orchestrator of this crate and runs it to its end, or until nothing is left that could happen.
    ///
    /// # Panics
    /// When the crate has no such orchestrator, the input cannot be written as JSON, a fake panics, or the orchestration
    /// comes to no end: [`TestHub::run_for`] is for eternal ones.
    #[track_caller]
    pub fn run(self, orchestrator: &str, input: impl Serialize) -> TestRun {
        World::start(self, orchestrator, to_json(&input)).run(None)
    }

    /// The same, and stops looking when so much virtual time is over.
    ///
    /// # Panics
    /// As [`TestHub::run`].
    #[track_caller]
    pub fn run_for(self, time: Duration, orchestrator: &str, input: impl Serialize) -> TestRun {
        let until = self.start.saturating_add(time);
        World::start(self, orchestrator, to_json(&input)).run(Some(until))
    }

    fn plan(mut self, delay: Duration, event: HistoryEvent) -> Self {
        self.planned.push((delay, Planned::Event(event)));
        self
    }
}

impl fmt::Debug for TestHub {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |fakes: &Fakes| fakes.keys().cloned().collect::<Vec<_>>();
        formatter
            .debug_struct("TestHub")
            .field("activities", &names(&self.activities))
            .field("orchestrators", &names(&self.orchestrators))
            .field("entities", &self.entities.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

fn fake<I, O, F>(name: &str, takes: Duration, mut function: F) -> Fake
where
    I: DeserializeOwned,
    O: Serialize,
    F: FnMut(I) -> Result<O> + 'static,
{
    let name = name.to_owned();
    let mut call = move |input: &Json| -> Result<Json> {
        let input = serde_json::from_str(input.as_str()).map_err(|error| {
            Error::non_retriable("InvalidInput", format!("{name}: the input does not fit: {error}"))
        })?;
        Ok(to_json(&function(input)?))
    };
    let function = move |input: &Json| call(input).map_err(to_details);
    Fake { takes, function: Box::new(function) }
}

fn to_details(error: Error) -> TaskFailureDetails {
    convert::from_guest(Failure::from(error))
}

fn to_json(value: &impl Serialize) -> Json {
    let text =
        serde_json::to_string(value).unwrap_or_else(|error| panic!("not to be written as JSON: {error}"));
    Json::parse(text).expect("serde_json writes JSON")
}
