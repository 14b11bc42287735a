//! From a request to its answer.

use crate::{
    access::{Access, KeyRequirement},
    admin::{AdminApi, AppsApi, HostInfo, KeyAdmin},
    app_versions::AppVersions,
    body::{BodyLimits, RequestBody},
    keys::KeyRing,
    links::{MANAGEMENT_PATH, SignedLinks},
    management::ManagementApi,
    problem::Problem,
    repeated::RepeatedRequests,
    request::Admitted,
    request_id::RequestId,
    response::HttpResponse,
    served::AppSwitch,
};
use durance_taskhub::OrchestrationClient;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use std::{net::IpAddr, sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// How requests are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewaySettings {
    /// Stands before the route of every function; may be empty. Default `api`.
    pub route_prefix: String,
    /// Whether callers need keys. Default: not on loopback.
    pub key_requirement: KeyRequirement,
    /// The largest body of a request. Unit: bytes. Default 16 MiB.
    pub body_bytes_max: usize,
    /// A body must come within this time. Default 60 s.
    pub body_read_timeout: Duration,
    /// The longest path and query. Unit: bytes. Default 8 KiB.
    pub uri_bytes_max: usize,
    /// Requests that are being answered at one time; beyond it they are answered 429. Default 2,048.
    pub requests_in_flight_max: usize,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            route_prefix: "api".to_owned(),
            key_requirement: KeyRequirement::default(),
            body_bytes_max: 16 * 1024 * 1024,
            body_read_timeout: Duration::from_secs(60),
            uri_bytes_max: 8 * 1024,
            requests_in_flight_max: 2_048,
        }
    }
}

/// Answers requests: functions, the management API, the host's own endpoints.
#[derive(Debug)]
pub struct Gateway {
    access: Access,
    admin: AdminApi,
    management: ManagementApi,
    app: AppSwitch,
    repeated: RepeatedRequests,
    uri_bytes_max: usize,
    in_flight: Semaphore,
}

/// What requests are answered with.
#[derive(Debug)]
pub struct GatewayParts {
    /// The app whose functions are served.
    pub app: AppSwitch,
    /// Who exchanges it.
    pub apps: Arc<dyn AppVersions>,
    /// The client of the task hub that the management API manages.
    pub client: OrchestrationClient,
    /// What opens functions and the management API.
    pub keys: KeyRing,
    /// Made with the same keys.
    pub links: Arc<SignedLinks>,
    /// Where the server listens: on loopback callers may need no keys.
    pub listen: IpAddr,
}

impl Gateway {
    /// A gateway to this app.
    #[must_use]
    pub fn new(settings: &GatewaySettings, parts: GatewayParts) -> Self {
        let GatewayParts { app, apps, client, keys, links, listen } = parts;
        Self {
            access: Access::new(keys.clone(), settings.key_requirement, listen),
            admin: AdminApi {
                host: HostInfo::new(env!("CARGO_PKG_VERSION"), links.task_hub()),
                app: app.clone(),
                apps: AppsApi { versions: apps },
                keys: KeyAdmin { keys, links: Arc::clone(&links) },
            },
            repeated: RepeatedRequests::new(client.clone()),
            management: ManagementApi::new(client, links, BodyLimits::of(settings)),
            app,
            uri_bytes_max: settings.uri_bytes_max,
            in_flight: Semaphore::new(settings.requests_in_flight_max),
        }
    }

    /// The answer to a request. What is too much is refused before anything is done for it.
    pub(crate) async fn answer(
        &self,
        parts: &Parts,
        body: impl RequestBody,
        id: &RequestId,
    ) -> Result<HttpResponse, Problem> {
        if parts.uri.path_and_query().is_some_and(|target| target.as_str().len() > self.uri_bytes_max) {
            return Err(Problem::uri_too_long(self.uri_bytes_max));
        }
        let path = parts.uri.path();
        if path.contains('%') && percent_decode_str(path).decode_utf8().is_err() {
            return Err(Problem::malformed_path());
        }
        let authority = self.access.admit(parts)?;
        let Ok(_permit) = self.in_flight.try_acquire() else { return Err(Problem::too_many_requests()) };
        self.dispatch(Admitted { parts, authority, id }, body).await
    }

    async fn dispatch(&self, request: Admitted<'_>, body: impl RequestBody) -> Result<HttpResponse, Problem> {
        let path = request.parts.uri.path();
        if let Some(path) = below(path, MANAGEMENT_PATH) {
            return self.management.answer(&self.access, request, path, body).await;
        }
        if let Some(path) = below(path, "/admin") {
            return self.admin.answer(&self.access, request, path, body).await;
        }
        if below(path, "/runtime").is_some() {
            return Err(Problem::no_such_path(path));
        }
        match self.app.app().functions.answer(&self.access, &self.repeated, request, body).await {
            Some(answer) => answer,
            None if path == "/" => self.admin.host.homepage(&request.parts.method),
            None => Err(Problem::no_such_path(path)),
        }
    }
}

/// The rest of a path that lies at or under `base`, in any letter case.
fn below<'p>(path: &'p str, base: &str) -> Option<&'p str> {
    let (start, rest) = path.split_at_checked(base.len())?;
    let is_below = start.eq_ignore_ascii_case(base) && (rest.is_empty() || rest.starts_with('/'));
    is_below.then_some(rest)
}
