//! Starts and manages orchestrations, for HTTP functions and activities.

use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::bindings::durance::functions::orchestration_client as wit;
use crate::error::Result;
use crate::options::{FireAt, milliseconds};
use crate::request::Request;
use crate::response::Response;
use crate::{
    EntityId, EntityPage, EntityQuery, InstancePage, InstanceQuery, OrchestrationStatus, PurgeOptions,
    PurgeSelection, RuntimeStatus, StartOptions, StartOutcome, StatusOptions, StatusSnapshot,
};

/// Seconds until a client may ask for the status of an orchestration that was just started.
const RETRY_AFTER_S: &str = "10";

/// Why the orchestration client refused; `?` in an HTTP function answers with the status in brackets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// An argument is malformed; the text says how (400).
    #[error("{0}")]
    InvalidArgument(String),
    /// No orchestrator has this name; the text names the known ones (404).
    #[error("{0}")]
    UnknownOrchestrator(String),
    /// No instance, or no schedule, has this id (404).
    #[error("{0}")]
    NotFound(String),
    /// The instance, or the schedule, is in a status in which this cannot be done (409).
    #[error("{0}")]
    WrongStatus(String),
    /// The idempotency key was used before with another input (422).
    #[error("{0}")]
    IdempotencyMismatch(String),
    /// No entity has this name; the text names the known ones (404).
    #[error("{0}")]
    UnknownEntity(String),
    /// The host is over a limit or is stopping; try again later (503).
    #[error("{0}")]
    Unavailable(String),
}

impl From<wit::ClientError> for ClientError {
    fn from(error: wit::ClientError) -> Self {
        match error {
            wit::ClientError::InvalidArgument(text) => Self::InvalidArgument(text),
            wit::ClientError::UnknownOrchestrator(text) => Self::UnknownOrchestrator(text),
            wit::ClientError::NotFound(text) => Self::NotFound(text),
            wit::ClientError::WrongStatus(text) => Self::WrongStatus(text),
            wit::ClientError::IdempotencyMismatch(text) => Self::IdempotencyMismatch(text),
            wit::ClientError::UnknownEntity(text) => Self::UnknownEntity(text),
            wit::ClientError::Unavailable(text) => Self::Unavailable(text),
        }
    }
}

/// The orchestration client: the second parameter of an HTTP function, or made anywhere outside orchestrators.
///
/// What it answers is durable. In an orchestrator every call ends the run: use
/// [`OrchestrationContext`](crate::OrchestrationContext) there.
#[derive(Clone, Debug, Default)]
pub struct OrchestrationClient {
    idempotency_key: Option<String>,
}

#[expect(clippy::unused_self, reason = "the receiver says where the call is allowed")]
impl OrchestrationClient {
    /// The client of the host that runs this function.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same client for one call that may be repeated: with the same key within 24 hours it changes nothing more and
    /// gets the first answer, a refusal too. For calls that change something; a start's own key goes before.
    #[must_use]
    pub fn with_idempotency_key(&self, key: impl Into<String>) -> Self {
        Self { idempotency_key: Some(key.into()) }
    }

    fn key(&self) -> Option<&str> {
        self.idempotency_key.as_deref()
    }

    fn keyed(&self, mut options: StartOptions) -> StartOptions {
        options.idempotency_key = options.idempotency_key.or_else(|| self.idempotency_key.clone());
        options
    }

    /// The status of an instance with its input, and the token to start it with if nothing changes until then.
    ///
    /// # Errors
    /// [`ClientError::InvalidArgument`] for a malformed id. A missing instance is no error: the snapshot has no status.
    pub fn get_status(&self, instance_id: &str) -> Result<StatusSnapshot, ClientError> {
        self.get_status_with(instance_id, StatusOptions::default())
    }

    /// The same as [`Self::get_status`] with a choice of what to show.
    ///
    /// # Errors
    /// As [`Self::get_status`].
    pub fn get_status_with(
        &self,
        instance_id: &str,
        options: StatusOptions,
    ) -> Result<StatusSnapshot, ClientError> {
        Ok(wit::get_status(instance_id, options)?)
    }

