//! Starting orchestrations over HTTP.

use super::{
    ManagementApi, set,
    status::{HistoryValues, StatusJson},
};
use crate::{
    links::ManagementPayload,
    problem::Problem,
    query::{Query, QueryError},
    request::Admitted,
    response::{self, HttpResponse},
};
use durance_durable::{IfExists, InstanceId, Json, RuntimeStatus};
use durance_taskhub::{Holder, OrchestrationStatus, StartAnswer, StartOptions};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{LOCATION, RETRY_AFTER},
};
use std::time::Duration;

/// Source: `CreateCheckStatusResponse` of the model. Unit: seconds.
const RETRY_AFTER_START: u16 = 10;

/// The longest that a caller may wait for the end of what it starts.
const WAIT_MAX: Duration = Duration::from_secs(3600);

const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;

/// What a caller wants to start.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) function: String,
    pub(super) instance: Option<InstanceId>,
    pub(super) input: Json,
}

impl ManagementApi {
    /// 202 with links; after waiting, 200 with the output; 409 with the links of who has the id.
    pub(super) async fn start(
        &self,
        request: Admitted<'_>,
        query: &Query<'_>,
        start: Start,
    ) -> Result<HttpResponse, Problem> {
        let wait = wait_time(query)?;
        let options = StartOptions {
            instance: start.instance,
            if_exists: if_exists(query)?,
            token: None,
            idempotency_key: idempotency_key(&request.parts.headers)?,
            retention: query.read("retentionSeconds", "a number of seconds", retention)?,
        };
        let started = self.client.start_new(&start.function, start.input, options).await?;
        let links = |holder: &Holder| self.links.payload(&request.origin(), &holder.instance);
        let holder = match started {
            StartAnswer::Started(holder) | StartAnswer::Existing(holder) => holder,
            StartAnswer::AlreadyExists(holder) | StartAnswer::Changed(Some(holder)) => {
                return Err(Problem::already_exists(&holder, &links(&holder)));
            }
            StartAnswer::Changed(None) => unreachable!("a start without a token cannot find it changed"),
        };
        if let Some(wait) = wait {
            let status = self.client.wait_for_run(&holder, wait).await?;
            if status.runtime_status.is_finished() {
                return Ok(finished(&status));
            }
        }
        Ok(accepted(&links(&holder)))
    }
}

fn accepted(links: &ManagementPayload) -> HttpResponse {
    let mut response = response::json(StatusCode::ACCEPTED, links);
    set(response.headers_mut(), LOCATION, links.status_query_get_uri.clone());
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_START));
    response
}

/// The output alone if all went well, otherwise the whole status.
fn finished(status: &OrchestrationStatus) -> HttpResponse {
    match &status.output {
        Some(output) if status.runtime_status == RuntimeStatus::Completed => {
            response::json_text(StatusCode::OK, output.as_str().to_owned())
        }
        _ => response::json(StatusCode::OK, &StatusJson::new(status, HistoryValues::Hidden)),
    }
}

fn if_exists(query: &Query<'_>) -> Result<IfExists, QueryError> {
    let names = IfExists::ALL.map(IfExists::as_str).join(", ");
    Ok(query.read("ifExists", format!("one of {names}"), |text| text.parse().ok())?.unwrap_or_default())
}

/// `pollingInterval` is the model's: this host does not poll, but takes it where the model does.
fn wait_time(query: &Query<'_>) -> Result<Option<Duration>, QueryError> {
    let expected = format!("a number of seconds, at most {}", WAIT_MAX.as_secs());
    let timeout = query.read("timeout", expected, seconds)?;
    let fits = |interval: &Duration| timeout.is_some_and(|timeout| *interval <= timeout);
    let read = |text: &str| seconds(text).filter(fits);
    query.read(
        "pollingInterval",
        "a number of seconds, at most that of 'timeout', which must be given",
        read,
    )?;
    Ok(timeout)
}

fn seconds(text: &str) -> Option<Duration> {
    let duration = Duration::try_from_secs_f64(text.parse().ok()?).ok()?;
    (duration <= WAIT_MAX).then_some(duration)
}

fn retention(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=IDEMPOTENCY_KEY_CHARS_MAX).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => {
            let detail =
                format!("an idempotency key has 1 to {IDEMPOTENCY_KEY_CHARS_MAX} printable ASCII characters");
            Err(Problem::new(StatusCode::BAD_REQUEST, detail))
        }
    }
}
