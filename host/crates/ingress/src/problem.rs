//! Every error as status, public text and log text: the only place where that is decided.

use crate::app_versions::AppError;
use crate::{
    access::AccessError,
    body::BodyError,
    keys::KeyChangeError,
    links::{InvalidLink, ManagementPayload},
    query::QueryError,
    response::{self, HttpResponse},
};
use durance_durable::{InvalidInstanceId, InvalidJson, InvalidScheduleId};
use durance_taskhub::{ClientError, Holder};
use durance_wasm::InvokeError;
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

/// How long a caller should wait when the host is busy or stopping. Unit: seconds.
const RETRY_AFTER_SECONDS: u16 = 1;

/// An error on its way to the caller: `application/problem+json` of type `about:blank`.
///
/// Source: RFC 9457.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What callers should not see.
    log: Option<String>,
}

#[derive(Serialize)]
struct ProblemBody<'p> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'p str,
    #[serde(flatten)]
    members: &'p Map<String, Value>,
    #[serde(rename = "requestId")]
    request_id: &'p str,
}

impl Problem {
    /// What is wrong with this request, for people.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let (members, headers) = (Map::new(), Vec::new());
        Self { status, detail: detail.into(), members, headers, log: None }
    }

    /// What it will be answered with.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    fn header(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    fn retry_later(self) -> Self {
        self.header(RETRY_AFTER, RETRY_AFTER_SECONDS)
    }

    fn logged(mut self, text: impl Into<String>) -> Self {
        self.log = Some(text.into());
        self
    }

    /// Nothing is at this path.
    pub(crate) fn no_such_path(path: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("nothing is at '{path}'"))
    }

    /// No function has this name.
    pub(crate) fn no_such_function(name: &str) -> Self {
        let detail = format!("there is no function '{name}'; GET /admin/functions lists those there are");
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// What decodes to no text names nothing.
    pub(crate) fn malformed_path() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "the path is not percent-encoded UTF-8")
    }

    /// The request's target is longer than it may be.
    pub(crate) fn uri_too_long(bytes_max: usize) -> Self {
        let detail =
            format!("the URI is longer than {bytes_max} bytes, which is the most that this host takes");
        Self::new(StatusCode::URI_TOO_LONG, detail)
    }

    /// The path is known, the method is not; `allow` is the header.
    pub(crate) fn wrong_method(path: &str, allow: &str) -> Self {
        let problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("'{path}' answers only {allow}"));
        match HeaderValue::from_str(allow) {
            Ok(allow) => problem.header(ALLOW, allow),
            Err(_) => problem,
        }
    }

    /// The model has it, this host does not.
    pub(crate) fn not_offered(operation: &str) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, format!("this host does not offer {operation}"))
    }

    /// As many requests are being answered as may be.
    pub(crate) fn too_many_requests() -> Self {
        let detail = "the host is answering as many requests as it may; try again later";
        Self::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_later()
    }

    /// The host does not take work, and why.
    pub(crate) fn not_ready(reason: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, reason).retry_later()
    }

    /// A response that was kept for a repetition of its request.
    pub(crate) fn unreadable_response() -> Self {
        let detail = "the first response to this request cannot be read; send the request under a new key";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    /// A bug in the host.
    pub(crate) fn panicked() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the host failed to answer this request; see its log")
            .logged("answering a request has panicked")
    }

    /// A function gave no response. What the guest said is for the log: it may hold what callers should not see.
    pub(crate) fn of_function(function: &str, invocation_id: Uuid, error: InvokeError) -> Self {
        let server_error = StatusCode::INTERNAL_SERVER_ERROR;
        let log = format!("function '{function}', invocation {invocation_id}: {error}");
        let problem = match error {
            InvokeError::NotFound(_) => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            InvokeError::Timeout(_) => Self::new(StatusCode::GATEWAY_TIMEOUT, error.to_string()),
            InvokeError::Busy(_) => Self::new(StatusCode::TOO_MANY_REQUESTS, error.to_string()).retry_later(),
            InvokeError::MemoryLimit(_) | InvokeError::BadOutput(_) => {
                Self::new(server_error, error.to_string())
            }
            InvokeError::Trap { .. } => Self::new(server_error, "the function crashed; see the host's log"),
            InvokeError::Failed(_) => Self::new(server_error, "the function failed; see the host's log"),
            _ => Self::new(server_error, "the host could not run the function; see its log"),
        };
        problem.member("function", function).member("invocationId", invocation_id.to_string()).logged(log)
    }

    /// The instance id is in use; the caller gets the links of who has it.
    pub(crate) fn already_exists(holder: &Holder, links: &ManagementPayload) -> Self {
        let detail = format!("An instance with ID '{}' already exists.", holder.instance);
        let mut problem = Self::new(StatusCode::CONFLICT, detail);
        if let Ok(Value::Object(links)) = serde_json::to_value(links) {
            problem.members = links;
        }
        problem
            .member("runtimeStatus", holder.status.as_str())
            .member("executionId", holder.execution.to_string())
            .member("generation", holder.generation)
    }

    /// The response, after one line in the log: an error for the host's own failures, otherwise for debugging.
    pub(crate) fn into_response(self, method: &str, path: &str, request_id: &str) -> HttpResponse {
        let (status, detail) = (self.status.as_u16(), self.log.as_deref().unwrap_or(&self.detail));
        let is_expected =
            matches!(self.status, StatusCode::NOT_IMPLEMENTED | StatusCode::SERVICE_UNAVAILABLE);
        if self.status.is_server_error() && !is_expected {
            tracing::error!(status, method, path, request_id, "{detail}");
        } else {
            tracing::debug!(status, method, path, request_id, "{detail}");
        }
        let body = ProblemBody {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Unknown"),
            status,
            detail: &self.detail,
            members: &self.members,
            request_id,
        };
        let body = serde_json::to_vec(&body).expect("our own values can be written as JSON");
        let mut response = response::with_body(self.status, Some("application/problem+json"), body.into());
        response.headers_mut().extend(self.headers);
        response
    }
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        let detail = error.to_string();
        match error {
            AccessError::NoHost => Self::new(StatusCode::BAD_REQUEST, detail),
            AccessError::ForeignHost(_) | AccessError::ForeignOrigin(_) => {
                Self::new(StatusCode::FORBIDDEN, detail)
            }
            AccessError::KeyNeeded(_) => unauthorized(detail),
        }
    }
}

