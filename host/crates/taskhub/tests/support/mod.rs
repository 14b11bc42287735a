//! Orchestrators and activities written as plain Rust, for tests of the engine alone.

pub(crate) mod faulty_store;

use durance_durable::{
    ActivityOptions, ContinueAsNew, EntityId, EntitySignal, GuestFault, InstanceId, Json, ModuleHash,
    RetryPolicy, RuntimeState, RuntimeStatus, ScheduleDefinition, ScheduleId, TaskFailureDetails, TaskId,
    Timestamp,
};
use durance_store::{MemoryStore, TaskHubStore};
use durance_taskhub::{
    ActivityCall, Clock, EntityAnswer, EntityCall, ExecutorError, FunctionExecutor, OrchestrationClient,
    OrchestrationStatus, OrchestratorRun, Progress, SharedState, StartAnswer, StartOptions, SystemClock,
    TaskHub, TaskHubSettings, TimerCall, TimerFunction,
};
use futures_util::future::BoxFuture;
use std::{
    collections::HashMap,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

pub(crate) type Result<T> = std::result::Result<T, TaskFailureDetails>;
type Orchestrator = Arc<dyn Fn(Context) -> BoxFuture<'static, Result<Json>> + Send + Sync>;
type Activity = Arc<dyn Fn(ActivityCall) -> BoxFuture<'static, Result<Json>> + Send + Sync>;
type Timer = Arc<dyn Fn(TimerCall) -> BoxFuture<'static, Result<()>> + Send + Sync>;

type Entity = Arc<dyn Fn(EntityCall) -> Result<EntityAnswer> + Send + Sync>;

/// What an orchestrator of a test calls. Each method does what a guest's import does.
#[derive(Clone)]
pub(crate) struct Context(pub(crate) SharedState);

impl Context {
    fn with<T>(
        &self,
        call: impl FnOnce(&mut RuntimeState) -> std::result::Result<T, GuestFault>,
    ) -> Result<T> {
        call(&mut self.0.lock()).map_err(|fault| fault.failure())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.lock().now()
    }

    pub(crate) fn input(&self) -> Json {
        self.0.lock().input().clone()
    }

    pub(crate) fn is_replaying(&self) -> bool {
        self.0.lock().is_replaying()
    }

    pub(crate) fn schedule(&self, name: &str, input: &str) -> Result<TaskId> {
        self.schedule_with(name, input, ActivityOptions::default())
    }

    pub(crate) fn schedule_with(&self, name: &str, input: &str, options: ActivityOptions) -> Result<TaskId> {
        self.with(|state| state.call_activity(name, json(input), options))
    }

    pub(crate) fn timer(&self, after: Duration) -> Result<TaskId> {
        self.with(|state| state.create_timer(state.now().saturating_add(after)))
    }

    pub(crate) fn event(&self, name: &str) -> Result<TaskId> {
        self.with(|state| state.wait_for_external_event(name))
    }

    pub(crate) fn child(&self, name: &str, id: Option<&str>, input: &str) -> Result<TaskId> {
        self.with(|state| state.call_sub_orchestrator(name, id, json(input), None))
    }

    pub(crate) fn child_with_retries(&self, name: &str, id: Option<&str>, attempts: u32) -> Result<TaskId> {
        self.with(|state| state.call_sub_orchestrator(name, id, Json::null(), Some(retries(attempts))))
    }

    pub(crate) fn start(&self, name: &str, id: Option<&str>, input: &str) -> Result<InstanceId> {
        self.with(|state| state.start_orchestration(name, id, json(input)))
    }

    pub(crate) fn send(&self, id: &str, name: &str, data: &str) -> Result<()> {
        self.with(|state| state.send_event(id, name, json(data)))
    }

    /// Calls an entity and gives its result.
    pub(crate) async fn call(&self, entity: EntityId, operation: &str, input: &str) -> Result<Json> {
        let task = self.with(|state| state.call_entity(entity, operation, json(input)))?;
        self.result(task).await
    }

    pub(crate) fn signal(&self, entity: EntityId, operation: &str, input: &str) -> Result<()> {
        self.with(|state| state.signal_entity(entity, operation, json(input), None))
    }

    /// Waits for locks; the task is for [`Context::release`].
    pub(crate) async fn lock(&self, entities: &[EntityId]) -> Result<TaskId> {
        let task = self.with(|state| state.lock_entities(entities.to_vec()))?;
        self.result(task).await.map(|_| task)
    }

    pub(crate) fn release(&self, lock: TaskId) -> Result<()> {
        self.with(|state| state.release_locks(lock))
    }

    pub(crate) fn cancel(&self, task: TaskId) -> Result<()> {
        self.with(|state| state.cancel_task(task))
    }

    pub(crate) fn continue_as_new(&self, input: &str) {
        let next =
            ContinueAsNew { input: json(input), preserve_unprocessed_events: true, keep_version: false };
        self.0.lock().continue_as_new(next);
    }

    pub(crate) async fn first(&self, tasks: &[TaskId]) -> Result<TaskId> {
        poll_fn(|_| match self.with(|state| state.wait_any(tasks)) {
            Ok(Some(task)) => Poll::Ready(Ok(task)),
            Ok(None) => Poll::Pending,
            Err(failure) => Poll::Ready(Err(failure)),
        })
        .await
    }

    pub(crate) async fn result(&self, task: TaskId) -> Result<Json> {
        self.first(&[task]).await?;
        self.with(|state| state.take_result(task))?
    }
}

/// A function app in plain Rust.
#[derive(Default, Clone)]
pub(crate) struct App {
    orchestrators: HashMap<&'static str, Orchestrator>,
    activities: HashMap<&'static str, Activity>,
    timers: Vec<(TimerFunction, Timer)>,
    entities: HashMap<&'static str, Entity>,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("App")
    }
}

