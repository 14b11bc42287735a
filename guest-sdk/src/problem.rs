//! Errors of HTTP functions as `application/problem+json`.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::client::ClientError;
use crate::response::Response;

/// An error answer of an HTTP function: `application/problem+json`.
///
/// It is an error, so that `?` ends the function with it, and a [`Response`] can be made of it.
///
/// Source: RFC 9457.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    status: u16,
    detail: Option<String>,
    members: Map<String, Value>,
}

impl Problem {
    /// A problem of type `about:blank`, whose title is the status's own phrase.
    pub fn new(status: u16) -> Self {
        Self { status, detail: None, members: Map::new() }
    }

    /// What is wrong with this request, for people.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds a member; `type` and `title` replace the usual ones, `status` and `detail` stay what they are.
    #[must_use]
    pub fn member(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.members.insert(name.into(), value.into());
        self
    }

    /// Adds the members of a JSON object.
    #[must_use]
    pub fn members(mut self, members: Map<String, Value>) -> Self {
        self.members.extend(members);
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    fn title(&self) -> &'static str {
        let status = http::StatusCode::from_u16(self.status).ok();
        status.and_then(|status| status.canonical_reason()).unwrap_or("Unknown")
    }
}

impl Serialize for Problem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = self.members.clone();
        members.entry("type").or_insert("about:blank".into());
        members.entry("title").or_insert(self.title().into());
        members.insert("status".into(), self.status.into());
        if let Some(detail) = &self.detail {
            members.insert("detail".into(), detail.as_str().into());
        }
        members.serialize(serializer)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.detail.as_deref().unwrap_or(self.title()))
    }
}

impl std::error::Error for Problem {}

impl From<&ClientError> for Problem {
    fn from(error: &ClientError) -> Self {
        let status = match error {
            ClientError::InvalidArgument(_) => 400,
            ClientError::UnknownOrchestrator(_)
            | ClientError::UnknownEntity(_)
            | ClientError::NotFound(_) => 404,
            ClientError::WrongStatus(_) => 409,
            ClientError::IdempotencyMismatch(_) => 422,
            ClientError::Unavailable(_) => 503,
        };
        Self::new(status).detail(error.to_string())
    }
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        let body = serde_json::to_vec(&problem).expect("a JSON object of JSON values can be written");
        Self::new(problem.status).header("content-type", "application/problem+json").body(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn problem_carries_the_standard_members_and_its_own() {
        let problem = Problem::new(409).detail("taken").member("id", "a");
        let expected = json!({
            "type": "about:blank", "title": "Conflict", "status": 409, "detail": "taken", "id": "a",
        });
        assert_eq!(serde_json::to_value(&problem).expect("an object"), expected);
    }

    #[test]
    fn client_error_answers_with_its_own_status() {
        let error = crate::Error::from(ClientError::UnknownOrchestrator("no 'X'; there is 'Y'".into()));
        let problem = error.into_problem().expect("a problem");
        assert_eq!(problem.status(), 404);
        assert_eq!(problem.to_string(), "no 'X'; there is 'Y'");
    }
}
