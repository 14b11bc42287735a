//! The app that is served now, exchanged as a whole: routes, functions, and the list of them.

use crate::{
    admin::{FunctionCatalog, FunctionList},
    app,
    body::BodyLimits,
    functions::{Functions, HttpFunction, HttpFunctions},
    gateway::GatewaySettings,
    routing::{RouteDefinition, RouteError, Router},
};
use arc_swap::ArcSwap;
use durance_wasm::FunctionApp;
use std::sync::Arc;

/// An app whose functions requests can reach.
#[derive(Debug)]
pub struct ServedApp {
    pub(crate) functions: Functions,
    pub(crate) list: FunctionList,
}

impl ServedApp {
    /// This app, under these settings: the route prefix and the limits of bodies are the app's own.
    ///
    /// # Errors
    /// A function's route is malformed or the host's, or two functions want the same requests.
    pub fn new(settings: &GatewaySettings, app: Arc<FunctionApp>) -> Result<Self, RouteError> {
        let (routes, catalog) = (app::routes(&app), Arc::clone(&app));
        Self::of(settings, app, catalog, routes)
    }

    /// The same, with any functions.
    pub(crate) fn of(
        settings: &GatewaySettings,
        app: Arc<dyn HttpFunctions>,
        catalog: Arc<dyn FunctionCatalog>,
        routes: Vec<(RouteDefinition, HttpFunction)>,
    ) -> Result<Self, RouteError> {
        let router = Router::new(&settings.route_prefix, routes)?;
        Ok(Self {
            functions: Functions { app, router, body_limits: BodyLimits::of(settings) },
            list: FunctionList { catalog, route_prefix: settings.route_prefix.clone() },
        })
    }
}

/// Exchanges the app that a gateway serves.
#[derive(Debug, Clone)]
pub struct AppSwitch(Arc<ArcSwap<ServedApp>>);

impl AppSwitch {
    /// This app is served first.
    #[must_use]
    pub fn new(app: ServedApp) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(app)))
    }

    /// Requests that come from now on reach this app; those under way come to their end on the one before.
    pub fn serve(&self, app: ServedApp) {
        self.0.store(Arc::new(app));
    }

    /// The app that is served now; a request keeps it until its end.
    pub(crate) fn app(&self) -> Arc<ServedApp> {
        self.0.load_full()
    }
}
