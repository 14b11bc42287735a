//! Bodies of requests: whole, and under limits.

use crate::gateway::GatewaySettings;
use bytes::Bytes;
use durance_durable::Json;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body;
use std::{error::Error, time::Duration};

/// The body of a request, as it comes in.
pub(crate) trait RequestBody:
    Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin
{
}

impl<B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin> RequestBody for B {}

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
    /// Those that the settings name.
    pub(crate) fn of(settings: &GatewaySettings) -> Self {
        Self { bytes_max: settings.body_bytes_max, timeout: settings.body_read_timeout }
    }

    /// The whole body.
    pub(crate) async fn read(self, body: impl RequestBody) -> Result<Bytes, BodyError> {
        if body.is_end_stream() {
            return Ok(Bytes::new());
        }
        let too_large = BodyError::TooLarge { bytes_max: self.bytes_max };
        // Before anything is taken: a client that asks whether to send it at all is told not to.
        if body.size_hint().lower() > self.bytes_max as u64 {
            return Err(too_large);
        }
        let whole = Limited::new(body, self.bytes_max).collect();
        match tokio::time::timeout(self.timeout, whole).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large),
            Ok(Err(error)) => Err(BodyError::Broken(error)),
            Err(_) => Err(BodyError::TooSlow),
        }
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
