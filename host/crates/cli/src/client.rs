//! A small HTTP client for one host.

use crate::{CommandError, Secret};
use http::{HeaderMap, HeaderValue, Method, Uri, header::CONTENT_TYPE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, de::DeserializeOwned};
use std::{io::Read, time::Duration};
use ureq::{Agent, AsSendBody, SendBody};

/// Where the management API is.
const MANAGEMENT: &str = "/runtime/webhooks/durabletask";

/// The header that carries a key.
const KEY_HEADER: &str = "x-functions-key";

/// The header that leads to the next page of a list.
const CONTINUATION: &str = "x-ms-continuation-token";

/// A host that does not take the connection in this time is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest answer that is taken. Unit: bytes.
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// All that RFC 3986 does not call unreserved.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Speaks to one host.
#[derive(Debug)]
pub struct HostClient {
    agent: Agent,
    url: String,
    key: Option<HeaderValue>,
}

/// What is asked of the host.
#[derive(Debug, Clone)]
pub struct Request {
    method: Method,
    target: String,
    has_query: bool,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
}

/// What the host answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: String,
}

/// Why the host has refused (RFC 9457).
#[derive(Debug, Deserialize)]
pub struct Problem {
    /// The status code.
    pub(crate) status: u16,
    /// What that means.
    pub(crate) title: String,
    /// What is wrong here, and what to do.
    pub(crate) detail: Option<String>,
}

impl Request {
    /// A request for a path of the host. Segments that hold names are to be given to [`segment`] first.
    #[must_use]
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, target: path.into(), has_query: false, headers: HeaderMap::new(), body: None }
    }

    /// The same, for a path below that of the management API.
    pub(crate) fn management(method: Method, path: &str) -> Self {
        Self::new(method, [MANAGEMENT, path].concat())
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.target.push(if self.has_query { '&' } else { '?' });
        self.target.extend([name, "=", &segment(value)]);
        self.has_query = true;
        self
    }

    /// Adds one if there is a value.
    #[must_use]
    pub fn optional(self, name: &str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.query(name, value.as_ref()),
            None => self,
        }
    }

    /// Adds one once for each value.
    #[must_use]
    pub fn repeated(self, name: &str, values: &[impl AsRef<str>]) -> Self {
        values.iter().fold(self, |request, value| request.query(name, value.as_ref()))
    }

    /// Adds one that is true, if it is.
    #[must_use]
    pub fn flag(self, name: &str, value: bool) -> Self {
        if value { self.query(name, "true") } else { self }
    }

    /// Sets a header.
    ///
    /// # Errors
    /// The name or the value cannot be one.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, CommandError> {
        let wrong = || CommandError::Usage(format!("'{name}: {value}' cannot be a header"));
        let name = name.parse::<http::HeaderName>().map_err(|_| wrong())?;
        self.headers.insert(name, HeaderValue::from_str(value).map_err(|_| wrong())?);
        Ok(self)
    }

    /// Sets the body, which is JSON unless a header says otherwise.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        self.body = Some(body.into());
        self
    }
}

/// A text as one segment of a path.
#[must_use]
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

impl HostClient {
    /// A client for the host at this URL.
    ///
    /// # Errors
    /// The URL or the key cannot be one.
    pub fn new(url: &str, key: Option<&Secret>) -> Result<Self, CommandError> {
        let wrong = || {
            let why =
                "it must be a scheme and a host, like http://127.0.0.1:7071 or https://functions.example";
            CommandError::Usage(format!("--to '{url}': {why}"))
        };
        let uri = url.parse::<Uri>().map_err(|_| wrong())?;
        let host = uri.host().ok_or_else(wrong)?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.query().is_some() {
            return Err(wrong());
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .user_agent(concat!("durance/", env!("CARGO_PKG_VERSION")));
        // What stands between this machine and others is not for itself.
        let config = if is_loopback(host) { config.proxy(None) } else { config };
        let key = key.map(|key| {
            let mut value = HeaderValue::from_str(key.expose())
                .map_err(|_| CommandError::Usage("the key has characters that no key has".to_owned()))?;
            value.set_sensitive(true);
            Ok::<_, CommandError>(value)
        });
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { agent: config.build().into(), url, key: key.transpose()? })
    }

