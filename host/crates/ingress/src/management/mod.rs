//! The management API: the HTTP API of Durable Functions, with which anybody can start and manage orchestrations.
//!
//! Paths, fields and status codes are the model's. It is strict where the model guesses: an unknown query parameter or
//! value is an error, and nothing is deleted that is not over.

mod changes;
mod entities;
mod operation;
mod purge;
mod read;
mod schedules;
mod start;
mod status;

use crate::{
    access::Access,
    body::{BodyLimits, RequestBody, parse_json},
    keys::AccessLevel,
    links::{InvalidLink, LinkSignature, SignedLinks},
    problem::Problem,
    query::{Query, QueryError, idempotency_key},
    request::Admitted,
    response::{self, HttpResponse},
};
use durance_durable::{InstanceId, Json, RuntimeStatus};
use durance_taskhub::{Idempotency, OrchestrationClient, RestartUnder};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use operation::{Command, InstanceOperation, Operation};
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Answers requests to the management API.
#[derive(Debug)]
pub(crate) struct ManagementApi {
    pub(crate) client: OrchestrationClient,
    pub(crate) links: Arc<SignedLinks>,
    pub(crate) body_limits: BodyLimits,
    /// A place for each stream of changes.
    change_streams: Arc<Semaphore>,
}

impl ManagementApi {
    pub(crate) fn new(client: OrchestrationClient, links: Arc<SignedLinks>, body_limits: BodyLimits) -> Self {
        let change_streams = Arc::new(Semaphore::new(changes::CHANGE_STREAMS_MAX));
        Self { client, links, body_limits, change_streams }
    }

    /// The answer to a request; `path` begins after that of the API.
    pub(crate) async fn answer(
        &self,
        access: &Access,
        request: Admitted<'_>,
        path: &str,
        body: impl RequestBody,
    ) -> Result<HttpResponse, Problem> {
        let operation = Operation::of(&request.parts.method, path);
        let query = Query::parse(request.parts.uri.query());
        let instance = operation.as_ref().ok().and_then(Operation::instance);
        // What is wrong with the path or the query is not for strangers.
        self.authorize(access, request, &query, instance)?;
        let operation = operation?;
        let (common, own) = operation.parameters();
        query.check_names(common, own, &["runtimeStatus", "name", "tag", "instanceId"])?;
        self.check_task_hub(&query)?;
        match operation {
            Operation::Start { function, instance } => {
                let input = parse_json(&self.body_limits.read(body).await?)?;
                self.start(request, &query, start::Start { function, instance, input, event: None }).await
            }
            Operation::StartAndRaise { function, instance, event } => {
                let body = parse_json(&self.body_limits.read(body).await?)?;
                let StartAndRaiseBody { input, event_data } = StartAndRaiseBody::read(&body)?;
                let (instance, event) = (Some(instance), Some((event, event_data)));
                self.start(request, &query, start::Start { function, instance, input, event }).await
            }
            Operation::Counts => self.counts(),
            Operation::PurgeMany => self.purge_many(&request.parts.headers, &query).await,
            Operation::List => self.list(&request.parts.headers, &query).await,
            Operation::Instance(instance, InstanceOperation::RaiseEvent(event)) => {
                let data = parse_json(&self.body_limits.read(body).await?)?;
                self.client_for(&request.parts.headers)?.raise_event(&instance, &event, data).await?;
                Ok(response::empty(StatusCode::ACCEPTED))
            }
            Operation::Instance(instance, InstanceOperation::Changes) => self.changes(&query, instance),
            Operation::Instance(instance, InstanceOperation::History) => self.history(&query, &instance),
            Operation::Instance(instance, InstanceOperation::Status) => {
                self.status(request, &query, &instance).await
            }
            Operation::Instance(instance, InstanceOperation::Restart) => {
                self.restart(request, &query, &instance).await
            }
            Operation::Instance(instance, InstanceOperation::Command(command)) => {
                let client = self.client_for(&request.parts.headers)?;
                command_on(&client, &query, &instance, command).await
            }
            Operation::Schedules(operation) => self.schedules(request, &query, operation, body).await,
            Operation::Entities(operation) => {
                let body = self.body_limits.read(body).await?;
                self.entities(&request.parts.headers, &query, operation, body).await
            }
        }
    }

