//! Asking about one instance, or listing many.

use super::{
    ManagementApi, set,
    start::{seconds, tags},
    status::{HistoryValues, StatusJson},
};
use crate::{
    problem::Problem,
    query::Query,
    request::Admitted,
    response::{self, HttpResponse},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use durance_durable::{ExecutionId, InstanceId, RuntimeStatus};
use durance_taskhub::{ClientError, ListQuery, SortBy, StatusOptions, TimeRange};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{LOCATION, RETRY_AFTER},
};

/// Source: the status query of the model. Unit: seconds.
const RETRY_AFTER_STATUS: u16 = 5;

const PAGE_SIZE_DEFAULT: usize = 100;
const PAGE_SIZE_MAX: usize = 1000;

/// In a request where to go on, in a response that there is more.
const CONTINUATION_HEADER: HeaderName = HeaderName::from_static("x-ms-continuation-token");

impl ManagementApi {
    /// 200 for a finished instance, 202 for a live one.
    pub(super) async fn status(
        &self,
        request: Admitted<'_>,
        query: &Query<'_>,
        instance: &InstanceId,
    ) -> Result<HttpResponse, Problem> {
        let options = StatusOptions {
            show_input: query.flag("showInput", true)?,
            show_history: query.flag("showHistory", false)?,
            execution: execution(query)?,
        };
        let show_output = query.flag("showHistoryOutput", false)?;
        let fail_on_failure = query.flag("returnInternalServerErrorOnFailure", false)?;
        if let Some(wait) = query.read("wait", "a number of seconds, at most 3600", seconds)? {
            self.client.wait_for_completion(instance, wait).await?;
        }
        let snapshot = self.client.get_status(instance, options)?;
        let status = snapshot.status.ok_or_else(|| ClientError::NotFound(instance.clone()))?;
        let code = match status.runtime_status {
            RuntimeStatus::Failed if fail_on_failure => StatusCode::INTERNAL_SERVER_ERROR,
            finished if finished.is_finished() => StatusCode::OK,
            _ => StatusCode::ACCEPTED,
        };
        let values = if show_output { HistoryValues::Shown } else { HistoryValues::Hidden };
        let mut response = response::json(code, &StatusJson::new(&status, values));
        if code == StatusCode::ACCEPTED {
            set(response.headers_mut(), LOCATION, request.uri());
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_STATUS));
        }
        Ok(response)
    }

    /// 200 with the whole history, in the format that `durance replay` reads.
    pub(super) fn history(&self, query: &Query<'_>, instance: &InstanceId) -> Result<HttpResponse, Problem> {
        let history = self.client.export_history(instance, execution(query)?)?;
        let body = history.to_json_lines().into();
        Ok(response::with_body(StatusCode::OK, Some("application/jsonl"), body))
    }

    /// 200 with the statuses of these, in this order; `null` for one that is not there.
    fn statuses_of(&self, ids: &[InstanceId], show_input: bool) -> Result<HttpResponse, Problem> {
        if ids.len() > PAGE_SIZE_MAX {
            let detail = format!("at most {PAGE_SIZE_MAX} instance IDs may be asked for at once");
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
        }
        let options = StatusOptions { show_input, ..StatusOptions::default() };
        let found: Vec<_> =
            ids.iter().map(|id| self.client.get_status(id, options)).collect::<Result<_, _>>()?;
        let shown = found.iter().map(|snapshot| snapshot.status.as_ref());
        let shown: Vec<_> =
            shown.map(|status| status.map(|status| StatusJson::new(status, HistoryValues::Hidden))).collect();
        Ok(response::json(StatusCode::OK, &shown))
    }

    /// 200 with a page of statuses.
    pub(super) async fn list(&self, headers: &HeaderMap, query: &Query<'_>) -> Result<HttpResponse, Problem> {
        let show_input = query.flag("showInput", true)?;
        let ids = query.all("instanceId", "an instance ID", |id| InstanceId::new(id).ok())?;
        if !ids.is_empty() {
            return self.statuses_of(&ids, show_input);
        }
        let list = ListQuery {
            statuses: statuses(query)?,
            names: query.list("name", "a list of orchestrators", |name| Some(name.to_owned()))?,
            id_prefix: query.text("instanceIdPrefix").map(str::to_owned),
            parent: query.read("parentInstanceId", "an instance ID", |id| InstanceId::new(id).ok())?,
            tags: tags(query)?,
            custom_status: query.text("customStatus").map(str::to_owned),
            created: TimeRange { from: query.time("createdTimeFrom")?, to: query.time("createdTimeTo")? },
            updated: TimeRange {
                from: query.time("lastUpdatedTimeFrom")?,
                to: query.time("lastUpdatedTimeTo")?,
            },
            completed: TimeRange {
                from: query.time("completedTimeFrom")?,
                to: query.time("completedTimeTo")?,
            },
            sort: sort(query)?,
            descending: query.read("order", "asc or desc", order)?.unwrap_or(false),
            after: continuation(headers, |text| text.parse().ok())?,
            page_size: page_size(query)?,
            among: query.flag("stuck", false)?.then(|| self.client.stuck_instances()),
        };
        let page = self
            .client
            .list_instances(list, StatusOptions { show_input, ..StatusOptions::default() })
            .await?;
        let statuses: Vec<_> =
            page.instances.iter().map(|status| StatusJson::new(status, HistoryValues::Hidden)).collect();
        let mut response = response::json(StatusCode::OK, &statuses);
        if let Some(next) = page.continuation {
            set_continuation(response.headers_mut(), &next.to_string());
        }
        Ok(response)
    }
}