    /// The host's answer, whatever its status.
    ///
    /// # Errors
    /// There is none.
    pub fn send(&self, mut request: Request) -> Result<Answer, CommandError> {
        match request.body.take() {
            Some(body) => self.run(request, body),
            None => self.run(request, ()),
        }
    }

    /// The host's answer to a request whose body is read while it is sent, if it is one of success.
    ///
    /// # Errors
    /// There is none, or the host has refused.
    pub fn upload(&self, request: Request, body: &mut dyn Read) -> Result<Answer, CommandError> {
        let answer = self.run(request, SendBody::from_reader(body))?;
        self.accepted(answer)
    }

    fn run(&self, request: Request, body: impl AsSendBody) -> Result<Answer, CommandError> {
        let unreachable = |error: ureq::Error| self.unreachable(&error);
        let mut builder =
            http::Request::builder().method(request.method).uri(if request.target.starts_with('/') {
                [&self.url, request.target.as_str()].concat()
            } else {
                request.target
            });
        if let Some(headers) = builder.headers_mut() {
            headers.extend(request.headers);
            if let Some(key) = &self.key {
                headers.insert(KEY_HEADER, key.clone());
            }
        }
        let wrong = |error: http::Error| CommandError::Usage(format!("this cannot be asked for: {error}"));
        let response = self.agent.run(builder.body(body).map_err(wrong)?);
        let (head, body) = response.map_err(unreachable)?.into_parts();
        let body = body.into_with_config().limit(ANSWER_BYTES_MAX).lossy_utf8(true).read_to_string();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: body.map_err(unreachable)? })
    }

    /// The host's answer, if it is one of success.
    ///
    /// # Errors
    /// There is none, or the host has refused.
    pub fn call(&self, request: Request) -> Result<Answer, CommandError> {
        let answer = self.send(request)?;
        self.accepted(answer)
    }

    fn accepted(&self, answer: Answer) -> Result<Answer, CommandError> {
        if answer.status < 300 {
            return Ok(answer);
        }
        match serde_json::from_str::<Problem>(&answer.body) {
            Ok(problem) => Err(CommandError::Refused(Box::new(problem))),
            Err(_) => Err(self.not_a_host(&format!("status {} without a problem document", answer.status))),
        }
    }

    /// What the answer holds.
    ///
    /// # Errors
    /// The answer is not what a host gives.
    pub fn read<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, CommandError> {
        self.parse(&answer.body)
    }

    /// What this part of an answer holds.
    pub(crate) fn parse<'a, T: Deserialize<'a>>(&self, json: &'a str) -> Result<T, CommandError> {
        serde_json::from_str(json).map_err(|error| self.not_a_host(&error.to_string()))
    }

    /// The items of a list, page by page, until there are `limit`.
    pub(crate) fn list<T: DeserializeOwned>(
        &self,
        request: &Request,
        limit: Option<usize>,
    ) -> Result<Vec<T>, CommandError> {
        let limit = limit.unwrap_or(usize::MAX);
        let mut items = Vec::new();
        let mut next = request.clone();
        loop {
            let answer = self.call(next)?;
            items.extend(self.read::<Vec<T>>(&answer)?);
            items.truncate(limit);
            let Some(token) = answer.headers.get(CONTINUATION).filter(|_| items.len() < limit) else {
                return Ok(items);
            };
            next = request.clone();
            next.headers.insert(CONTINUATION, token.clone());
        }
    }

    fn unreachable(&self, error: &ureq::Error) -> CommandError {
        CommandError::Unreachable { url: self.url.clone(), why: error.to_string() }
    }

    fn not_a_host(&self, why: &str) -> CommandError {
        CommandError::NotAHost { url: self.url.clone(), why: why.to_owned() }
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}
