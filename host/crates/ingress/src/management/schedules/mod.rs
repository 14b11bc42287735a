//! Schedules over HTTP: made, changed, shown, paused, resumed, triggered, deleted.

mod json;

use super::{ManagementApi, operation::only_post, read, set};
use crate::{
    body::RequestBody,
    links::MANAGEMENT_PATH,
    problem::Problem,
    query::Query,
    request::Admitted,
    response::{self, HttpResponse},
};
use durance_durable::{RunOutcome, ScheduleId};
use durance_taskhub::OrchestrationClient;
use http::{HeaderMap, Method, StatusCode, header::LOCATION};
use json::{RunJson, ScheduleJson};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::borrow::Cow;

/// An operation on schedules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ScheduleOperation {
    List,
    Get(ScheduleId),
    Create(ScheduleId),
    Put(ScheduleId),
    Delete(ScheduleId),
    Pause(ScheduleId),
    Resume(ScheduleId),
    Trigger(ScheduleId),
}

impl ScheduleOperation {
    /// The operation; `segments` are those behind `schedules`.
    pub(crate) fn of(method: &Method, path: &str, segments: &[Cow<'_, str>]) -> Result<Self, Problem> {
        let [id, action @ ..] = segments else {
            return match *method {
                Method::GET | Method::HEAD => Ok(Self::List),
                _ => Err(Problem::wrong_method(path, "GET, HEAD")),
            };
        };
        let on = |operation: fn(ScheduleId) -> Self| Ok(operation(ScheduleId::new(id)?));
        let operation = match action {
            [] => {
                return match *method {
                    Method::GET | Method::HEAD => on(Self::Get),
                    Method::POST => on(Self::Create),
                    Method::PUT => on(Self::Put),
                    Method::DELETE => on(Self::Delete),
                    _ => Err(Problem::wrong_method(path, "GET, HEAD, POST, PUT, DELETE")),
                };
            }
            [action] if action.eq_ignore_ascii_case("pause") => on(Self::Pause),
            [action] if action.eq_ignore_ascii_case("resume") => on(Self::Resume),
            [action] if action.eq_ignore_ascii_case("trigger") => on(Self::Trigger),
            _ => return Err(Problem::no_such_path(path)),
        };
        only_post(method, path).and(operation)
    }

    /// The query parameters that it takes.
    pub(crate) fn parameters(&self) -> &'static [&'static str] {
        match self {
            Self::List => &["top"],
            Self::Pause(_) => &["reason"],
            _ => &[],
        }
    }
}

impl ManagementApi {
    pub(super) async fn schedules(
        &self,
        request: Admitted<'_>,
        query: &Query<'_>,
        operation: ScheduleOperation,
        body: impl RequestBody,
    ) -> Result<HttpResponse, Problem> {
        let client = self.client_for(&request.parts.headers)?;
        match operation {
            ScheduleOperation::List => self.list_schedules(&request.parts.headers, query),
            ScheduleOperation::Get(id) => {
                let record = self.client.get_schedule(&id)?;
                Ok(response::json(StatusCode::OK, &ScheduleJson::new(&id, &record)))
            }
            ScheduleOperation::Create(id) => {
                let definition = json::parse(&self.body_limits.read(body).await?)?;
                let record = client.create_schedule(&id, definition).await?;
                Ok(created(request, &id, &ScheduleJson::new(&id, &record)))
            }
            ScheduleOperation::Put(id) => {
                let definition = json::parse(&self.body_limits.read(body).await?)?;
                let (record, is_new) = client.put_schedule(&id, definition).await?;
                let shown = ScheduleJson::new(&id, &record);
                Ok(if is_new {
                    created(request, &id, &shown)
                } else {
                    response::json(StatusCode::OK, &shown)
                })
            }
            ScheduleOperation::Delete(id) => {
                client.delete_schedule(&id).await?;
                Ok(response::empty(StatusCode::NO_CONTENT))
            }
            ScheduleOperation::Pause(id) => {
                let reason = query.text("reason").unwrap_or_default();
                let record = client.pause_schedule(&id, reason).await?;
                Ok(response::json(StatusCode::OK, &ScheduleJson::new(&id, &record)))
            }
            ScheduleOperation::Resume(id) => {
                let record = client.resume_schedule(&id).await?;
                Ok(response::json(StatusCode::OK, &ScheduleJson::new(&id, &record)))
            }
            ScheduleOperation::Trigger(id) => trigger(&client, &id).await,
        }
    }

