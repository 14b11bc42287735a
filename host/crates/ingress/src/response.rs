//! The responses that the host itself makes.

use bytes::Bytes;
use durance_wasm::StreamedBody;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use http_body_util::{Either, Full};
use serde::Serialize;

/// What the server sends: a whole body, or one that a function is still writing.
pub(crate) type HttpResponse = Response<Either<Full<Bytes>, StreamedBody>>;

/// A whole body.
pub(crate) fn whole(body: impl Into<Bytes>) -> Either<Full<Bytes>, StreamedBody> {
    Either::Left(Full::new(body.into()))
}

/// A response without a body.
pub(crate) fn empty(status: StatusCode) -> HttpResponse {
    with_body(status, None, Bytes::new())
}

/// A JSON body.
pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> HttpResponse {
    let body = serde_json::to_vec(value).expect("our own values can be written as JSON");
    json_text(status, body)
}

/// A body that is JSON already.
pub(crate) fn json_text(status: StatusCode, body: impl Into<Bytes>) -> HttpResponse {
    with_body(status, Some("application/json"), body.into())
}

/// A short text, not to be cached.
pub(crate) fn text(status: StatusCode, text: impl Into<Bytes>) -> HttpResponse {
    let mut response = with_body(status, Some("text/plain; charset=utf-8"), text.into());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Any body.
pub(crate) fn with_body(status: StatusCode, content_type: Option<&'static str>, body: Bytes) -> HttpResponse {
    let mut response = Response::new(whole(body));
    *response.status_mut() = status;
    if let Some(content_type) = content_type {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    response
}
