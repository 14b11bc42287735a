//! What the tests of this crate share.

use crate::{
    app_versions::{AppError, AppList, AppUpload, AppVersions, Collected, DeployReport},
    response::HttpResponse,
};
use durance_durable::{GuestFault, Json, ModuleHash, RuntimeState, TaskFailureDetails, TaskId, Timestamp};
use durance_store::MemoryStore;
use durance_taskhub::{
    ActivityCall, Clock, ExecutorError, FunctionExecutor, OrchestratorRun, Progress, SharedState,
    SystemClock, TaskHub, TaskHubSettings,
};
use futures_util::{FutureExt as _, future::BoxFuture};
use http_body_util::BodyExt as _;
use serde_json::Value;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
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

/// A hub in memory with three orchestrators: `Echo` gives its input, `Fail` fails, `Wait` gives the data of event `Go`.
pub(crate) fn open_task_hub() -> TaskHub {
    let store = Arc::new(MemoryStore::new(4));
    let mut hub =
        TaskHub::open(store, Arc::new(App), Arc::new(SystemClock), &TaskHubSettings::default()).unwrap();
    hub.recover().unwrap();
    hub
}

#[derive(Debug)]
struct App;

const ORCHESTRATORS: [&str; 3] = ["Echo", "Fail", "Wait"];

impl FunctionExecutor for App {
    fn resolve_orchestrator(&self, name: &str) -> Option<ModuleHash> {
        ORCHESTRATORS.contains(&name).then_some(ModuleHash([7; 32]))
    }

    fn orchestrator_names(&self) -> Vec<String> {
        ORCHESTRATORS.map(str::to_owned).to_vec()
    }

    fn orchestrator(
        &self,
        _: ModuleHash,
        state: SharedState,
    ) -> Result<Box<dyn OrchestratorRun>, ExecutorError> {
        Ok(Box::new(Run { state, event: None }))
    }

    fn activity(&self, _: ActivityCall) -> BoxFuture<'_, Result<Json, TaskFailureDetails>> {
        Box::pin(async { Err(TaskFailureDetails::new("UnknownActivity", "there are none")) })
    }
}

struct Run {
    state: SharedState,
    /// What `Wait` waits for.
    event: Option<TaskId>,
}

impl OrchestratorRun for Run {
    fn resume(&mut self) -> BoxFuture<'_, Result<Progress, ExecutorError>> {
        let progress = run(&mut self.state.lock(), &mut self.event).unwrap();
        Box::pin(std::future::ready(Ok(progress)))
    }
}

fn run(state: &mut RuntimeState, event: &mut Option<TaskId>) -> Result<Progress, GuestFault> {
    if event.is_none() && !state.poll_start()? {
        return Ok(Progress::Waiting);
    }
    match state.name() {
        "Echo" => return Ok(Progress::Returned(Ok(state.input().clone()))),
        "Fail" => return Ok(Progress::Returned(Err(TaskFailureDetails::new("Broken", "no luck")))),
        _ => {}
    }
    let task = match *event {
        Some(task) => task,
        None => *event.insert(state.wait_for_external_event("Go")?),
    };
    match state.wait_any(&[task])? {
        Some(_) => state.take_result(task).map(Progress::Returned),
        None => Ok(Progress::Waiting),
    }
}

/// Keeps no versions of the app.
#[derive(Debug)]
pub(crate) struct NoVersions;

impl NoVersions {
    fn refuse<T: Send + 'static>() -> BoxFuture<'static, Result<T, AppError>> {
        Box::pin(async { Err(AppError::Conflict("there are none".to_owned())) })
    }
}

impl AppVersions for NoVersions {
    fn list(&self) -> BoxFuture<'_, AppList> {
        Box::pin(async { AppList { app: "none".to_owned(), versions: Vec::new() } })
    }

    fn deploy(&self, _: AppUpload) -> BoxFuture<'_, Result<DeployReport, AppError>> {
        Self::refuse()
    }

    fn activate(&self, _: ModuleHash) -> BoxFuture<'_, Result<DeployReport, AppError>> {
        Self::refuse()
    }

    fn rollback(&self) -> BoxFuture<'_, Result<DeployReport, AppError>> {
        Self::refuse()
    }

    fn collect(&self) -> BoxFuture<'_, Result<Collected, AppError>> {
        Self::refuse()
    }
}