    fn list_schedules(&self, headers: &HeaderMap, query: &Query<'_>) -> Result<HttpResponse, Problem> {
        let size = read::page_size(query)?;
        let after = read::continuation(headers, |id| ScheduleId::new(id).ok())?;
        // One more than the page says whether there are more.
        let mut page = self.client.list_schedules(after.as_ref(), size + 1);
        let has_more = page.len() > size;
        page.truncate(size);
        let shown: Vec<_> = page.iter().map(|(id, record)| ScheduleJson::new(id, record)).collect();
        let mut response = response::json(StatusCode::OK, &shown);
        if let Some((last, _)) = page.last().filter(|_| has_more) {
            read::set_continuation(response.headers_mut(), last.as_str());
        }
        Ok(response)
    }
}

/// 202 with what was started; 409 if nothing was.
async fn trigger(client: &OrchestrationClient, id: &ScheduleId) -> Result<HttpResponse, Problem> {
    let run = client.trigger_schedule(id).await?;
    let conflict = |detail: String| Problem::new(StatusCode::CONFLICT, detail);
    match &run.outcome {
        RunOutcome::Skipped => Err(conflict(format!(
            "the run before of schedule '{id}' is not over, and its overlap policy is to skip"
        ))),
        RunOutcome::Failed(why) => Err(conflict(format!("schedule '{id}' cannot run: {why}"))),
        _ => Ok(response::json(StatusCode::ACCEPTED, &RunJson::from(&run))),
    }
}

fn created(request: Admitted<'_>, id: &ScheduleId, shown: &ScheduleJson<'_>) -> HttpResponse {
    let mut response = response::json(StatusCode::CREATED, shown);
    let segment = utf8_percent_encode(id.as_str(), NON_ALPHANUMERIC);
    let location = format!("{}{MANAGEMENT_PATH}/schedules/{segment}", request.origin());
    set(response.headers_mut(), LOCATION, location);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_methods_name_operations() {
        let id = || ScheduleId::new("a b").unwrap();
        let table = [
            ("GET", vec![], Ok(ScheduleOperation::List)),
            ("POST", vec![], Err(405)),
            ("GET", vec!["a b"], Ok(ScheduleOperation::Get(id()))),
            ("POST", vec!["a b"], Ok(ScheduleOperation::Create(id()))),
            ("PUT", vec!["a b"], Ok(ScheduleOperation::Put(id()))),
            ("DELETE", vec!["a b"], Ok(ScheduleOperation::Delete(id()))),
            ("PATCH", vec!["a b"], Err(405)),
            ("GET", vec!["a#b"], Err(400)),
            ("POST", vec!["a b", "Pause"], Ok(ScheduleOperation::Pause(id()))),
            ("POST", vec!["a b", "resume"], Ok(ScheduleOperation::Resume(id()))),
            ("POST", vec!["a b", "trigger"], Ok(ScheduleOperation::Trigger(id()))),
            ("GET", vec!["a b", "trigger"], Err(405)),
            ("POST", vec!["a b", "dance"], Err(404)),
            ("POST", vec!["a b", "pause", "x"], Err(404)),
        ];
        for (method, segments, expected) in table {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let texts: Vec<_> = segments.iter().map(|text| Cow::Borrowed(*text)).collect();
            let found = ScheduleOperation::of(&method, "/schedules", &texts);
            let found = found.map_err(|problem| problem.status().as_u16());
            assert_eq!(found, expected, "{method} {segments:?}");
        }
    }
}
