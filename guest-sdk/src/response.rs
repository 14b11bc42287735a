//! What an HTTP function answers, or an outbound request got.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};

use crate::bindings::HttpResponse;
use crate::error::{Error, Result};

/// An HTTP response with its whole body.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// An empty response. The host refuses a status outside 200 to 599 and sets `content-length` itself.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// Status 200 with a body of plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(200).header("content-type", "text/plain; charset=utf-8").body(text.into())
    }

    /// Status 200 with a JSON body.
    ///
    /// # Errors
    /// When the value cannot be written as JSON: a map whose keys are not strings, for example.
    pub fn json(value: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_vec(value)?;
        Ok(Self::new(200).header("content-type", "application/json").body(body))
    }

    /// The same response with another status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Adds a header; one of the same name stays. The name is written in lower case.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// The same response with this body; its content type is the caller's affair.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The headers, names in lower case, in order.
    pub fn headers(&self) -> &[(String, Vec<u8>)] {
        &self.headers
    }

    /// The first header of this name, in any letter case, if its value is UTF-8 text.
    pub fn header_value(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(header, _)| header.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The body's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    /// `InvalidResponse` with line and column when the body is not JSON or does not fit the type.
    pub fn read_json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::new("InvalidResponse", format!("the response's body: {error}")))
    }
}

/// From what the host keeps of the answer to an orchestrator's request.
impl<'de> Deserialize<'de> for Response {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let kept = Kept::deserialize(deserializer)?;
        let headers = kept.headers.into_iter().flat_map(|(name, values)| {
            let values = match values {
                Values::One(value) => vec![value],
                Values::Many(values) => values,
            };
            values.into_iter().map(move |value| (name.clone(), value.into_bytes()))
        });
        let binary = kept.content_base64.map(|text| BASE64.decode(text)).transpose();
        let body = match kept.content {
            Some(text) => text.into_bytes(),
            None => binary.map_err(D::Error::custom)?.unwrap_or_default(),
        };
        Ok(Self { status: kept.status_code, headers: headers.collect(), body })
    }
}

/// As `call-http` of the contract describes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    status_code: u16,
    #[serde(default)]
    headers: BTreeMap<String, Values>,
    content: Option<String>,
    content_base64: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Many(Vec<String>),
}

impl From<Response> for HttpResponse {
    fn from(response: Response) -> Self {
        Self { status: response.status, headers: response.headers, body: response.body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_that_the_host_kept_is_read() {
        let read = |text: &str| serde_json::from_str::<Response>(text).unwrap();
        let response = read(r#"{"statusCode":404,"headers":{"a":"1","b":["2","3"]},"content":"no \u00e4"}"#);
        let headers: Vec<_> =
            response.headers().iter().map(|(name, value)| (name.as_str(), &value[..])).collect();
        assert_eq!(headers, [("a", &b"1"[..]), ("b", b"2"), ("b", b"3")]);
        assert_eq!((response.status(), response.bytes()), (404, "no ä".as_bytes()));
        assert_eq!(read(r#"{"statusCode":200,"headers":{},"contentBase64":"/w=="}"#).bytes(), [0xff]);
        assert_eq!(read(r#"{"statusCode":204,"headers":{}}"#).bytes(), b"");
    }
}