impl From<InvalidLink> for Problem {
    fn from(error: InvalidLink) -> Self {
        unauthorized(error.to_string())
    }
}

fn unauthorized(detail: String) -> Problem {
    let challenge = HeaderValue::from_static("FunctionsKey");
    Problem::new(StatusCode::UNAUTHORIZED, detail).header(WWW_AUTHENTICATE, challenge)
}

impl From<KeyChangeError> for Problem {
    fn from(error: KeyChangeError) -> Self {
        let detail = error.to_string();
        match error {
            KeyChangeError::NotFound(_) => Self::new(StatusCode::NOT_FOUND, detail),
            KeyChangeError::Exists(_) | KeyChangeError::Reserved(_) => {
                Self::new(StatusCode::CONFLICT, detail)
            }
            KeyChangeError::Name(_) => Self::new(StatusCode::BAD_REQUEST, detail),
            KeyChangeError::Keys(_) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the keys could not be written and are as they were; see the host's log",
            )
            .logged(detail),
        }
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error.to_string())
    }
}

impl From<InvalidInstanceId> for Problem {
    fn from(error: InvalidInstanceId) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error.to_string())
    }
}

impl From<InvalidScheduleId> for Problem {
    fn from(error: InvalidScheduleId) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error.to_string())
    }
}

impl From<InvalidJson> for Problem {
    fn from(error: InvalidJson) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("the body is {error}"))
    }
}

