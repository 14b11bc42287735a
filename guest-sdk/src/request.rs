//! The request that an HTTP function answers, or that goes out to another server.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::HttpRequest;
use crate::bindings::durance::functions::invocation;
use crate::error::Result;
use crate::problem::Problem;

/// An HTTP request with its whole body.
///
/// An HTTP function gets one. For an outbound request make one with [`Request::new`] and give it to
/// [`http::send`](crate::http::send), or in an orchestrator to
/// [`OrchestrationContext::call_http`](crate::OrchestrationContext::call_http).
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    route_parameters: OnceCell<Vec<(String, Option<String>)>>,
}

impl Request {
    /// A request to send: a method in upper case and an absolute URI.
    pub fn new(method: impl Into<String>, uri: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            uri: uri.into(),
            headers: Vec::new(),
            body: Vec::new(),
            route_parameters: OnceCell::new(),
        }
    }

    /// A GET request to send to an absolute URI.
    pub fn get(uri: impl Into<String>) -> Self {
        Self::new("GET", uri)
    }

    /// Adds a header to a request to send; one of the same name stays.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// Gives a request to send this body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Gives a request to send a JSON body and its content type.
    ///
    /// # Errors
    /// When the value cannot be written as JSON: a map whose keys are not strings, for example.
    pub fn with_json(self, value: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_vec(value)?;
        Ok(self.with_header("content-type", "application/json").with_body(body))
    }

    /// The method as sent, upper case by custom.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The absolute URI that the client asked for.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The URI's path, percent-encoded as sent, beginning with `/`.
    pub fn path(&self) -> &str {
        let (before_query, _) = split_at_first(&self.uri, '?');
        let after_scheme = before_query.split_once("://").map_or(before_query, |(_, rest)| rest);
        after_scheme.find('/').map_or("/", |slash| &after_scheme[slash..])
    }

    /// The first value of a query parameter, decoded; names are compared exactly.
    pub fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        let (_, query) = split_at_first(&self.uri, '?');
        form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The first header of this name, in any letter case, if its value is UTF-8 text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header.eq_ignore_ascii_case(name))
            .and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// The headers, names in lower case, in the order received.
    pub fn headers(&self) -> &[(String, Vec<u8>)] {
        &self.headers
    }

    /// The value of a parameter of the route template, decoded; none where an optional one is absent.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params().iter().find(|(parameter, _)| parameter == name).and_then(|(_, value)| value.as_deref())
    }

    /// Every parameter of the route template, in its order, with its decoded value.
    pub fn params(&self) -> &[(String, Option<String>)] {
        self.route_parameters.get_or_init(invocation::route_parameters)
    }

    /// The body's bytes.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Reads the body as JSON; an empty one as `null`.
    ///
    /// # Errors
    /// A problem of status 400 with line and column when the body is not JSON or does not fit the type: `?` answers so.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let body = if self.body.is_empty() { b"null" } else { self.body.as_slice() };
        serde_json::from_slice(body).map_err(|error| {
            Problem::new(400).detail(format!("The request's body is not the JSON expected: {error}."))
        })
    }
}

impl From<HttpRequest> for Request {
    fn from(request: HttpRequest) -> Self {
        Self {
            method: request.method,
            uri: request.uri,
            headers: request.headers,
            body: request.body,
            route_parameters: OnceCell::new(),
        }
    }
}

impl From<Request> for HttpRequest {
    fn from(request: Request) -> Self {
        Self { method: request.method, uri: request.uri, headers: request.headers, body: request.body }
    }
}

/// The text after the separator is empty where there is none.
fn split_at_first(text: &str, separator: char) -> (&str, &str) {
    text.split_once(separator).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RawJson;

    #[test]
    fn path_is_what_stands_between_authority_and_query() {
        let path = |uri: &str| Request::new("GET", uri).path().to_owned();
        assert_eq!(path("http://localhost:7071/api/hello/a%20b?x=/y"), "/api/hello/a%20b");
        assert_eq!(path("https://example.com?x=1"), "/");
    }

    #[test]
    fn query_values_are_decoded_and_the_first_wins() {
        let request = Request::new("GET", "http://h/p?a=1&name=J%C3%BCrgen+K&a=2&empty");
        assert_eq!(request.query("a").as_deref(), Some("1"));
        assert_eq!(request.query("name").as_deref(), Some("Jürgen K"));
        assert_eq!(request.query("empty").as_deref(), Some(""));
        assert_eq!(request.query("A"), None);
    }

    #[test]
    fn malformed_body_is_a_problem_that_says_where() {
        let request = Request::new("POST", "http://h/").with_body("{\n  \"a\": }");
        let problem = request.json::<RawJson>().expect_err("malformed");
        assert_eq!(problem.status(), 400);
        assert!(problem.to_string().contains("line 2 column 8"), "{problem}");
    }

    #[test]
    fn empty_body_reads_as_null_and_raw_json_keeps_its_text() {
        let read = |body: &str| {
            let request = Request::new("POST", "http://h/").with_body(body);
            request.json::<RawJson>().map(|json| json.get().to_owned())
        };
        assert_eq!(read("").as_deref(), Ok("null"));
        assert_eq!(read(" {\"b\": 1.50, \"a\":2} ").as_deref(), Ok("{\"b\": 1.50, \"a\":2}"));
    }
}
