//! The responses that the host itself makes.

use bytes::Bytes;
use futures_util::Stream;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use http_body_util::{Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use serde::Serialize;
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// What the server sends. Almost every body is whole.
#[derive(Debug)]
pub(crate) enum Body {
    Whole(Full<Bytes>),
    Stream(UnsyncBoxBody<Bytes, BodyFailure>),
}

/// Why a body that comes piece by piece breaks off.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct BodyFailure(Box<dyn std::error::Error + Send + Sync>);

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyFailure;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Self::Stream(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

impl From<Bytes> for Body {
    fn from(whole: Bytes) -> Self {
        Self::Whole(Full::new(whole))
    }
}

pub(crate) type HttpResponse = Response<Body>;

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

/// 200 with a stream of server-sent events, each as [`event`] writes it.
pub(crate) fn events(
    events: impl Stream<Item = Result<Frame<Bytes>, BodyFailure>> + Send + 'static,
) -> HttpResponse {
    let mut response = Response::new(Body::Stream(UnsyncBoxBody::new(StreamBody::new(events))));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A server-sent event. What guests wrote as JSON may have several lines.
pub(crate) fn event<T: Serialize>(name: &str, data: &T) -> Frame<Bytes> {
    let data = serde_json::to_string(data).expect("our own values can be written as JSON");
    let lines = data.lines().map(|line| format!("data: {line}\n")).collect::<String>();
    Frame::data(format!("event: {name}\n{lines}\n").into())
}

/// Any body.
pub(crate) fn with_body(status: StatusCode, content_type: Option<&'static str>, body: Bytes) -> HttpResponse {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    if let Some(content_type) = content_type {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    response
}
