//! What the tests of this crate share.

use crate::response::HttpResponse;
use durance_durable::Timestamp;
use durance_taskhub::Clock;
use futures_util::{FutureExt as _, future::BoxFuture};
use http_body_util::BodyExt as _;
use serde_json::Value;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use uuid::Uuid;

/// A clock that stands still until it is set.
#[derive(Debug)]
pub(crate) struct ManualClock(AtomicU64);

impl ManualClock {
    /// Shows this many seconds after the Unix epoch.
    pub(crate) fn at_seconds(seconds: u64) -> Self {
        Self(AtomicU64::new(seconds))
    }

    /// Sets it.
    pub(crate) fn set_seconds(&self, seconds: u64) {
        self.0.store(seconds, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::default().saturating_add(Duration::from_secs(self.0.load(Ordering::SeqCst)))
    }

    fn sleep_until(&self, _: Timestamp) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    fn new_id(&self) -> Uuid {
        Uuid::new_v4()
    }
}

/// A header of a response; empty if it has none.
pub(crate) fn header<'r>(response: &'r HttpResponse, name: &str) -> &'r str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// The body of a response as text.
pub(crate) fn body_text(response: HttpResponse) -> String {
    let body = response.into_body().collect().now_or_never().unwrap().unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

/// The body of a response as JSON.
pub(crate) fn body_json(response: HttpResponse) -> Value {
    serde_json::from_str(&body_text(response)).unwrap()
}