fn execution(query: &Query<'_>) -> Result<Option<ExecutionId>, Problem> {
    Ok(query.read("executionId", "an execution's id: 32 hexadecimal digits", |id| id.parse().ok())?)
}

fn sort(query: &Query<'_>) -> Result<SortBy, Problem> {
    let read = |text: &str| match text {
        "id" => Some(SortBy::Id),
        "created" => Some(SortBy::Created),
        "updated" => Some(SortBy::Updated),
        _ => None,
    };
    Ok(query.read("sort", "id, created or updated", read)?.unwrap_or_default())
}

/// Whether it is the descending one.
fn order(text: &str) -> Option<bool> {
    match text {
        "asc" => Some(false),
        "desc" => Some(true),
        _ => None,
    }
}

pub(super) fn statuses(query: &Query<'_>) -> Result<Vec<RuntimeStatus>, Problem> {
    let known =
        "a list of Running, Completed, ContinuedAsNew, Failed, Canceled, Terminated, Pending, Suspended";
    Ok(query.list("runtimeStatus", known, |name| name.parse().ok())?)
}

pub(super) fn page_size(query: &Query<'_>) -> Result<usize, Problem> {
    let read = |text: &str| text.parse().ok().filter(|size| (1..=PAGE_SIZE_MAX).contains(size));
    let size = query.read("top", format!("a number from 1 to {PAGE_SIZE_MAX}"), read)?;
    Ok(size.unwrap_or(PAGE_SIZE_DEFAULT))
}

/// Says where the next page begins: behind the last one of this.
pub(super) fn set_continuation(headers: &mut HeaderMap, last: &str) {
    set(headers, CONTINUATION_HEADER, BASE64_URL_SAFE_NO_PAD.encode(last));
}

/// Behind what the page begins.
pub(super) fn continuation<T>(
    headers: &HeaderMap,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let Some(token) = headers.get(CONTINUATION_HEADER).filter(|token| !token.is_empty()) else {
        return Ok(None);
    };
    let decoded = BASE64_URL_SAFE_NO_PAD.decode(token).ok();
    let value = decoded.and_then(|bytes| String::from_utf8(bytes).ok()).and_then(|text| read(&text));
    let detail = "the continuation token is not one of this host; send it as the page before gave it";
    value.map(Some).ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, detail))
}