    /// Starts an orchestration under a random id of 32 hexadecimal digits, and answers the id.
    ///
    /// # Errors
    /// [`ClientError::UnknownOrchestrator`], [`ClientError::InvalidArgument`] when the input cannot be written as JSON,
    /// [`ClientError::Unavailable`].
    ///
    /// # Panics
    /// When the host breaks the contract: the outcome names no run.
    pub fn start_new(&self, orchestrator: &str, input: impl Serialize) -> Result<String, ClientError> {
        let outcome = self.start_new_with(orchestrator, input, StartOptions::default())?;
        let instance_id = outcome.instance_id();
        Ok(instance_id.expect("a start without a token compares nothing").to_owned())
    }

    /// Starts an orchestration, decided atomically: of any number of callers with one id, one starts it and every one
    /// learns which run holds the id.
    ///
    /// # Errors
    /// As [`Self::start_new`], [`ClientError::InvalidArgument`] for a malformed id, and
    /// [`ClientError::IdempotencyMismatch`].
    pub fn start_new_with(
        &self,
        orchestrator: &str,
        input: impl Serialize,
        options: StartOptions,
    ) -> Result<StartOutcome, ClientError> {
        Ok(wit::start_new(orchestrator, &to_json(&input)?, &self.keyed(options))?)
    }

    /// Sends an event to an instance; it is kept until the orchestrator waits for it.
    ///
    /// # Errors
    /// [`ClientError::NotFound`], [`ClientError::WrongStatus`] when the instance is finished.
    pub fn raise_event(
        &self,
        instance_id: &str,
        event_name: &str,
        data: impl Serialize,
    ) -> Result<(), ClientError> {
        Ok(wit::raise_event(instance_id, event_name, &to_json(&data)?, self.key())?)
    }

    /// Ends an instance; the reason becomes its output.
    ///
    /// # Errors
    /// [`ClientError::NotFound`], [`ClientError::WrongStatus`] when the instance is finished.
    pub fn terminate(&self, instance_id: &str, reason: &str) -> Result<(), ClientError> {
        Ok(wit::terminate(instance_id, reason, false, self.key())?)
    }

    /// Lets an instance take no further step until it is resumed.
    ///
    /// # Errors
    /// [`ClientError::NotFound`], [`ClientError::WrongStatus`] when the instance is finished or suspended.
    pub fn suspend(&self, instance_id: &str, reason: &str) -> Result<(), ClientError> {
        Ok(wit::suspend(instance_id, reason, self.key())?)
    }

    /// Lets a suspended instance go on.
    ///
    /// # Errors
    /// [`ClientError::NotFound`], [`ClientError::WrongStatus`] when the instance is not suspended.
    pub fn resume(&self, instance_id: &str, reason: &str) -> Result<(), ClientError> {
        Ok(wit::resume(instance_id, reason, self.key())?)
    }

    /// Deletes a finished instance, its history and its kept generations.
    ///
    /// # Errors
    /// [`ClientError::NotFound`], [`ClientError::WrongStatus`] when the instance is not finished.
    pub fn purge(&self, instance_id: &str) -> Result<(), ClientError> {
        wit::purge(instance_id, false, self.key())?;
        Ok(())
    }

    /// Deletes a finished instance and the finished sub-orchestrations below it; answers how many. Live ones stay.
    ///
    /// # Errors
    /// As [`Self::purge`].
    pub fn purge_tree(&self, instance_id: &str) -> Result<u64, ClientError> {
        Ok(wit::purge(instance_id, true, self.key())?)
    }

    /// Deletes the finished instances of a selection, or only counts them; answers how many.
    ///
    /// # Errors
    /// [`ClientError::InvalidArgument`] for a malformed id, [`ClientError::Unavailable`]; what was deleted before stays so.
    pub fn purge_instances(
        &self,
        selection: &PurgeSelection,
        options: PurgeOptions,
    ) -> Result<u64, ClientError> {
        Ok(wit::purge_instances(selection, options)?)
    }

