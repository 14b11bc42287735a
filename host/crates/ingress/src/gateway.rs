//! From a request to its answer.

use crate::{
    access::{Access, KeyRequirement},
    admin::HostAdmin,
    app,
    body::{BodyLimits, RequestBody},
    functions::{Functions, HttpFunction, HttpFunctions},
    keys::KeyRing,
    links::{MANAGEMENT_PATH, SignedLinks},
    management::ManagementApi,
    problem::Problem,
    request::Admitted,
    response::HttpResponse,
    routing::{RouteDefinition, RouteError, Router},
};
use arc_swap::ArcSwap;
use durance_taskhub::OrchestrationClient;
use durance_wasm::FunctionApp;
use futures_util::FutureExt as _;
use http::{Request, request::Parts};
use percent_encoding::percent_decode_str;
use std::{net::IpAddr, panic::AssertUnwindSafe, sync::Arc, time::Duration};
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
    admin: HostAdmin,
    management: ManagementApi,
    functions: Arc<ArcSwap<Functions>>,
    uri_bytes_max: usize,
    in_flight: Semaphore,
}

/// What requests are answered with.
#[derive(Debug)]
pub struct GatewayParts {
    /// The functions, to begin with.
    pub app: ServedApp,
    /// The client of the task hub that the management API manages.
    pub client: OrchestrationClient,
    /// What opens functions and the management API.
    pub keys: KeyRing,
    /// Made with the same keys.
    pub links: Arc<SignedLinks>,
    /// Where the server listens: on loopback callers may need no keys.
    pub listen: IpAddr,
}

/// An app whose functions requests can reach, with their routes.
#[derive(Debug)]
pub struct ServedApp(Functions);

impl ServedApp {
    /// This app, under these settings: the route prefix and the limits of bodies are the app's own.
    ///
    /// # Errors
    /// A function's route is malformed or the host's, or two functions want the same requests.
    pub fn new(settings: &GatewaySettings, app: Arc<FunctionApp>) -> Result<Self, RouteError> {
        let routes = app::routes(&app);
        functions_at(settings, app, routes).map(Self)
    }
}

/// Exchanges the app that a gateway serves.
#[derive(Debug, Clone)]
pub struct AppSwitch(Arc<ArcSwap<Functions>>);

impl AppSwitch {
    /// Requests that come from now on reach this app; those under way come to their end on the one before.
    pub fn serve(&self, app: ServedApp) {
        self.0.store(Arc::new(app.0));
    }
}

/// The same, with any functions.
#[derive(Debug)]
pub(crate) struct Components {
    pub(crate) functions: Functions,
    pub(crate) client: OrchestrationClient,
    pub(crate) keys: KeyRing,
    pub(crate) links: Arc<SignedLinks>,
    pub(crate) listen: IpAddr,
}

impl Gateway {
    /// A gateway to this app.
    #[must_use]
    pub fn new(settings: &GatewaySettings, parts: GatewayParts) -> Self {
        let GatewayParts { app, client, keys, links, listen } = parts;
        Self::assemble(settings, Components { functions: app.0, client, keys, links, listen })
    }

    pub(crate) fn assemble(settings: &GatewaySettings, components: Components) -> Self {
        let Components { functions, client, keys, links, listen } = components;
        let body_limits = body_limits(settings);
        Self {
            access: Access::new(keys, settings.key_requirement, listen),
            admin: HostAdmin::new(env!("CARGO_PKG_VERSION")),
            management: ManagementApi { client, links, body_limits },
            functions: Arc::new(ArcSwap::from_pointee(functions)),
            uri_bytes_max: settings.uri_bytes_max,
            in_flight: Semaphore::new(settings.requests_in_flight_max),
        }
    }

    /// What exchanges the app.
    #[must_use]
    pub fn app_switch(&self) -> AppSwitch {
        AppSwitch(Arc::clone(&self.functions))
    }

    /// The answer to a request: always one, whatever happens.
    pub(crate) async fn answer(&self, request: Request<impl RequestBody>) -> HttpResponse {
        let (parts, body) = request.into_parts();
        let answer = AssertUnwindSafe(self.limited(&parts, body)).catch_unwind().await;
        let answer = answer.unwrap_or_else(|_| Err(Problem::panicked()));
        answer.unwrap_or_else(|problem| problem.into_response(parts.method.as_str(), parts.uri.path()))
    }

    /// Refuses what is too much before anything is done for it. Probes are answered first: a busy host is healthy.
    async fn limited(&self, parts: &Parts, body: impl RequestBody) -> Result<HttpResponse, Problem> {
        if parts.uri.path_and_query().is_some_and(|target| target.as_str().len() > self.uri_bytes_max) {
            return Err(Problem::uri_too_long(self.uri_bytes_max));
        }
        let path = parts.uri.path();
        if path.contains('%') && percent_decode_str(path).decode_utf8().is_err() {
            return Err(Problem::malformed_path());
        }
        if let Some(answer) = HostAdmin::probe(&parts.method, path) {
            return answer;
        }
        let authority = self.access.admit(parts)?;
        let Ok(_permit) = self.in_flight.try_acquire() else { return Err(Problem::too_many_requests()) };
        self.dispatch(Admitted { parts, authority }, body).await
    }

    async fn dispatch(&self, request: Admitted<'_>, body: impl RequestBody) -> Result<HttpResponse, Problem> {
        let path = request.parts.uri.path();
        if let Some(path) = below(path, MANAGEMENT_PATH) {
            return self.management.answer(&self.access, request, path, body).await;
        }
        if below(path, "/admin").is_some() {
            return self.admin.answer(&self.access, request);
        }
        if below(path, "/runtime").is_some() {
            return Err(Problem::no_such_path(path));
        }
        let functions = self.functions.load_full();
        match functions.answer(&self.access, request, body).await {
            Some(answer) => answer,
            None if path == "/" => self.admin.homepage(&request.parts.method),
            None => Err(Problem::no_such_path(path)),
        }
    }
}

/// These functions at these routes.
pub(crate) fn functions_at(
    settings: &GatewaySettings,
    app: Arc<dyn HttpFunctions>,
    routes: Vec<(RouteDefinition, HttpFunction)>,
) -> Result<Functions, RouteError> {
    let router = Router::new(&settings.route_prefix, routes)?;
    Ok(Functions { app, router, body_limits: body_limits(settings) })
}

fn body_limits(settings: &GatewaySettings) -> BodyLimits {
    BodyLimits { bytes_max: settings.body_bytes_max, timeout: settings.body_read_timeout }
}

/// The rest of a path that lies at or under `base`, in any letter case.
fn below<'p>(path: &'p str, base: &str) -> Option<&'p str> {
    let (start, rest) = path.split_at_checked(base.len())?;
    let is_below = start.eq_ignore_ascii_case(base) && (rest.is_empty() || rest.starts_with('/'));
    is_below.then_some(rest)
}