impl App {
    pub(crate) fn orchestrator<F, R>(mut self, name: &'static str, run: F) -> Self
    where
        F: Fn(Context) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Json>> + Send + 'static,
    {
        self.orchestrators.insert(name, Arc::new(move |context| Box::pin(run(context))));
        self
    }

    pub(crate) fn activity<F, R>(mut self, name: &'static str, run: F) -> Self
    where
        F: Fn(ActivityCall) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Json>> + Send + 'static,
    {
        self.activities.insert(name, Arc::new(move |call| Box::pin(run(call))));
        self
    }

    pub(crate) fn timer<F, R>(mut self, name: &str, definition: ScheduleDefinition, run: F) -> Self
    where
        F: Fn(TimerCall) -> R + Send + Sync + 'static,
        R: Future<Output = Result<()>> + Send + 'static,
    {
        let function = TimerFunction { schedule: ScheduleId::new(name).unwrap(), definition };
        self.timers.push((function, Arc::new(move |call| Box::pin(run(call)))));
        self
    }
}

impl App {
    /// `name` in lower case.
    pub(crate) fn entity<F>(mut self, name: &'static str, run: F) -> Self
    where
        F: Fn(EntityCall) -> Result<EntityAnswer> + Send + Sync + 'static,
    {
        self.entities.insert(name, Arc::new(run));
        self
    }
}

const MODULE: ModuleHash = ModuleHash([7; 32]);

impl FunctionExecutor for App {
    fn resolve_orchestrator(&self, name: &str) -> Option<ModuleHash> {
        self.orchestrators.contains_key(name).then_some(MODULE)
    }

    fn orchestrator_names(&self) -> Vec<String> {
        self.orchestrators.keys().map(ToString::to_string).collect()
    }

    fn orchestrator(
        &self,
        module: ModuleHash,
        state: SharedState,
    ) -> std::result::Result<Box<dyn OrchestratorRun>, ExecutorError> {
        let name = state.lock().name().to_owned();
        let orchestrator = self.orchestrators.get(name.as_str()).cloned();
        let orchestrator = orchestrator.ok_or(ExecutorError::Component { module, why: "gone".to_owned() })?;
        Ok(Box::new(Run { state, orchestrator, guest: None }))
    }

    fn activity(&self, call: ActivityCall) -> BoxFuture<'_, Result<Json>> {
        match self.activities.get(&*call.call.name) {
            Some(activity) => activity(call),
            None => Box::pin(async { Err(TaskFailureDetails::non_retriable("UnknownActivity", "unknown")) }),
        }
    }

    fn timer_functions(&self) -> Vec<TimerFunction> {
        self.timers.iter().map(|(function, _)| function.clone()).collect()
    }

    fn timer(&self, call: TimerCall) -> BoxFuture<'_, Result<()>> {
        let found = self.timers.iter().find(|(function, _)| function.schedule.as_str() == &*call.function);
        found.unwrap().1(call)
    }

    fn entity_names(&self) -> Vec<String> {
        self.entities.keys().map(ToString::to_string).collect()
    }

    fn entity(&self, call: EntityCall) -> BoxFuture<'_, Result<EntityAnswer>> {
        let answer = match self.entities.get(call.entity.name()) {
            Some(entity) => entity(call),
            None => Err(TaskFailureDetails::non_retriable("UnknownEntity", "unknown")),
        };
        Box::pin(std::future::ready(answer))
    }
}

