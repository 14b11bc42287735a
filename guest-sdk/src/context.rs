//! What an orchestrator may do.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::{Either, select};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::imports::orchestration_context as wit;
use crate::lock::Locking;
use crate::options::{ActivityOptions, ContinueAsNewOptions, FireAt, HttpOptions, SubOrchestrationOptions};
use crate::request::Request;
use crate::response::Response;
use crate::task::Task;
use crate::{EntityId, ParentInstance};

/// The present execution of an orchestration: the first parameter of an orchestrator.
///
/// Everything it answers is the same at every replay. Its calls schedule at once and in order; awaiting what they return
/// suspends the orchestrator, durably.
#[derive(Clone, Copy, Debug)]
pub struct OrchestrationContext(());

#[expect(clippy::unused_self, reason = "the receiver says where the call is allowed")]
impl OrchestrationContext {
    pub(crate) fn new() -> Self {
        Self(())
    }

    /// The orchestrator's name.
    pub fn name(&self) -> String {
        wit::name()
    }

    /// The id of this orchestration instance.
    pub fn instance_id(&self) -> String {
        wit::instance_id()
    }

    /// The id of this run of the instance; another one after each continue-as-new.
    pub fn execution_id(&self) -> String {
        wit::execution_id()
    }

    /// The orchestration that called this one, if one did.
    pub fn parent(&self) -> Option<ParentInstance> {
        wit::parent()
    }