impl From<AppError> for Problem {
    fn from(error: AppError) -> Self {
        let status = match &error {
            AppError::Malformed(_) => StatusCode::BAD_REQUEST,
            AppError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            AppError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            AppError::Conflict(_) | AppError::Incompatible(_) => StatusCode::CONFLICT,
            AppError::NotFound(_) => StatusCode::NOT_FOUND,
            AppError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let problem = Self::new(status, error.to_string());
        match error {
            AppError::Incompatible(report) => match serde_json::to_value(report) {
                Ok(report) => problem.member("gate", report),
                Err(_) => problem,
            },
            AppError::Failed(why) => problem.logged(why),
            _ => problem,
        }
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let status = match error {
            BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::TooSlow => StatusCode::REQUEST_TIMEOUT,
            BodyError::Broken(_) | BodyError::NotText => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}

impl From<ClientError> for Problem {
    fn from(error: ClientError) -> Self {
        let detail = error.to_string();
        match error {
            ClientError::InvalidArgument(_)
            | ClientError::UnknownOrchestrator { .. }
            | ClientError::UnknownEntity { .. } => Self::new(StatusCode::BAD_REQUEST, detail),
            ClientError::NotFound(_) | ClientError::ScheduleNotFound(_) => {
                Self::new(StatusCode::NOT_FOUND, detail)
            }
            ClientError::ScheduleExists(_) | ClientError::ScheduleOfFunction(_) => {
                Self::new(StatusCode::CONFLICT, detail)
            }
            ClientError::TooLarge { .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, detail),
            ClientError::Finished { .. } => Self::new(StatusCode::GONE, detail),
            ClientError::NotFinished { .. } | ClientError::NotFailed { .. } | ClientError::HeldLocks(_) => {
                Self::new(StatusCode::PRECONDITION_FAILED, detail)
            }
            ClientError::IdempotencyMismatch => Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail),
            ClientError::Busy | ClientError::QueueFull(_) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_later()
            }
            ClientError::Stopping => Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_later(),
            _ => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the store cannot be read or written; see the host's log",
            )
            .logged(detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{body_json, header};
    use durance_durable::InstanceId;
    use serde_json::json;

    #[test]
    fn problem_is_written_as_the_standard_says() {
        let response = Problem::wrong_method("/x", "GET, HEAD").into_response("POST", "/x", "id-1");
        assert_eq!(response.status(), 405);
        assert_eq!(header(&response, "content-type"), "application/problem+json");
        assert_eq!(header(&response, "allow"), "GET, HEAD");
        let expected = json!({
            "type": "about:blank", "title": "Method Not Allowed", "status": 405, "detail": "'/x' answers only GET, HEAD",
            "requestId": "id-1",
        });
        assert_eq!(body_json(response), expected);
    }

    #[test]
    fn client_errors_have_the_statuses_of_the_model() {
        let instance = || InstanceId::new("a").unwrap();
        let schedule = || durance_durable::ScheduleId::new("s").unwrap();
        let status = durance_durable::RuntimeStatus::Running;
        let table = [
            (ClientError::InvalidArgument(String::new()), 400, ""),
            (ClientError::UnknownOrchestrator { name: String::new(), known: vec![] }, 400, ""),
            (ClientError::UnknownEntity { name: String::new(), known: vec![] }, 400, ""),
            (ClientError::TooLarge { what: "it", bytes: 2, bytes_max: 1 }, 413, ""),
            (ClientError::NotFound(instance()), 404, ""),
            (ClientError::ScheduleNotFound(schedule()), 404, ""),
            (ClientError::ScheduleExists(schedule()), 409, ""),
            (ClientError::ScheduleOfFunction(schedule()), 409, ""),
            (ClientError::Finished { instance: instance(), status }, 410, ""),
            (ClientError::NotFinished { instance: instance(), status }, 412, ""),
            (ClientError::NotFailed { instance: instance(), status }, 412, ""),
            (ClientError::HeldLocks(instance()), 412, ""),
            (ClientError::QueueFull(instance()), 429, "1"),
            (ClientError::IdempotencyMismatch, 422, ""),
            (ClientError::Busy, 429, "1"),
            (ClientError::Stopping, 503, "1"),
            (ClientError::Unreadable(String::new()), 500, ""),
            (ClientError::Store(durance_taskhub::StoreError::Poisoned), 500, ""),
        ];
        for (error, expected, retry_after) in table {
            let text = error.to_string();
            let response = Problem::from(error).into_response("POST", "/", "");
            assert_eq!(response.status(), expected, "{text}");
            assert_eq!(header(&response, "retry-after"), retry_after, "{text}");
        }
    }

    #[test]
    fn failed_functions_answer_what_callers_may_see() {
        let failure = durance_durable::TaskFailureDetails::new("Secret", "password");
        let table = [
            (InvokeError::NotFound("F".to_owned()), 404, "no HTTP function 'F'"),
            (InvokeError::Trap { message: "secret".to_owned() }, 500, "crashed"),
            (InvokeError::Timeout(std::time::Duration::from_secs(230)), 504, "within 230 s"),
            (InvokeError::MemoryLimit(7), 500, "limit of 7 bytes"),
            (InvokeError::BadOutput("status 99".to_owned()), 500, "status 99"),
            (InvokeError::Failed(failure), 500, "the function failed; see the host's log"),
            (InvokeError::Busy("5 are running".to_owned()), 429, "5 are running"),
            (InvokeError::Host("secret".to_owned()), 500, "could not run"),
        ];
        for (error, status, text) in table {
            let shown = error.to_string();
            let response = Problem::of_function("F", Uuid::nil(), error).into_response("GET", "/", "");
            assert_eq!(response.status(), status, "{shown}");
            let body = body_json(response);
            let detail = body["detail"].as_str().unwrap();
            assert!(detail.contains(text) && !detail.contains("secret"), "{detail}");
            assert_eq!(
                (&body["function"], &body["invocationId"]),
                (&"F".into(), &Uuid::nil().to_string().into())
            );
        }
    }

    #[test]
    fn inside_of_a_failure_stays_in_the_log() {
        let problem = Problem::from(ClientError::Store(durance_taskhub::StoreError::Poisoned));
        let body = body_json(problem.into_response("GET", "/", ""));
        assert_eq!(body["detail"], "the store cannot be read or written; see the host's log");
    }
}
