//! Reading, signalling and listing entities.

use super::{ManagementApi, read, status};
use crate::{
    body::{BodyError, parse_json},
    problem::Problem,
    query::Query,
    response::{self, HttpResponse},
};
use bytes::Bytes;
use durance_durable::{EntityId, EntitySignal, Json, Timestamp};
use durance_taskhub::EntityQuery;
use http::{HeaderMap, Method, StatusCode, header::CONTENT_TYPE};
use serde::Serialize;
use std::borrow::Cow;

/// How a path names the empty key.
const EMPTY_KEY: &str = "$";

/// What `DELETE` sends: every entity has this operation.
const DELETE: &str = "delete";

/// An operation on entities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EntityOperation {
    /// Those of one name, or all.
    List(Option<String>),
    Read(EntityId),
    Signal(EntityId),
    Delete(EntityId),
}

impl EntityOperation {
    /// The operation; `segments` come after `entities` in the path.
    pub(super) fn of(method: &Method, path: &str, segments: &[Cow<'_, str>]) -> Result<Self, Problem> {
        let (name, key) = match segments {
            [] => (None, None),
            [name] => (Some(name), None),
            [name, key] => (Some(name), Some(key)),
            _ => return Err(Problem::no_such_path(path)),
        };
        let (Some(name), Some(key)) = (name, key) else {
            return match *method {
                Method::GET | Method::HEAD => Ok(Self::List(name.map(ToString::to_string))),
                _ => Err(Problem::wrong_method(path, "GET, HEAD")),
            };
        };
        let key = if key == EMPTY_KEY { "" } else { key };
        let entity = EntityId::new(name, key)
            .map_err(|invalid| Problem::new(StatusCode::BAD_REQUEST, invalid.to_string()))?;
        match *method {
            Method::GET | Method::HEAD => Ok(Self::Read(entity)),
            Method::POST => Ok(Self::Signal(entity)),
            Method::DELETE => Ok(Self::Delete(entity)),
            _ => Err(Problem::wrong_method(path, "GET, HEAD, POST, DELETE")),
        }
    }

    /// The query parameters that it takes.
    pub(super) fn parameters(&self) -> &'static [&'static str] {
        match self {
            Self::List(_) => &["lastOperationTimeFrom", "lastOperationTimeTo", "fetchState", "top"],
            Self::Signal(_) => &["op", "signalTime"],
            Self::Read(_) | Self::Delete(_) => &[],
        }
    }
}

/// An entity in a list.
///
/// Shape: that of the model.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EntityJson<'e> {
    entity_id: IdJson<'e>,
    #[serde(serialize_with = "status::precisely")]
    last_operation_time: Timestamp,
    #[serde(serialize_with = "status::embedded")]
    state: Option<&'e Json>,
}

#[derive(Debug, Serialize)]
struct IdJson<'e> {
    name: &'e str,
    key: &'e str,
}

impl ManagementApi {
    pub(super) async fn entities(
        &self,
        headers: &HeaderMap,
        query: &Query<'_>,
        operation: EntityOperation,
        body: Bytes,
    ) -> Result<HttpResponse, Problem> {
        match operation {
            EntityOperation::List(name) => self.list_entities(headers, query, name).await,
            EntityOperation::Read(entity) => self.read_entity(&entity),
            EntityOperation::Signal(entity) => {
                let operation = query.text("op").unwrap_or_default().into();
                let due = query.time("signalTime")?;
                let signal = EntitySignal { entity, operation, input: signal_input(headers, &body)?, due };
                self.signal(headers, signal).await
            }
            EntityOperation::Delete(entity) => {
                let (operation, input, due) = (DELETE.into(), Json::null(), None);
                self.signal(headers, EntitySignal { entity, operation, input, due }).await
            }
        }
    }

    async fn signal(&self, headers: &HeaderMap, signal: EntitySignal) -> Result<HttpResponse, Problem> {
        self.client_for(headers)?.signal_entity(signal).await?;
        Ok(response::empty(StatusCode::ACCEPTED))
    }

    fn read_entity(&self, entity: &EntityId) -> Result<HttpResponse, Problem> {
        let state = self.client.read_entity(entity)?.and_then(|record| record.state);
        let missing = || Problem::new(StatusCode::NOT_FOUND, format!("there is no entity {entity}"));
        let state = state.ok_or_else(missing)?;
        Ok(response::json_text(StatusCode::OK, state.as_str().to_owned()))
    }

    async fn list_entities(
        &self,
        headers: &HeaderMap,
        query: &Query<'_>,
        name: Option<String>,
    ) -> Result<HttpResponse, Problem> {
        let fetch_state = query.flag("fetchState", false)?;
        let list = EntityQuery {
            name,
            last_operation_from: query.time("lastOperationTimeFrom")?,
            last_operation_to: query.time("lastOperationTimeTo")?,
            after: read::continuation(headers, |id| id.parse().ok())?,
            page_size: read::page_size(query)?,
        };
        let page = self.client.list_entities(list).await?;
        let rows: Vec<_> = page
            .entities
            .iter()
            .map(|(id, record)| EntityJson {
                entity_id: IdJson { name: id.name(), key: id.key() },
                last_operation_time: record.last_operation,
                state: record.state.as_ref().filter(|_| fetch_state),
            })
            .collect();
        let mut response = response::json(StatusCode::OK, &rows);
        if let Some(next) = &page.after {
            read::set_continuation(response.headers_mut(), next.as_str());
        }
        Ok(response)
    }
}

/// The input of a signal: JSON where the content type says so, text where it says that; otherwise JSON if it is some,
/// and text if it is not. An empty body is `null`.
fn signal_input(headers: &HeaderMap, body: &Bytes) -> Result<Json, Problem> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let text = || std::str::from_utf8(body).map_err(|_| BodyError::NotText);
    if body.is_empty() || media_type == "application/json" || media_type.ends_with("+json") {
        return parse_json(body);
    }
    if media_type.starts_with("text/") {
        return Ok(Json::of(text()?));
    }
    match parse_json(body) {
        Ok(json) => Ok(json),
        Err(_) => Ok(Json::of(text()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_of_a_signal_is_json_or_text() {
        let table: [(&str, &str, Option<&str>); 9] = [
            ("application/json", "5", Some("5")),
            ("application/json; charset=utf-8", "", Some("null")),
            ("application/json", "five", None),
            ("application/problem+json", "{", None),
            ("text/plain", "5", Some("\"5\"")),
            ("Text/Plain", "five", Some("\"five\"")),
            ("application/x-www-form-urlencoded", "5", Some("5")),
            ("", "five \"5\"", Some(r#""five \"5\"""#)),
            ("", "", Some("null")),
        ];
        for (content_type, body, expected) in table {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]);
            let input = signal_input(&headers, &Bytes::copy_from_slice(body.as_bytes()));
            let input = input.map(|json| json.to_string()).map_err(|problem| problem.status().as_u16());
            assert_eq!(input, expected.map(str::to_owned).ok_or(400), "{content_type} {body}");
        }
    }
}
