//! Bodies of requests: whole, and under limits.

use bytes::Bytes;
use durance_durable::Json;
use http_body_util::{BodyExt as _, LengthLimitError, Limited, combinators::UnsyncBoxBody};
use hyper::body::Body;
use std::{error::Error, time::Duration};

/// The body of a request, as it comes in.
pub(crate) trait RequestBody:
    Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + Send + 'static
{
}

impl<B> RequestBody for B where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + Send + 'static
{
}

/// A body that is passed on as it comes in.
pub(crate) type StreamedRequestBody = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// How much of a body is taken, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    pub(crate) bytes_max: usize,
    pub(crate) timeout: Duration,
}

/// Why a body was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is larger than {bytes_max} bytes, which is the most that this host takes")]
    TooLarge { bytes_max: usize },
    #[error("the body did not come in time")]
    TooSlow,
    #[error("the body was broken off: {0}")]
    Broken(Box<dyn Error + Send + Sync>),
    #[error("the body is not text in UTF-8")]
    NotText,
}

impl BodyLimits {
    /// The whole body.
    pub(crate) async fn read(self, body: impl RequestBody) -> Result<Bytes, BodyError> {
        if body.is_end_stream() {
            return Ok(Bytes::new());
        }
        let whole = self.limited(body)?.collect();
        match tokio::time::timeout(self.timeout, whole).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(self.too_large()),
            Ok(Err(error)) => Err(BodyError::Broken(error)),
            Err(_) => Err(BodyError::TooSlow),
        }
    }

    /// The body as it comes in; it breaks off where it is too large. Whoever takes it sees to the time.
    pub(crate) fn stream(self, body: impl RequestBody) -> Result<StreamedRequestBody, BodyError> {
        Ok(self.limited(body)?.boxed_unsync())
    }

    /// Before anything is taken: a client that asks whether to send a large body at all is told not to.
    fn limited<B: RequestBody>(self, body: B) -> Result<Limited<B>, BodyError> {
        if body.size_hint().lower() > self.bytes_max as u64 {
            return Err(self.too_large());
        }
        Ok(Limited::new(body, self.bytes_max))
    }

    fn too_large(self) -> BodyError {
        BodyError::TooLarge { bytes_max: self.bytes_max }
    }
}

/// The JSON that a body holds, whatever its content type says; an empty one holds `null`.
pub(crate) fn parse_json(body: &Bytes) -> Result<Json, crate::problem::Problem> {
    if body.is_empty() {
        return Ok(Json::null());
    }
    let text = std::str::from_utf8(body).map_err(|_| BodyError::NotText)?;
    Ok(Json::parse(text)?)
}
