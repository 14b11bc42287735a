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
use durance_durable::{IfExists, InstanceId, Json, RuntimeStatus, StartDetails};
use durance_taskhub::{Holder, OrchestrationStatus, RaisedEvent, StartAnswer, StartOptions};
use http::{
    HeaderValue, StatusCode,
    header::{LOCATION, RETRY_AFTER},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Source: `CreateCheckStatusResponse` of the model. Unit: seconds.
const RETRY_AFTER_START: u16 = 10;

/// The longest that a caller may wait for the end of what it starts.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// A tag with its value, or a version. Unit: bytes.
const TAG_BYTES_MAX: usize = 256;

/// What a caller wants to start.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) function: String,
    pub(super) instance: Option<InstanceId>,
    pub(super) input: Json,
    /// To be sent to whoever has the id then.
    pub(super) event: Option<(String, Json)>,
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
            retention: query.read("retentionSeconds", "a number of seconds", retention)?,
            details: StartDetails { tags: tags(query)?, version: version(query)?, scheduled_start: None },
        };
        let client = self.client_for(&request.parts.headers)?;
        let started = match start.event {
            None => client.start_new(&start.function, start.input, options).await?,
            Some((name, data)) => {
                let event = RaisedEvent { name: &name, data };
                client.start_and_raise(&start.function, start.input, options, event).await?
            }
        };
        self.started(request, started, wait).await
    }

    /// The answer to a start: after waiting, if the caller wants that.
    pub(super) async fn started(
        &self,
        request: Admitted<'_>,
        started: StartAnswer,
        wait: Option<Duration>,
    ) -> Result<HttpResponse, Problem> {
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

/// `tag=name:value`, as often as there are tags.
pub(super) fn tags(query: &Query<'_>) -> Result<BTreeMap<Arc<str>, Arc<str>>, QueryError> {
    let tags = query.all("tag", "a name, a colon and a value, at most 256 bytes in all", |text| {
        let (name, value) = text.split_once(':').filter(|(name, _)| !name.is_empty())?;
        (text.len() <= TAG_BYTES_MAX).then(|| (name.into(), value.into()))
    });
    Ok(tags?.into_iter().collect())
}

fn version(query: &Query<'_>) -> Result<Option<Arc<str>>, QueryError> {
    query.read("version", "1 to 256 bytes", |text| {
        (1..=TAG_BYTES_MAX).contains(&text.len()).then(|| text.into())
    })
}

fn if_exists(query: &Query<'_>) -> Result<IfExists, QueryError> {
    let names = IfExists::ALL.map(IfExists::as_str).join(", ");
    Ok(query.read("ifExists", format!("one of {names}"), |text| text.parse().ok())?.unwrap_or_default())
}

/// `pollingInterval` is the model's: this host does not poll, but takes it where the model does.
pub(super) fn wait_time(query: &Query<'_>) -> Result<Option<Duration>, QueryError> {
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

pub(super) fn seconds(text: &str) -> Option<Duration> {
    let duration = Duration::try_from_secs_f64(text.parse().ok()?).ok()?;
    (duration <= WAIT_MAX).then_some(duration)
}

fn retention(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}