    /// Ends an instance and all of its live sub-orchestrations, and theirs.
    ///
    /// # Errors
    /// As [`Self::terminate`].
    pub fn terminate_tree(&self, instance_id: &str, reason: &str) -> Result<(), ClientError> {
        Ok(wit::terminate(instance_id, reason, true, self.key())?)
    }

    /// Forgets the starts that wait for the end of an instance; answers how many there were.
    ///
    /// # Errors
    /// [`ClientError::NotFound`].
    pub fn drop_queue(&self, instance_id: &str) -> Result<u32, ClientError> {
        Ok(wit::drop_queue(instance_id, self.key())?)
    }

    /// Lets a failed instance go on from where it failed: what failed is done again, failed sub-orchestrations are
    /// rewound too.
    ///
    /// # Errors
    /// [`ClientError::NotFound`], [`ClientError::WrongStatus`] when the instance has not failed.
    pub fn rewind(&self, instance_id: &str, reason: &str) -> Result<(), ClientError> {
        Ok(wit::rewind(instance_id, reason, self.key())?)
    }

    /// Starts the instance's orchestrator again under a new id, with the same input, tags and version; answers the id.
    ///
    /// # Errors
    /// [`ClientError::NotFound`], [`ClientError::UnknownOrchestrator`], [`ClientError::Unavailable`].
    pub fn restart(&self, instance_id: &str) -> Result<String, ClientError> {
        match wit::restart(instance_id, true, self.key())? {
            StartOutcome::Started(holder)
            | StartOutcome::Existing(holder)
            | StartOutcome::AlreadyExists(holder)
            | StartOutcome::Changed(Some(holder)) => Ok(holder.instance_id),
            StartOutcome::Queued(queued) => Ok(queued.holder.instance_id),
            StartOutcome::Changed(None) => unreachable!("a start without a token compares nothing"),
        }
    }

    /// The same under the same id: [`StartOutcome::AlreadyExists`] when the instance is live.
    ///
    /// # Errors
    /// As [`Self::restart`].
    pub fn restart_same_id(&self, instance_id: &str) -> Result<StartOutcome, ClientError> {
        Ok(wit::restart(instance_id, false, self.key())?)
    }

    /// Starts an orchestration unless a live one has the id, and sends whichever it is an event, of this name and with these
    /// data, in one commit.
    ///
    /// # Errors
    /// As [`Self::start_new_with`].
    pub fn start_and_raise(
        &self,
        orchestrator: &str,
        input: impl Serialize,
        options: StartOptions,
        (event_name, data): (&str, impl Serialize),
    ) -> Result<StartOutcome, ClientError> {
        let (input, data) = (to_json(&input)?, to_json(&data)?);
        Ok(wit::start_and_raise(orchestrator, &input, &self.keyed(options), event_name, &data)?)
    }

    /// How many instances there are of each status that has any.
    ///
    /// # Errors
    /// [`ClientError::Unavailable`].
    pub fn count_instances(&self) -> Result<Vec<(RuntimeStatus, u64)>, ClientError> {
        Ok(wit::count_instances()?)
    }

    /// One page of the instances that match.
    ///
    /// # Errors
    /// [`ClientError::InvalidArgument`] for a page size or continuation token that cannot be.
    pub fn list_instances(&self, query: &InstanceQuery) -> Result<InstancePage, ClientError> {
        Ok(wit::list_instances(query)?)
    }

    /// Waits until the instance finishes or the time is over; answers its status at that moment.
    ///
    /// # Errors
    /// [`ClientError::NotFound`].
    pub fn wait_for_completion(
        &self,
        instance_id: &str,
        timeout: Duration,
    ) -> Result<OrchestrationStatus, ClientError> {
        Ok(wit::wait_for_completion(instance_id, milliseconds(timeout))?)
    }

    /// Sends an entity an operation, without waiting for it.
    ///
    /// # Errors
    /// [`ClientError::UnknownEntity`], [`ClientError::InvalidArgument`], [`ClientError::Unavailable`].
    pub fn signal_entity(
        &self,
        entity: impl Into<EntityId>,
        operation: &str,
        input: impl Serialize,
    ) -> Result<(), ClientError> {
        Ok(wit::signal_entity(&entity.into(), operation, &to_json(&input)?, None, self.key())?)
    }

