//! An HTTP client that keeps connections and can have many requests under way.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use std::fmt;

/// Sends requests to one host. Clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    url: String,
    http: legacy::Client<HttpConnector, Full<Bytes>>,
    headers: HeaderMap,
}

/// No answer: the host is gone, or ended the connection.
#[derive(Debug)]
pub struct NoAnswer(String);

impl fmt::Display for NoAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Client {
    /// A client whose paths are under this scheme and authority.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let http = legacy::Client::builder(TokioExecutor::new()).build_http();
        Self { url: url.to_owned(), http, headers: HeaderMap::new() }
    }

    /// The same client that also sends this header, in place of one of the same name.
    ///
    /// # Panics
    /// The value cannot be one.
    #[must_use]
    pub fn with_header(&self, name: &'static str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.insert(name, value.parse().expect("a header value"));
        client
    }

    /// GET of a path, or of a whole URL as links have it.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, "").await
    }

    /// POST of a body to a path or URL.
    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Reply {
        self.send(Method::POST, path, body).await
    }

    /// DELETE of a path or URL.
    pub async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, "").await
    }

    /// Any request.
    ///
    /// # Panics
    /// There is no answer.
    pub async fn send(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Reply {
        let what = format!("{method} {path}");
        self.try_send(method, path, body).await.unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// Any request, to a host that may be gone.
    ///
    /// # Errors
    /// There is no answer.
    ///
    /// # Panics
    /// The path is none.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Result<Reply, NoAnswer> {
        let url = if path.starts_with('/') { format!("{}{path}", self.url) } else { path.to_owned() };
        let what = format!("{method} {path}");
        let mut request = Request::new(Full::new(body.into()));
        *request.method_mut() = method;
        *request.uri_mut() = url.parse::<Uri>().unwrap_or_else(|error| panic!("{url}: {error}"));
        *request.headers_mut() = self.headers.clone();

        let no_answer = |error: &dyn fmt::Debug| NoAnswer(format!("{error:?}"));
        let response = self.http.request(request).await.map_err(|error| no_answer(&error))?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| no_answer(&error))?.to_bytes();
        Ok(Reply { what, status: head.status.as_u16(), headers: head.headers, body })
    }
}

/// What the host answered.
#[derive(Debug, Clone)]
pub struct Reply {
    what: String,
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Reply {
    /// Checks the status.
    ///
    /// # Panics
    /// It is another one; the message has the body.
    #[must_use]
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.what, self.text());
        self
    }

    /// Checks that this is a problem of this status (RFC 9457), and gives its detail.
    ///
    /// # Panics
    /// It is not.
    #[must_use]
    #[track_caller]
    pub fn expect_problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}: {}", self.what, self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.what);
        let problem = self.json();
        assert_eq!(problem["status"], status, "{}: {problem}", self.what);
        assert!(problem["title"].is_string(), "{}: {problem}", self.what);
        problem["detail"].as_str().unwrap_or_else(|| panic!("{}: {problem}", self.what)).to_owned()
    }

    /// The first header of this name, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// It is not JSON.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{} answered {}: {error}: {}", self.what, self.status, self.text())
        })
    }
}
