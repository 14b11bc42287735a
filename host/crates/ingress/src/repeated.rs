//! Requests to HTTP functions that may be repeated: those with a header `Idempotency-Key`.
//!
//! The function runs once: its response is kept and a repetition gets it. What the function changes is changed under
//! keys that follow from the request's. So if the host dies between a change and the response, the repetition runs the
//! function again, but each change that was made before is only answered, and nothing is started twice.

use crate::{
    problem::Problem,
    query::idempotency_key,
    response::{self, HttpResponse},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use durance_taskhub::{Idempotency, OrchestrationClient};
use http::{HeaderName, HeaderValue, Method, StatusCode, request::Parts};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, future::Future, sync::Arc};

/// A longer body is not kept: a repetition runs the function again. Unit: bytes.
const KEPT_BODY_BYTES_MAX: usize = 1024 * 1024;

/// The requests with keys that are being answered, and the client that keeps the responses.
#[derive(Debug)]
pub(crate) struct RepeatedRequests {
    client: OrchestrationClient,
    under_way: Mutex<HashMap<(Arc<str>, String), Arc<tokio::sync::Mutex<()>>>>,
}

/// A response as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    status: u16,
    /// Values in base64.
    headers: Vec<(String, String)>,
    /// In base64.
    body: String,
}

/// The key of a request that may be repeated, if it has one. Methods that change nothing need none.
pub(crate) fn idempotency_of(
    function: &str,
    parts: &Parts,
    body: &[u8],
) -> Result<Option<Idempotency>, Problem> {
    if matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(None);
    }
    let Some(key) = idempotency_key(&parts.headers)? else { return Ok(None) };
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let request: [&[u8]; 3] = [parts.method.as_str().as_bytes(), target.as_bytes(), body];
    Ok(Some(Idempotency::of_request(function, &key, &request)?))
}

impl RepeatedRequests {
    pub(crate) fn new(client: OrchestrationClient) -> Self {
        Self { client, under_way: Mutex::default() }
    }

    /// The first answer to this request: what was kept of it, or what `call` answers. Of two at the same time the second
    /// waits for the first.
    pub(crate) async fn answer(
        &self,
        function: &Arc<str>,
        idempotency: &Idempotency,
        call: impl Future<Output = Result<HttpResponse, Problem>>,
    ) -> Result<HttpResponse, Problem> {
        let place = (Arc::clone(function), idempotency.key().to_owned());
        let turn = Arc::clone(self.under_way.lock().entry(place.clone()).or_default());
        let answer = {
            let _mine = turn.lock().await;
            self.answer_in_turn(idempotency, call).await
        };
        drop(turn);
        let mut under_way = self.under_way.lock();
        if under_way.get(&place).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            under_way.remove(&place);
        }
        answer
    }

    async fn answer_in_turn(
        &self,
        idempotency: &Idempotency,
        call: impl Future<Output = Result<HttpResponse, Problem>>,
    ) -> Result<HttpResponse, Problem> {
        if let Some(kept) = self.client.noted(idempotency)? {
            return restore(&kept);
        }
        let (parts, body) = call.await?.into_parts();
        let body = body.collect().await.map_err(|_| Problem::broken_response())?.to_bytes();
        let response = HttpResponse::from_parts(parts, response::whole(body.clone()));
        if response.status().is_server_error() || body.len() > KEPT_BODY_BYTES_MAX {
            return Ok(response);
        }
        self.client.note(idempotency, keep(&response, &body)).await?;
        Ok(response)
    }
}

fn keep(response: &HttpResponse, body: &Bytes) -> Vec<u8> {
    let header =
        |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), BASE64_STANDARD.encode(value));
    let kept = Kept {
        status: response.status().as_u16(),
        headers: response.headers().iter().map(header).collect(),
        body: BASE64_STANDARD.encode(body),
    };
    serde_json::to_vec(&kept).expect("our own values can be written as JSON")
}

fn restore(kept: &[u8]) -> Result<HttpResponse, Problem> {
    let restored = || {
        let kept: Kept = serde_json::from_slice(kept).ok()?;
        let body = BASE64_STANDARD.decode(kept.body).ok()?;
        let mut response = response::with_body(StatusCode::from_u16(kept.status).ok()?, None, body.into());
        for (name, value) in kept.headers {
            let value = BASE64_STANDARD.decode(value).ok()?;
            response
                .headers_mut()
                .append(HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(&value).ok()?);
        }
        Some(response)
    };
    restored().ok_or_else(Problem::unreadable_response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{body_json, header};

    #[test]
    fn response_is_restored_as_it_was() {
        let mut response = response::json(StatusCode::ACCEPTED, &7);
        response.headers_mut().append("x-a", HeaderValue::from_bytes(b"\xff").unwrap());
        response.headers_mut().append("x-a", HeaderValue::from_static("2"));
        let restored = restore(&keep(&response, &Bytes::from_static(b"7"))).unwrap();
        assert_eq!((restored.status(), restored.headers()), (StatusCode::ACCEPTED, response.headers()));
        assert_eq!(header(&restored, "content-type"), "application/json");
        assert_eq!(body_json(restored), 7);
        assert!(restore(b"{}").is_err());
    }
}
