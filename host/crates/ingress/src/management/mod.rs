//! The management API: the HTTP API of Durable Functions, with which anybody can start and manage orchestrations.
//!
//! Paths, fields and status codes are the model's. It is strict where the model guesses: an unknown query parameter or
//! value is an error, and nothing is deleted that is not over.

mod entities;
mod operation;
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
    query::{Query, QueryError},
    request::Admitted,
    response::{self, HttpResponse},
};
use durance_durable::InstanceId;
use durance_taskhub::OrchestrationClient;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use operation::{InstanceOperation, Operation};
use serde_json::json;
use std::sync::Arc;

/// Answers requests to the management API.
#[derive(Debug)]
pub(crate) struct ManagementApi {
    pub(crate) client: OrchestrationClient,
    pub(crate) links: Arc<SignedLinks>,
    pub(crate) body_limits: BodyLimits,
}

impl ManagementApi {
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
        query.check_names(common, own, &["runtimeStatus"])?;
        self.check_task_hub(&query)?;
        match operation {
            Operation::Start { function, instance } => {
                let input = parse_json(&self.body_limits.read(body).await?)?;
                self.start(request, &query, start::Start { function, instance, input }).await
            }
            Operation::Schedules(operation) => self.schedules(request, &query, operation, body).await,
            Operation::Entities(operation) => {
                let body = self.body_limits.read(body).await?;
                self.entities(&request.parts.headers, &query, operation, body).await
            }
            Operation::List => self.list(&request.parts.headers, &query),
            Operation::Instance(instance, InstanceOperation::RaiseEvent(event)) => {
                let data = parse_json(&self.body_limits.read(body).await?)?;
                self.client.raise_event(&instance, &event, data).await?;
                Ok(response::empty(StatusCode::ACCEPTED))
            }
            Operation::Instance(instance, InstanceOperation::Status) => {
                self.status(request, &query, &instance)
            }
            Operation::Instance(instance, InstanceOperation::History) => self.history(&query, &instance),
            Operation::Instance(instance, command) => self.command(&query, &instance, &command).await,
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

    async fn command(
        &self,
        query: &Query<'_>,
        instance: &InstanceId,
        command: &InstanceOperation,
    ) -> Result<HttpResponse, Problem> {
        let reason = query.text("reason").unwrap_or_default();
        match command {
            InstanceOperation::Terminate => self.client.terminate(instance, reason).await?,
            InstanceOperation::Suspend => self.client.suspend(instance, reason).await?,
            InstanceOperation::Resume => self.client.resume(instance, reason).await?,
            InstanceOperation::Purge => {
                self.client.purge(instance).await?;
                return Ok(response::json(StatusCode::OK, &json!({ "instancesDeleted": 1 })));
            }
            InstanceOperation::Status | InstanceOperation::History | InstanceOperation::RaiseEvent(_) => {
                return Err(Problem::not_offered("this command"));
            }
        }
        Ok(response::empty(StatusCode::ACCEPTED))
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
