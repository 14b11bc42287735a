//! What came of a test's orchestration.

use std::collections::BTreeMap;
use std::time::Duration;

use durance_durable as rules;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::testing::convert;
use crate::{EntityId, Failure, RuntimeStatus};

/// An orchestration that was run in a [`TestHub`](crate::testing::TestHub).
#[derive(Clone, Debug)]
pub struct TestRun {
    pub(crate) status: RuntimeStatus,
    pub(crate) output: Option<Value>,
    pub(crate) failure: Option<Failure>,
    pub(crate) custom_statuses: Vec<Value>,
    pub(crate) inputs: Vec<Value>,
    pub(crate) entities: BTreeMap<rules::EntityId, Value>,
    pub(crate) calls: Vec<Call>,
    pub(crate) elapsed: Duration,
}

/// Something that an orchestrator asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// What it is.
    pub kind: CallKind,
    /// The name of the activity, the orchestrator, the event or the operation; empty for a timer and for locks.
    pub name: String,
    /// The input, or the event's data; `null` for a timer; the ids of the entities to lock, as `@name@key`, in the order of
    /// their locks.
    pub input: Value,
    /// The entity that was called or signalled; its name is in lower case.
    pub entity: Option<EntityId>,
    /// The instance that asked: the orchestration of the test, or a sub-orchestration.
    pub instance_id: String,
    /// How long after the start, in virtual time.
    pub after: Duration,
}

/// What an orchestrator can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// A call of an activity, whatever the number of its attempts.
    Activity,
    /// A call of a sub-orchestration; each attempt is one.
    SubOrchestration,
    /// A timer.
    Timer,
    /// An event that was sent to another instance.
    Event,
    /// The start of an orchestration that goes its own way.
    Start,
    /// A call of an operation of an entity.
    EntityCall,
    /// A signal to an entity.
    EntitySignal,
    /// A request for the locks of entities.
    Lock,
}

impl TestRun {
    /// Where the orchestration stands; `Running` if it waits for what never happens, or the time of the test is over.
    pub fn status(&self) -> RuntimeStatus {
        self.status
    }

    /// What the orchestration returned.
    ///
    /// # Panics
    /// When it did not complete, or returned something that is no `T`.
    #[track_caller]
    pub fn output<T: DeserializeOwned>(&self) -> T {
        match (&self.status, &self.failure) {
            (RuntimeStatus::Completed, _) => read(self.output.clone().unwrap_or_default()),
            (status, Some(failure)) => {
                panic!("it is {status:?}: {}: {}", failure.error_type, failure.message)
            }
            (status, None) => {
                panic!("it is {status:?} and has no output; what it asked for: {:#?}", self.calls)
            }
        }
    }

    /// Why the orchestration failed, if it did.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// The custom status at the end.
    ///
    /// # Panics
    /// When it is no `T`.
    #[track_caller]
    pub fn custom_status<T: DeserializeOwned>(&self) -> Option<T> {
        self.custom_statuses.last().filter(|status| !status.is_null()).cloned().map(read)
    }

    /// Every custom status that could have been seen, in order; `null` where it was cleared.
    pub fn custom_statuses(&self) -> &[Value] {
        &self.custom_statuses
    }

    /// The inputs of the executions: that of the start, and one for each continue-as-new.
    pub fn inputs(&self) -> &[Value] {
        &self.inputs
    }

    /// All that was asked for, in order.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// The inputs of the calls of an activity, in order.
    pub fn activity_inputs(&self, name: &str) -> Vec<Value> {
        let of_activity =
            |call: &&Call| call.kind == CallKind::Activity && call.name.eq_ignore_ascii_case(name);
        self.calls.iter().filter(of_activity).map(|call| call.input.clone()).collect()
    }

    /// The state of an entity at the end; none if it has no state, or a fake is in its place.
    ///
    /// # Panics
    /// When it cannot be an entity's id, or the state is no `T`.
    #[track_caller]
    pub fn entity_state<T: DeserializeOwned>(&self, entity: impl Into<EntityId>) -> Option<T> {
        self.entities.get(&convert::entity_id(&entity.into())).cloned().map(read)
    }

    /// How long the orchestration took in virtual time, to its last turn.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }
}

#[track_caller]
fn read<T: DeserializeOwned>(value: Value) -> T {
    let shown = value.to_string();
    serde_json::from_value(value).unwrap_or_else(|error| panic!("{shown} does not fit: {error}"))
}
