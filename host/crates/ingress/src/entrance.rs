//! What every request passes first: it gets its id, probes are answered, all else waits until the host has started, and
//! the answer is written to the access log.

use crate::{
    body::RequestBody,
    gateway::Gateway,
    probes::{self, Readiness},
    problem::Problem,
    request_id::{REQUEST_ID, RequestId},
    response::HttpResponse,
};
use futures_util::FutureExt as _;
use http::{Request, request::Parts};
use hyper::body::Body as _;
use std::{
    net::SocketAddr,
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};
use tokio::sync::SetOnce;

/// The way into a host, from the moment at which it listens.
#[derive(Debug, Default)]
pub struct Entrance {
    gateway: SetOnce<Gateway>,
    draining: AtomicBool,
    access_log: bool,
}

impl Entrance {
    /// The entrance of a host that is starting: probes are answered, all other requests wait. With an access log each
    /// answer is a log line (target `durance::access`).
    #[must_use]
    pub fn new(access_log: bool) -> Self {
        Self { access_log, ..Self::default() }
    }

    /// The host has started: from now on, and for ever, this gateway answers, also what has waited.
    pub fn open(&self, gateway: Gateway) {
        let opened = self.gateway.set(gateway);
        debug_assert!(opened.is_ok(), "a host starts once");
    }

    /// The host is about to stop: it still answers, but `/readyz` says that others should be asked.
    pub fn begin_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// The answer to a request: always one, whatever happens.
    pub(crate) async fn answer(&self, peer: SocketAddr, request: Request<impl RequestBody>) -> HttpResponse {
        let (parts, body) = request.into_parts();
        let id = RequestId::of(&parts.headers);
        let begun = self.access_log.then(Instant::now);
        let answer = AssertUnwindSafe(self.admit(&parts, body, &id)).catch_unwind().await;
        let answer = answer.unwrap_or_else(|_| Err(Problem::panicked()));
        let mut response = answer.unwrap_or_else(|problem| {
            problem.into_response(parts.method.as_str(), parts.uri.path(), id.as_str())
        });
        if let Some(begun) = begun {
            log(&parts, &response, &id, peer, begun);
        }
        response.headers_mut().insert(REQUEST_ID, id.into_header());
        response
    }

    /// Probes come first: a busy host is healthy.
    async fn admit(
        &self,
        parts: &Parts,
        body: impl RequestBody,
        id: &RequestId,
    ) -> Result<HttpResponse, Problem> {
        if let Some(answer) = probes::answer(&parts.method, parts.uri.path(), self.readiness()) {
            return answer;
        }
        self.gateway.wait().await.answer(parts, body, id).await
    }

    fn readiness(&self) -> Readiness {
        if self.draining.load(Ordering::Relaxed) {
            Readiness::Draining
        } else if self.gateway.initialized() {
            Readiness::Ready
        } else {
            Readiness::Starting
        }
    }
}

/// One line. The query stays out of it: it may hold a key. The size of a body that comes piece by piece is not known,
/// and its time is that of the head.
fn log(parts: &Parts, response: &HttpResponse, id: &RequestId, peer: SocketAddr, begun: Instant) {
    tracing::info!(
        target: "durance::access",
        method = parts.method.as_str(),
        path = parts.uri.path(),
        status = response.status().as_u16(),
        bytes = response.body().size_hint().exact(),
        elapsed_ms = begun.elapsed().as_micros() as f64 / 1e3,
        client = %peer.ip(),
        request_id = id.as_str(),
        "answered"
    );
}
