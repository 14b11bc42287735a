//! `/admin/apps`: the versions of the app.

use super::{AdminCall, is};
use crate::{
    app_versions::{AppUpload, AppVersions, DeployOutcome, DeployReport, Gate},
    body::{BodyLimits, RequestBody},
    problem::Problem,
    response::{self, HttpResponse},
};
use durance_durable::ModuleHash;
use http::{Method, StatusCode};
use std::{sync::Arc, time::Duration};

/// The largest archive.
///
/// Unit: bytes.
const ARCHIVE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// An archive must come within this time.
const ARCHIVE_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// Answers requests for the versions of the app.
#[derive(Debug)]
pub(crate) struct AppsApi {
    pub(crate) versions: Arc<dyn AppVersions>,
}

impl AppsApi {
    /// The answer to a request; `path` is below `/admin/apps`.
    pub(super) async fn answer(
        &self,
        call: &AdminCall<'_>,
        path: &[&str],
        body: impl RequestBody,
    ) -> Result<HttpResponse, Problem> {
        match path {
            [] | [""] if call.request.parts.method == Method::POST => self.deploy(call, body).await,
            [] | [""] => {
                call.check(&[Method::GET, Method::HEAD, Method::POST], &[])?;
                Ok(response::json(StatusCode::OK, &self.versions.list().await))
            }
            [operation] if is(operation, "rollback") => {
                call.check(&[Method::POST], &[])?;
                Ok(response::json(StatusCode::OK, &self.versions.rollback().await?))
            }
            [operation] if is(operation, "gc") => {
                call.check(&[Method::POST], &[])?;
                Ok(response::json(StatusCode::OK, &self.versions.collect().await?))
            }
            [version, operation] if is(operation, "activate") => {
                call.check(&[Method::POST], &[])?;
                let version = version.parse().map_err(|_| no_version(version))?;
                Ok(response::json(StatusCode::OK, &self.versions.activate(version).await?))
            }
            _ => Err(call.no_such_path()),
        }
    }

    async fn deploy(&self, call: &AdminCall<'_>, body: impl RequestBody) -> Result<HttpResponse, Problem> {
        call.check(&[Method::POST], &["version", "check", "migrate", "requireCompatible"])?;
        let query = &call.query;
        let version =
            query.read("version", "64 hexadecimal digits", |text| text.parse::<ModuleHash>().ok())?;
        let migrate = query.read("migrate", "'compatible'", |text| (text == "compatible").then_some(()))?;
        let gate = Gate {
            check: query.flag("check", false)?,
            migrate: migrate.is_some(),
            require_compatible: query.flag("requireCompatible", false)?,
        };
        let limits = BodyLimits { bytes_max: ARCHIVE_BYTES_MAX, timeout: ARCHIVE_TIMEOUT };
        let archive = limits.read(body).await?;
        let report = self.versions.deploy(AppUpload { archive, version, gate }).await?;
        Ok(response::json(status_of(&report), &report))
    }
}

fn status_of(report: &DeployReport) -> StatusCode {
    match report.outcome {
        DeployOutcome::Activated => StatusCode::CREATED,
        DeployOutcome::Unchanged | DeployOutcome::Checked => StatusCode::OK,
    }
}

fn no_version(text: &str) -> Problem {
    let detail = format!(
        "'{text}' is not a version: it has 64 hexadecimal digits; GET /admin/apps lists those that are kept"
    );
    Problem::new(StatusCode::BAD_REQUEST, detail)
}
