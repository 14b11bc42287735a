//! From a request to its answer.

use crate::{
    access::{Access, KeyRequirement},
    admin::{AdminApi, FunctionCatalog, FunctionList, HostInfo, KeyAdmin},
    app,
    body::{BodyLimits, RequestBody},
    functions::{Functions, HttpFunction, HttpFunctions},
    keys::KeyRing,
    links::{MANAGEMENT_PATH, SignedLinks},
    management::ManagementApi,
    problem::Problem,
    repeated::RepeatedRequests,
    request::Admitted,
    response::HttpResponse,
    routing::{RouteDefinition, RouteError, Router},
};
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
    admin: AdminApi,
    management: ManagementApi,
    functions: Functions,
    uri_bytes_max: usize,
    in_flight: Semaphore,
}

/// What requests are answered with.
#[derive(Debug)]
pub struct GatewayParts {
    /// The functions.
    pub app: Arc<FunctionApp>,
    /// The client of the task hub that the management API manages.
    pub client: OrchestrationClient,
    /// What opens functions and the management API.
    pub keys: KeyRing,
    /// Made with the same keys.
    pub links: Arc<SignedLinks>,
    /// Where the server listens: on loopback callers may need no keys.
    pub listen: IpAddr,
}

/// The same, with any functions.
#[derive(Debug)]
pub(crate) struct Components {
    pub(crate) app: Arc<dyn HttpFunctions>,
    pub(crate) catalog: Arc<dyn FunctionCatalog>,
    pub(crate) routes: Vec<(RouteDefinition, HttpFunction)>,
    pub(crate) client: OrchestrationClient,
    pub(crate) keys: KeyRing,
    pub(crate) links: Arc<SignedLinks>,
    pub(crate) listen: IpAddr,
}

impl Gateway {
    /// A gateway to this app.
    ///
    /// # Errors
    /// A function's route is malformed or the host's, or two functions want the same requests.
    pub fn new(settings: &GatewaySettings, parts: GatewayParts) -> Result<Self, RouteError> {
        let GatewayParts { app, client, keys, links, listen } = parts;
        let routes = app::routes(&app);
        let catalog = Arc::<FunctionApp>::clone(&app);
        Self::assemble(settings, Components { app, catalog, routes, client, keys, links, listen })
    }

    pub(crate) fn assemble(settings: &GatewaySettings, components: Components) -> Result<Self, RouteError> {
        let Components { app, catalog, routes, client, keys, links, listen } = components;
        let router = Router::new(&settings.route_prefix, routes)?;
        let body_limits =
            BodyLimits { bytes_max: settings.body_bytes_max, timeout: settings.body_read_timeout };
        let admin = AdminApi {
            host: HostInfo::new(env!("CARGO_PKG_VERSION"), links.task_hub()),
            functions: FunctionList { catalog, route_prefix: settings.route_prefix.clone() },
            keys: KeyAdmin { keys: keys.clone(), links: Arc::clone(&links) },
        };
        Ok(Self {
            access: Access::new(keys, settings.key_requirement, listen),
            admin,
            functions: Functions {
                app,
                router,
                body_limits,
                repeated: RepeatedRequests::new(client.clone()),
            },
            management: ManagementApi { client, links, body_limits },
            uri_bytes_max: settings.uri_bytes_max,
            in_flight: Semaphore::new(settings.requests_in_flight_max),
        })
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
        if let Some(answer) = HostInfo::probe(&parts.method, path) {
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
        if let Some(path) = below(path, "/admin") {
            return self.admin.answer(&self.access, request, path, body).await;
        }
        if below(path, "/runtime").is_some() {
            return Err(Problem::no_such_path(path));
        }
        match self.functions.answer(&self.access, request, body).await {
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