    /// An admin key opens everything, a signed link its instance.
    fn authorize(
        &self,
        access: &Access,
        request: Admitted<'_>,
        query: &Query<'_>,
        instance: Option<&InstanceId>,
    ) -> Result<(), Problem> {
        let expires = query.read("expires", "a number of seconds", |text| text.parse().ok())?;
        let Err(refusal) = access.require(AccessLevel::Admin, request.parts) else { return Ok(()) };
        let Some(signature) = query.text("sig") else { return Err(refusal.into()) };
        let (Some(instance), Some(expires)) = (instance, expires) else {
            return Err(InvalidLink::Forged.into());
        };
        let link = LinkSignature { expires, signature: signature.to_owned() };
        Ok(self.links.verify(instance, &link)?)
    }

    fn check_task_hub(&self, query: &Query<'_>) -> Result<(), QueryError> {
        let hub = self.links.task_hub();
        let is_ours = |name: &str| name.eq_ignore_ascii_case(hub).then_some(());
        query.read("taskHub", format!("'{hub}', the only task hub of this host"), is_ours).map(drop)
    }

    /// The client for a request: under its idempotency key, if it has one.
    fn client_for(&self, headers: &HeaderMap) -> Result<OrchestrationClient, Problem> {
        match idempotency_key(headers)? {
            Some(key) => Ok(self.client.once(Idempotency::new(&key)?)),
            None => Ok(self.client.clone()),
        }
    }

    /// 202 with links, or 200 after waiting; 409 for a live instance that is to be started under its own id.
    async fn restart(
        &self,
        request: Admitted<'_>,
        query: &Query<'_>,
        instance: &InstanceId,
    ) -> Result<HttpResponse, Problem> {
        let under = match query.flag("restartWithNewInstanceId", true)? {
            true => RestartUnder::NewId,
            false => RestartUnder::SameId,
        };
        let wait = start::wait_time(query)?;
        let restarted = self.client_for(&request.parts.headers)?.restart(instance, under).await?;
        self.started(request, restarted, wait).await
    }

    /// 200 with the number of instances of each status.
    fn counts(&self) -> Result<HttpResponse, Problem> {
        let counts = self.client.counts()?;
        let of = |status: RuntimeStatus| (status.as_str().to_owned(), Value::from(counts.of(status)));
        let counts: Map<_, _> = RuntimeStatus::ALL.into_iter().map(of).collect();
        Ok(response::json(StatusCode::OK, &counts))
    }
}

async fn command_on(
    client: &OrchestrationClient,
    query: &Query<'_>,
    instance: &InstanceId,
    command: Command,
) -> Result<HttpResponse, Problem> {
    let reason = query.text("reason").unwrap_or_default();
    match command {
        Command::Terminate if query.flag("recursive", false)? => {
            client.terminate_tree(instance, reason).await?;
        }
        Command::Terminate => client.terminate(instance, reason).await?,
        Command::Suspend => client.suspend(instance, reason).await?,
        Command::Resume => client.resume(instance, reason).await?,
        Command::Rewind => client.rewind(instance, reason).await?,
        Command::DropQueue => {
            let count = client.drop_queue(instance).await?;
            return Ok(response::json(StatusCode::OK, &json!({ "startsDropped": count })));
        }
        Command::Purge => {
            let count = match query.flag("recursive", false)? {
                true => client.purge_tree(instance).await?,
                false => client.purge(instance).await.map(|()| 1)?,
            };
            return Ok(response::json(StatusCode::OK, &json!({ "instancesDeleted": count })));
        }
    }
    Ok(response::empty(StatusCode::ACCEPTED))
}

/// What a request to start and raise carries; what is left out is `null`.
struct StartAndRaiseBody {
    input: Json,
    event_data: Json,
}

impl StartAndRaiseBody {
    fn read(body: &Json) -> Result<Self, Problem> {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct Body<'b> {
            #[serde(borrow)]
            input: Option<&'b RawValue>,
            #[serde(borrow)]
            event_data: Option<&'b RawValue>,
        }
        let body: Option<Body<'_>> = serde_json::from_str(body.as_str()).map_err(|error| {
            let detail = format!("the body must be an object of 'input' and 'eventData': {error}");
            Problem::new(StatusCode::BAD_REQUEST, detail)
        })?;
        let Body { input, event_data } = body.unwrap_or_default();
        let json =
            |value: Option<&RawValue>| value.map_or(Ok(Json::null()), |value| Json::parse(value.get()));
        Ok(Self { input: json(input)?, event_data: json(event_data)? })
    }
}

/// Sets a header whose value may hold what callers sent; one that cannot be a header is left out.
fn set(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests;
