//! Requests and responses of durable HTTP, as they stand in histories.

use base64::{DecodeError, Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use url::Url;

/// Headers that say who the caller is: they go to the origin that the caller named, and to no other.
const CREDENTIALS: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "x-functions-key"];

/// A request. The input of [`crate::HTTP_ACTIVITY`].
///
/// Shape in JSON: `{"method","uri","headers","content","asynchronousPatternEnabled"}`. The headers are kept in the history,
/// credentials too.
///
/// Source: `DurableHttpRequest` of Durable Functions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRequest {
    /// `GET`.
    pub method: String,
    /// Absolute, `http` or `https`.
    pub uri: String,
    /// As given.
    #[serde(default)]
    pub headers: HttpHeaders,
    /// None: no body.
    #[serde(flatten)]
    pub content: Option<HttpContent>,
    /// Whether an answer of 202 with `Location` is polled there until there is another answer.
    pub asynchronous_pattern_enabled: bool,
    /// Statuses that fail the request, so that it is tried again. None: none does. An empty list: 400 and above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_codes_to_retry: Option<Vec<u16>>,
}

/// What was answered. The output of [`crate::HTTP_ACTIVITY`].
///
/// Shape in JSON: `{"statusCode","headers","content"}`.
///
/// Source: `DurableHttpResponse` of Durable Functions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpResponse {
    /// Whatever it is.
    pub status_code: u16,
    /// `location` is absolute.
    #[serde(default)]
    pub headers: HttpHeaders,
    /// None: no body.
    #[serde(flatten)]
    pub content: Option<HttpContent>,
}

/// A body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HttpContent {
    /// Member `content`: text.
    #[serde(rename = "content")]
    Text(String),
    /// Member `contentBase64`: what is not text in UTF-8, in base64.
    #[serde(rename = "contentBase64")]
    Binary(String),
}

/// Headers by name, in lower case. In JSON an object whose values are texts, or lists of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HttpHeaders(BTreeMap<String, Values>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Many(Vec<String>),
}

impl HttpRequest {
    /// Whether this status fails the request.
    #[must_use]
    pub fn is_failure(&self, status: u16) -> bool {
        match self.status_codes_to_retry.as_deref() {
            None => false,
            Some([]) => status >= 400,
            Some(codes) => codes.contains(&status),
        }
    }

    /// The same request to another place: without the credentials if that has another origin.
    #[must_use]
    pub fn redirected(&self, uri: &str) -> Self {
        let mut request = Self { uri: uri.to_owned(), ..self.clone() };
        if origin(uri).is_none_or(|there| Some(there) != origin(&self.uri)) {
            request.headers.0.retain(|name, _| !CREDENTIALS.contains(&name.to_ascii_lowercase().as_str()));
        }
        request
    }

    /// The request that asks how far this one is.
    #[must_use]
    pub fn poll(&self, location: &str) -> Self {
        self.redirected(location).without_content()
    }

    /// As a GET.
    #[must_use]
    pub fn without_content(mut self) -> Self {
        "GET".clone_into(&mut self.method);
        self.content = None;
        self.headers.0.retain(|name, _| !name.to_ascii_lowercase().starts_with("content-"));
        self
    }
}

/// None if it is no absolute URI with a host.
fn origin(uri: &str) -> Option<url::Origin> {
    Url::parse(uri).ok().map(|url| url.origin()).filter(url::Origin::is_tuple)
}

impl HttpContent {
    /// The content of these bytes; none if there are none.
    #[must_use]
    pub fn of(bytes: Vec<u8>) -> Option<Self> {
        if bytes.is_empty() {
            return None;
        }
        let text = String::from_utf8(bytes).map(Self::Text);
        Some(text.unwrap_or_else(|error| Self::Binary(BASE64.encode(error.as_bytes()))))
    }

    /// Its bytes.
    ///
    /// # Errors
    /// It is not base64.
    pub fn into_bytes(self) -> Result<Vec<u8>, DecodeError> {
        match self {
            Self::Text(text) => Ok(text.into_bytes()),
            Self::Binary(text) => BASE64.decode(text),
        }
    }
}

impl HttpHeaders {
    /// The first value of this name, in lower case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_slice().first().map(String::as_str)
    }

    /// Sets the only value of this name.
    pub fn set(&mut self, name: &str, value: String) {
        self.0.insert(name.to_ascii_lowercase(), Values::One(value));
    }

    /// Every value with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(name, values)| {
            values.as_slice().iter().map(move |value| (name.as_str(), value.as_str()))
        })
    }
}

impl FromIterator<(String, String)> for HttpHeaders {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(headers: I) -> Self {
        let mut by_name = BTreeMap::<String, Vec<String>>::new();
        for (name, value) in headers {
            by_name.entry(name.to_ascii_lowercase()).or_default().push(value);
        }
        Self(by_name.into_iter().map(|(name, values)| (name, Values::from(values))).collect())
    }
}

impl From<Vec<String>> for Values {
    fn from(mut values: Vec<String>) -> Self {
        match (values.pop(), values.is_empty()) {
            (Some(only), true) => Self::One(only),
            (last, _) => Self::Many(values.into_iter().chain(last).collect()),
        }
    }
}

impl Values {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}