struct Run {
    state: SharedState,
    orchestrator: Orchestrator,
    guest: Option<Pin<Box<dyn Future<Output = Result<Json>> + Send>>>,
}

impl OrchestratorRun for Run {
    fn resume(&mut self) -> BoxFuture<'_, std::result::Result<Progress, ExecutorError>> {
        Box::pin(poll_fn(|cx| {
            if self.guest.is_none() {
                match self.state.lock().poll_start() {
                    Ok(true) => {}
                    Ok(false) => return Poll::Ready(Ok(Progress::Waiting)),
                    Err(fault) => return Poll::Ready(Ok(Progress::Returned(Err(fault.failure())))),
                }
                self.guest = Some((self.orchestrator)(Context(Arc::clone(&self.state))));
            }
            let guest = self.guest.as_mut().expect("made above");
            Poll::Ready(Ok(match guest.as_mut().poll(cx) {
                Poll::Ready(result) => Progress::Returned(result),
                Poll::Pending => Progress::Waiting,
            }))
        }))
    }
}

/// A hub on a store that outlives it.
pub(crate) struct Hub {
    pub(crate) hub: TaskHub,
    pub(crate) client: OrchestrationClient,
    pub(crate) store: Arc<dyn TaskHubStore>,
}

impl Hub {
    pub(crate) fn open(app: App) -> Self {
        Self::open_on(Arc::new(MemoryStore::new(16)), app, &TaskHubSettings::default())
    }

    pub(crate) fn open_on(store: Arc<dyn TaskHubStore>, app: App, settings: &TaskHubSettings) -> Self {
        Self::open_with(store, app, Arc::new(SystemClock), settings)
    }

    /// On this clock.
    pub(crate) fn open_at(store: Arc<dyn TaskHubStore>, app: App, clock: Arc<dyn Clock>) -> Self {
        Self::open_with(store, app, clock, &TaskHubSettings::default())
    }

    pub(crate) fn open_with(
        store: Arc<dyn TaskHubStore>,
        app: App,
        clock: Arc<dyn Clock>,
        settings: &TaskHubSettings,
    ) -> Self {
        let mut hub = TaskHub::open(Arc::clone(&store), Arc::new(app), clock, settings).unwrap();
        hub.recover().unwrap();
        let client = hub.client();
        Self { hub, client, store }
    }

    /// Ends the hub as a crash does, as far as that can be in one process, and opens it again with `app`.
    pub(crate) async fn reopen(self, app: App) -> Self {
        self.hub.close(Duration::ZERO).await;
        Self::open_on(self.store, app, &TaskHubSettings::default())
    }

    pub(crate) async fn start(&self, orchestrator: &str, id: &str, input: &str) -> StartAnswer {
        let options = StartOptions { instance: Some(instance(id)), ..StartOptions::default() };
        self.client.start_new(orchestrator, json(input), options).await.unwrap()
    }

    pub(crate) async fn finished(&self, id: &str) -> OrchestrationStatus {
        let status = self.client.wait_for_completion(&instance(id), Duration::from_secs(20)).await.unwrap();
        assert!(status.runtime_status.is_finished(), "{status:?}");
        status
    }

    pub(crate) async fn output(&self, id: &str) -> String {
        let status = self.finished(id).await;
        assert_eq!(status.runtime_status, RuntimeStatus::Completed, "{:?}", status.failure);
        status.output.map(|output| output.to_string()).unwrap_or_default()
    }

    pub(crate) async fn failure(&self, id: &str) -> TaskFailureDetails {
        let status = self.finished(id).await;
        assert_eq!(status.runtime_status, RuntimeStatus::Failed);
        status.failure.unwrap()
    }

    /// Raises an event; there is nothing to wait for but that it is accepted.
    pub(crate) async fn raise(&self, id: &str, name: &str, data: &str) {
        self.client.raise_event(&instance(id), name, json(data)).await.unwrap();
    }
}

pub(crate) fn entity(name: &str, key: &str) -> EntityId {
    EntityId::new(name, key).unwrap()
}

pub(crate) fn signal(entity: EntityId, operation: &str, input: &str) -> EntitySignal {
    EntitySignal { entity, operation: operation.into(), input: json(input), due: None }
}

/// So many attempts, a moment apart.
pub(crate) fn retries(max_attempts: u32) -> RetryPolicy {
    RetryPolicy {
        first_retry_interval: Duration::from_millis(5),
        max_attempts,
        backoff_coefficient: 1.0,
        max_retry_interval: None,
        retry_timeout: None,
        jitter: 0.0,
        handle: Vec::new(),
    }
}

pub(crate) fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

pub(crate) fn instance(id: &str) -> InstanceId {
    InstanceId::new(id).unwrap()
}