    /// Sends an entity an operation that is not to run before a time.
    ///
    /// # Errors
    /// As [`Self::signal_entity`].
    pub fn signal_entity_at(
        &self,
        entity: impl Into<EntityId>,
        operation: &str,
        input: impl Serialize,
        at: SystemTime,
    ) -> Result<(), ClientError> {
        let at = FireAt::At(at).nanoseconds(0);
        Ok(wit::signal_entity(&entity.into(), operation, &to_json(&input)?, Some(at), self.key())?)
    }

    /// The state of an entity as its last operation left it; none when there is no such entity.
    ///
    /// # Errors
    /// [`ClientError::InvalidArgument`] for a malformed id, or a state that is no `T`.
    pub fn read_entity_state<T: DeserializeOwned>(
        &self,
        entity: impl Into<EntityId>,
    ) -> Result<Option<T>, ClientError> {
        let entity = entity.into();
        let state = wit::read_entity_state(&entity)?;
        let read = |text: String| serde_json::from_str(&text);
        state.map(read).transpose().map_err(|error| {
            ClientError::InvalidArgument(format!("the state of {entity} does not fit: {error}"))
        })
    }

    /// One page of the entities that match.
    ///
    /// # Errors
    /// [`ClientError::InvalidArgument`] for a page size or continuation token that cannot be.
    pub fn list_entities(&self, query: &EntityQuery) -> Result<EntityPage, ClientError> {
        Ok(wit::list_entities(query)?)
    }

    /// The management links of an instance (`id`, `statusQueryGetUri`, …): signed for this instance, and they expire.
    ///
    /// # Errors
    /// [`ClientError::InvalidArgument`] for a malformed id.
    ///
    /// # Panics
    /// When the host breaks the contract: the links are no JSON object.
    pub fn create_http_management_payload(
        &self,
        instance_id: &str,
    ) -> Result<Map<String, Value>, ClientError> {
        let links = wit::check_status_links(instance_id)?;
        Ok(serde_json::from_str(&links).expect("the host writes a JSON object"))
    }

    /// Waits for the end of the instance: status 200 with its output alone if it has completed, with its whole status if
    /// it has failed or was terminated; 202 with the management links if the time is over before.
    ///
    /// # Errors
    /// [`ClientError::NotFound`], [`ClientError::InvalidArgument`] for a malformed id.
    ///
    /// # Panics
    /// When the host breaks the contract: the links are no JSON object.
    pub fn wait_for_completion_or_create_check_status_response(
        &self,
        request: &Request,
        instance_id: &str,
        timeout: Duration,
    ) -> Result<Response, ClientError> {
        let status = self.wait_for_completion(instance_id, timeout)?;
        let body = match status.runtime_status {
            RuntimeStatus::Completed => status.output.unwrap_or_else(|| "null".to_owned()),
            ended if ended.is_finished() => status.to_json().to_string(),
            _ => return self.create_check_status_response(request, instance_id),
        };
        Ok(Response::new(200).header("content-type", "application/json").body(body))
    }

    /// Status 202 with the management links as its body, `Location` the status's and `Retry-After` 10.
    ///
    /// # Errors
    /// [`ClientError::InvalidArgument`] for a malformed id.
    ///
    /// # Panics
    /// When the host breaks the contract: the links are no JSON object.
    pub fn create_check_status_response(
        &self,
        _request: &Request,
        instance_id: &str,
    ) -> Result<Response, ClientError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Links {
            status_query_get_uri: String,
        }
        let links = wit::check_status_links(instance_id)?;
        let location: Links = serde_json::from_str(&links).expect("the host writes a JSON object");
        Ok(Response::new(202)
            .header("content-type", "application/json")
            .header("location", location.status_query_get_uri)
            .header("retry-after", RETRY_AFTER_S)
            .body(links))
    }
}

pub(crate) fn to_json(value: &impl Serialize) -> Result<String, ClientError> {
    serde_json::to_string(value).map_err(|error| {
        ClientError::InvalidArgument(format!("the value cannot be written as JSON: {error}"))
    })
}
