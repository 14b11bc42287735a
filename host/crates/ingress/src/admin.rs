//! The host's own endpoints.

use crate::{
    access::Access,
    keys::AccessLevel,
    problem::Problem,
    request::Admitted,
    response::{self, HttpResponse},
};
use http::{Method, StatusCode};
use serde_json::json;
use std::time::Instant;
use uuid::Uuid;

/// Answers requests about the host itself.
#[derive(Debug)]
pub(crate) struct HostAdmin {
    id: Uuid,
    started: Instant,
    version: &'static str,
}

impl HostAdmin {
    /// For a host of this version that starts now.
    pub(crate) fn new(version: &'static str) -> Self {
        Self { id: Uuid::new_v4(), started: Instant::now(), version }
    }

    /// Whether the host answers at all: for load balancers and supervisors. None if the path is another.
    pub(crate) fn probe(method: &Method, path: &str) -> Option<Result<HttpResponse, Problem>> {
        let allowed: &[Method] = match path {
            "/healthz" => &[Method::GET, Method::HEAD],
            "/admin/host/ping" => &[Method::GET, Method::HEAD, Method::POST],
            _ => return None,
        };
        if !allowed.contains(method) {
            let names: Vec<_> = allowed.iter().map(Method::as_str).collect();
            return Some(Err(Problem::wrong_method(path, &names.join(", "))));
        }
        Some(Ok(response::text(StatusCode::OK, "ok\n")))
    }

    /// Everything else under `/admin`.
    pub(crate) fn answer(&self, access: &Access, request: Admitted<'_>) -> Result<HttpResponse, Problem> {
        access.require(AccessLevel::Admin, request.parts)?;
        let path = request.parts.uri.path();
        match (&request.parts.method, path) {
            (&Method::GET | &Method::HEAD, "/admin/host/status") => Ok(self.status()),
            (_, "/admin/host/status") => Err(Problem::wrong_method(path, "GET, HEAD")),
            _ => Err(Problem::no_such_path(path)),
        }
    }

    /// `processUptime` in milliseconds, as in the model.
    fn status(&self) -> HttpResponse {
        let uptime = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let status = json!({
            "id": self.id.simple().to_string(), "state": "Running", "version": self.version, "processUptime": uptime,
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