    /// The time of the present turn.
    pub fn current_utc_date_time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(wit::current_utc_date_time())
    }

    /// Whether the past is being replayed: what is printed then was printed before, and the host drops it.
    pub fn is_replaying(&self) -> bool {
        wit::is_replaying()
    }

    /// A new UUID (version 5 of the execution id and a counter).
    pub fn new_guid(&self) -> String {
        wit::new_guid()
    }

    /// Calls an activity; its result is read as `T`.
    ///
    /// # Errors
    /// The task fails with the activity's error, or with `InvalidResult` when the result is no `T`.
    pub fn call_activity<T: DeserializeOwned>(&self, name: &str, input: impl Serialize) -> Task<T> {
        self.call_activity_with(name, input, ActivityOptions::default())
    }

    /// Calls an activity with a [`RetryPolicy`](crate::RetryPolicy) or other [`ActivityOptions`].
    ///
    /// # Errors
    /// As [`Self::call_activity`], once the retry policy is exhausted.
    pub fn call_activity_with<T: DeserializeOwned>(
        &self,
        name: &str,
        input: impl Serialize,
        options: impl Into<ActivityOptions>,
    ) -> Task<T> {
        let options = wit::ActivityOptions::from(options.into());
        let task = to_json(&input).map(|input| wit::call_activity(name, &input, &options));
        Task::scheduled(format!("activity '{name}'"), task)
    }

    /// Calls a sub-orchestration, under an instance id that the host makes; its output is read as `T`.
    ///
    /// # Errors
    /// The task fails with the sub-orchestration's error, or with `InvalidResult` when the output is no `T`.
    pub fn call_sub_orchestrator<T: DeserializeOwned>(&self, name: &str, input: impl Serialize) -> Task<T> {
        self.call_sub_orchestrator_with(name, input, SubOrchestrationOptions::default())
    }

    /// Calls a sub-orchestration with an instance id, a retry policy, or both. The task of one that is dropped is not
    /// tried again, but the sub-orchestration itself goes on.
    ///
    /// # Errors
    /// As [`Self::call_sub_orchestrator`], once the retry policy is exhausted; an id that a live instance has fails the
    /// task.
    pub fn call_sub_orchestrator_with<T: DeserializeOwned>(
        &self,
        name: &str,
        input: impl Serialize,
        options: impl Into<SubOrchestrationOptions>,
    ) -> Task<T> {
        let options = wit::SubOrchestrationOptions::from(options.into());
        let task = to_json(&input).map(|input| wit::call_sub_orchestrator(name, &input, &options));
        Task::scheduled(format!("sub-orchestration '{name}'"), task)
    }

    /// Starts an orchestration that goes its own way, when this turn is over; gives its instance id, which the host makes.
    ///
    /// # Errors
    /// When the input cannot be written as JSON.
    pub fn start_new_orchestration(&self, name: &str, input: impl Serialize) -> Result<String> {
        Ok(wit::start_orchestration(name, &to_json(&input)?, None))
    }

    /// The same under this instance id. Nothing is started if a live instance has it.
    ///
    /// # Errors
    /// When the input cannot be written as JSON.
    pub fn start_new_orchestration_with_id(
        &self,
        name: &str,
        instance_id: &str,
        input: impl Serialize,
    ) -> Result<()> {
        wit::start_orchestration(name, &to_json(&input)?, Some(instance_id));
        Ok(())
    }

    /// Sends an event to another instance, when this turn is over. One way: it is dropped if no live instance has the id.
    /// What one orchestration sends to one receiver arrives in the order in which it was sent.
    ///
    /// # Errors
    /// When the data cannot be written as JSON.
    pub fn send_event(&self, instance_id: &str, name: &str, data: impl Serialize) -> Result<()> {
        wit::send_event(instance_id, name, &to_json(&data)?);
        Ok(())
    }

    /// Has the host send an HTTP request, and gives the last answer, whatever its status; one of 202 with `Location` is
    /// followed by polls until there is another, with durable timers between them.
    ///
    /// The host lets requests through to the hosts that `allowed_outbound_hosts` in `durance.toml` names. `Authorization`,
    /// `Cookie` and `x-functions-key` go to the origin that the request names, and to no other that an answer leads to.
    /// Request and answer are kept in the history.
    ///
    /// # Errors
    /// The task fails with `HttpRequestFailed` when there is no answer, and finally with `InvalidRequest`,
    /// `OutboundHostNotAllowed` and `ResponseTooLarge`.
    pub fn call_http(&self, request: Request) -> Task<Response> {
        self.call_http_with(request, HttpOptions::default())
    }

    /// The same with a retry policy or other [`HttpOptions`].
    ///
    /// # Errors
    /// As [`Self::call_http`], once the retry policy is exhausted; `HttpStatus` for a status that the policy is for, and
    /// `Timeout`.
    pub fn call_http_with(&self, request: Request, options: HttpOptions) -> Task<Response> {
        let what = format!("{} {}", request.method(), request.uri());
        let task = wit::call_http(&request.into(), &options.into());
        Task::scheduled(what, Ok(task))
    }

    /// Waits for a time or so long: made of a [`Duration`] or a [`SystemTime`], to the millisecond.
    pub fn create_timer(&self, fire_at: impl Into<FireAt>) -> Task<()> {
        let fire_at = fire_at.into().nanoseconds(wit::current_utc_date_time());
        Task::scheduled("a timer".to_owned(), Ok(wit::create_timer(fire_at)))
    }

    /// Waits for an external event; its data is read as `T`.
    ///
    /// Names are compared without regard to case. The first event goes to the first waiter; one that came before anyone
    /// waited is not lost.
    ///
    /// # Errors
    /// The task fails with `InvalidResult` when the data is no `T`.
    pub fn wait_for_external_event<T: DeserializeOwned>(&self, name: &str) -> Task<T> {
        let task = wit::wait_for_external_event(name);
        Task::scheduled(format!("event '{name}'"), Ok(task))
    }

    /// Waits for an external event so long; none when the time is over.
    ///
    /// # Errors
    /// As [`Self::wait_for_external_event`].
    pub async fn wait_for_external_event_with_timeout<T: DeserializeOwned>(
        &self,
        name: &str,
        timeout: Duration,
    ) -> Result<Option<T>> {
        let event = self.wait_for_external_event(name);
        match select(event, self.create_timer(timeout)).await {
            Either::Left((data, _)) => data.map(Some),
            Either::Right((fired, _)) => fired.map(|()| None),
        }
    }

    /// Calls an operation of an entity; its result is read as `T`.
    ///
    /// # Errors
    /// The task fails with the operation's error, or with `InvalidResult` when the result is no `T`.
    pub fn call_entity<T: DeserializeOwned>(
        &self,
        entity: impl Into<EntityId>,
        operation: &str,
        input: impl Serialize,
    ) -> Task<T> {
        let entity = entity.into();
        let task = to_json(&input).map(|input| wit::call_entity(&entity, operation, &input));
        Task::scheduled(format!("operation '{operation}' of entity {entity}"), task)
    }

    /// Sends an entity an operation, without waiting for it.
    ///
    /// # Errors
    /// When the input cannot be written as JSON.
    pub fn signal_entity(
        &self,
        entity: impl Into<EntityId>,
        operation: &str,
        input: impl Serialize,
    ) -> Result<()> {
        wit::signal_entity(&entity.into(), operation, &to_json(&input)?, None);
        Ok(())
    }

    /// Sends an entity an operation that is to run after so long, or not before a time.
    ///
    /// # Errors
    /// When the input cannot be written as JSON.
    pub fn signal_entity_at(
        &self,
        entity: impl Into<EntityId>,
        operation: &str,
        input: impl Serialize,
        at: impl Into<FireAt>,
    ) -> Result<()> {
        let at = at.into().nanoseconds(wit::current_utc_date_time());
        wit::signal_entity(&entity.into(), operation, &to_json(&input)?, Some(at));
        Ok(())
    }

    /// Begins a critical section: waits for the locks of all these entities, and holds them until the lock is dropped.
    /// Nobody else's operations run on them meanwhile.
    ///
    /// Until then only these entities can be called, each one call at a time; no sub-orchestration, no other locks, no
    /// signals to these: what breaks these rules ends the orchestration as failed. A critical section is no transaction:
    /// what was done stays when the orchestration fails.
    pub fn lock_entities<E: Into<EntityId>>(&self, entities: impl IntoIterator<Item = E>) -> Locking {
        let entities: Vec<EntityId> = entities.into_iter().map(Into::into).collect();
        Locking::new(wit::lock_entities(&entities))
    }

    /// Starts this orchestration again with another input and an empty history, when the orchestrator returns; what it
    /// returns is then dropped. Events that no one waited for are kept, and the version of the app that is active then goes on.
    ///
    /// # Errors
    /// When the input cannot be written as JSON.
    pub fn continue_as_new(&self, input: impl Serialize) -> Result<()> {
        self.continue_as_new_with(input, ContinueAsNewOptions::default())
    }

    /// The same as [`Self::continue_as_new`], with options: what becomes of events that no one waited for, and which version
    /// of the app goes on.
    ///
    /// # Errors
    /// When the input cannot be written as JSON.
    pub fn continue_as_new_with(&self, input: impl Serialize, options: ContinueAsNewOptions) -> Result<()> {
        wit::continue_as_new(&to_json(&input)?, options.into());
        Ok(())
    }

    /// Shows this in the instance's status, from the end of this turn on; at most 16 KiB of JSON.
    ///
    /// # Errors
    /// When the status cannot be written as JSON.
    pub fn set_custom_status(&self, status: impl Serialize) -> Result<()> {
        wit::set_custom_status(&to_json(&status)?);
        Ok(())
    }
}

fn to_json(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string(value)?)
}
