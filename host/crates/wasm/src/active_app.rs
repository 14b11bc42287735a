//! The app that is served now.

use crate::FunctionApp;
use arc_swap::ArcSwap;
use durance_durable::{Json, ModuleHash, TaskFailureDetails};
use durance_taskhub::{
    ActivityCall, EntityAnswer, EntityCall, ExecutorError, FunctionExecutor, OrchestratorRun, SharedState,
    TimerCall, TimerFunction,
};
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// Runs the functions of whatever app is the active one, and can be given another while it does.
///
/// A call runs to its end on the app that it began on. Orchestrators, and the activities that these call, run on the
/// components that they are pinned to; limits and allowed hosts are those of the active app for all that begins.
#[derive(Debug)]
pub struct ActiveApp(ArcSwap<FunctionApp>);

impl ActiveApp {
    /// This app is the active one.
    #[must_use]
    pub fn new(app: Arc<FunctionApp>) -> Arc<Self> {
        Arc::new(Self(ArcSwap::new(app)))
    }

    /// The active app.
    #[must_use]
    pub fn get(&self) -> Arc<FunctionApp> {
        self.0.load_full()
    }

    /// Makes another app the active one.
    pub fn exchange(&self, app: Arc<FunctionApp>) {
        self.0.store(app);
    }
}

impl FunctionExecutor for ActiveApp {
    fn resolve_orchestrator(&self, name: &str) -> Option<ModuleHash> {
        self.get().resolve_orchestrator(name)
    }

    fn orchestrator_names(&self) -> Vec<String> {
        self.get().orchestrator_names()
    }

    fn orchestrator(
        &self,
        module: ModuleHash,
        state: SharedState,
    ) -> Result<Box<dyn OrchestratorRun>, ExecutorError> {
        self.get().orchestrator(module, state)
    }

    fn activity(&self, call: ActivityCall) -> BoxFuture<'_, Result<Json, TaskFailureDetails>> {
        let app = self.get();
        Box::pin(async move { app.activity(call).await })
    }

    fn entity_names(&self) -> Vec<String> {
        self.get().entity_names()
    }

    fn has_entity(&self, name: &str) -> bool {
        self.get().has_entity(name)
    }

    fn entity(&self, call: EntityCall) -> BoxFuture<'_, Result<EntityAnswer, TaskFailureDetails>> {
        let app = self.get();
        Box::pin(async move { app.entity(call).await })
    }

    fn timer_functions(&self) -> Vec<TimerFunction> {
        self.get().timer_functions()
    }

    fn timer(&self, call: TimerCall) -> BoxFuture<'_, Result<(), TaskFailureDetails>> {
        let app = self.get();
        Box::pin(async move { app.timer(call).await })
    }
}
