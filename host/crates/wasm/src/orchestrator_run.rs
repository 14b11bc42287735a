//! A run of an orchestrator: its guest as one future, suspended between turns.

use crate::{
    activity_function::invalid_output,
    bindings::{RunParams, RunResult},
    component::{ReadyComponent, orchestrator_store},
    component_store::ComponentStore,
    error::{Stop, failure_from_guest},
    manifest::FunctionKind,
    orchestrator_state::{OrchestratorState, RunControl},
    shared::Shared,
};
use durance_durable::{Json, ModuleHash, TaskFailureDetails};
use durance_taskhub::{ExecutorError, OrchestratorRun, Progress, SharedState};
use futures_util::future::BoxFuture;
use std::{fmt, future::poll_fn, sync::Arc, task::Poll};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What runs of orchestrators need.
#[derive(Debug)]
pub(crate) struct OrchestratorHost {
    components: Arc<ComponentStore>,
    slots: Arc<Semaphore>,
}

impl OrchestratorHost {
    pub(crate) fn new(components: Arc<ComponentStore>, slots: u32) -> Arc<Self> {
        Arc::new(Self { components, slots: Arc::new(Semaphore::new(slots as usize)) })
    }
}

/// How a guest ended.
type Ending = Result<Json, Stopped>;

/// Why a guest ended without an output.
enum Stopped {
    /// The orchestration fails.
    Failed(TaskFailureDetails),
    /// The pool is full: the turn is to be tried again.
    NoRoom(String),
}

/// A run of an orchestrator in a component instance of its own.
pub(crate) struct WasmOrchestratorRun {
    host: Arc<OrchestratorHost>,
    shared: Arc<Shared>,
    module: ModuleHash,
    state: SharedState,
    control: Arc<RunControl>,
    guest: Guest,
}

enum Guest {
    NotStarted,
    /// Suspended or in a turn. Dropping the future unwinds the guest and frees its slot.
    Started(BoxFuture<'static, Ending>),
    Over,
}

impl WasmOrchestratorRun {
    pub(crate) fn new(
        host: Arc<OrchestratorHost>,
        shared: Arc<Shared>,
        module: ModuleHash,
        state: SharedState,
    ) -> Self {
        Self { host, shared, module, state, control: Arc::default(), guest: Guest::NotStarted }
    }

    async fn run_turn(&mut self) -> Result<Progress, ExecutorError> {
        if matches!(self.guest, Guest::NotStarted) {
            match self.state.lock().poll_start() {
                Ok(true) => {}
                Ok(false) => return Ok(Progress::Waiting),
                Err(fault) => return Ok(Progress::Returned(Err(fault.failure()))),
            }
            match self.start().await? {
                Ok(guest) => self.guest = Guest::Started(guest),
                Err(failure) => return Ok(Progress::Returned(Err(failure))),
            }
        }
        let Guest::Started(guest) = &mut self.guest else {
            return Ok(Progress::Returned(Err(TaskFailureDetails::new(
                "Over",
                "the orchestrator has ended before",
            ))));
        };
        self.control.begin_turn();
        let control = &self.control;
        let ending = poll_fn(|context| match guest.as_mut().poll(context) {
            Poll::Ready(ending) => Poll::Ready(Some(ending)),
            Poll::Pending if control.take_parked() => Poll::Ready(None),
            // The guest gave way to others, and has seen to it that it is woken.
            Poll::Pending => Poll::Pending,
        });
        let Some(ending) = ending.await else { return Ok(Progress::Waiting) };
        self.guest = Guest::Over;
        match ending {
            Ok(output) => Ok(Progress::Returned(Ok(output))),
            Err(Stopped::Failed(failure)) => Ok(Progress::Returned(Err(failure))),
            Err(Stopped::NoRoom(why)) => Err(ExecutorError::NoRoom(why)),
        }
    }

    /// Makes the guest's future; nothing of it runs yet. The inner error is the orchestration's.
    async fn start(
        &mut self,
    ) -> Result<Result<BoxFuture<'static, Ending>, TaskFailureDetails>, ExecutorError> {
        let Ok(slot) = Arc::clone(&self.host.slots).try_acquire_owned() else {
            return Err(ExecutorError::NoRoom("all slots for orchestrators are taken".to_owned()));
        };
        let component = self.host.components.load_pinned(self.module).await;
        let component = component.map_err(|why| ExecutorError::Component { module: self.module, why })?;
        let (name, input) = {
            let state = self.state.lock();
            (Arc::<str>::from(state.name()), state.input().clone())
        };
        let Some(function) = component.function(FunctionKind::OrchestrationTrigger, &name) else {
            let message = format!("component {} has no orchestrator '{name}'", self.module);
            return Ok(Err(TaskFailureDetails::non_retriable("UnknownOrchestrator", message)));
        };
        let function: Arc<str> = function.name.as_str().into();
        let shared = Arc::clone(&self.shared);
        let context = Some(Arc::clone(&self.state));
        let state = OrchestratorState::new(shared, function, context, Arc::clone(&self.control));
        Ok(Ok(Box::pin(run_guest(component, state, input, slot))))
    }
}

async fn run_guest(
    component: Arc<ReadyComponent>,
    state: OrchestratorState,
    input: Json,
    _slot: OwnedSemaphorePermit,
) -> Ending {
    let export = component.exports.run_orchestrator.as_ref();
    let export = export.expect("a component with orchestrators has the export");
    let (shared, function) = (Arc::clone(&state.shared), Arc::clone(&state.function));
    let mut store = orchestrator_store(&component.orchestrators, state);
    let answer = async {
        let instance = component.orchestrators.instantiate_async(&mut store).await?;
        let run = instance.get_typed_func::<RunParams<'_>, RunResult>(&mut store, export)?;
        run.call_async(&mut store, (&function, input.as_str())).await
    };
    match answer.await {
        Ok((Ok(output),)) => shared
            .value("the orchestrator's output", output)
            .map_err(|invalid| Stopped::Failed(invalid_output(invalid))),
        Ok((Err(failure),)) => Err(Stopped::Failed(failure_from_guest(failure))),
        Err(error) => {
            let state = store.data();
            match Stop::of(&error, state.limiter.refused(), state.log()) {
                Stop::NoRoom(why) => Err(Stopped::NoRoom(why)),
                stop => Err(Stopped::Failed(stop.into_failure(shared.settings.memory_bytes_max))),
            }
        }
    }
}

impl OrchestratorRun for WasmOrchestratorRun {
    fn resume(&mut self) -> BoxFuture<'_, Result<Progress, ExecutorError>> {
        Box::pin(self.run_turn())
    }
}

impl fmt::Debug for WasmOrchestratorRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasmOrchestratorRun").field("module", &self.module).finish_non_exhaustive()
    }
}
