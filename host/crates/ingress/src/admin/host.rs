//! The host itself: whether it answers, what it is.

use crate::{
    problem::Problem,
    response::{self, HttpResponse},
};
use http::{Method, StatusCode};
use serde_json::json;
use std::time::Instant;
use uuid::Uuid;

/// What the host says of itself.
#[derive(Debug)]
pub(crate) struct HostInfo {
    id: Uuid,
    started: Instant,
    version: &'static str,
    app: String,
}

impl HostInfo {
    /// For a host of this version that starts to serve this app now.
    pub(crate) fn new(version: &'static str, app: &str) -> Self {
        Self { id: Uuid::new_v4(), started: Instant::now(), version, app: app.to_owned() }
    }

    /// `processUptime` in milliseconds, as in the model.
    pub(super) fn status(&self) -> HttpResponse {
        let uptime = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let status = json!({
            "id": self.id.simple().to_string(), "state": "Running", "version": self.version, "app": self.app,
            "processUptime": uptime,
        });
        response::json(StatusCode::OK, &status)
    }

    /// What is at `/` if no function is.
    pub(crate) fn homepage(&self, method: &Method) -> Result<HttpResponse, Problem> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return Err(Problem::wrong_method("/", "GET, HEAD"));
        }
        let text = format!(
            "Durance {} is running. Its start printed the addresses of its functions; the management API is under {}.\n",
            self.version,
            crate::links::MANAGEMENT_PATH,
        );
        Ok(response::text(StatusCode::OK, text))
    }
}
