//! A component that is ready to be instantiated.

use crate::{
    bindings::{
        DescribeResult, HandleHttpParams, HandleHttpResult, RunEntityParams, RunEntityResult, RunParams,
        RunResult, RunTimerParams, RunTimerResult,
    },
    call_state::{CallState, Trigger},
    linker::Linkers,
    manifest::{self, FunctionKind, FunctionManifest},
    orchestrator_state::{OrchestratorState, RunControl, Tick},
    shared::Shared,
};
use durance_durable::ModuleHash;
use std::{sync::Arc, time::Duration};
use wasmtime::{
    ResourceLimiter, Store, UpdateDeadline,
    component::{Component, ComponentExportIndex, Instance, InstancePre},
};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

const DESCRIBE: &str = "describe";
/// How long a component may take to describe itself.
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a guest may hand over at once, beyond the value or the body: names, headers, options.
const COPY_BYTES_EXTRA: usize = 256 * 1024;

/// Why a component cannot be used. The text says what is wrong with it and what to do; the file is said by whoever
/// loads it.
pub(crate) type Unusable = String;

/// A compiled component with its functions, linked for the roles that these have.
pub(crate) struct ReadyComponent {
    pub(crate) hash: ModuleHash,
    pub(crate) functions: Vec<FunctionManifest>,
    pub(crate) calls: InstancePre<CallState>,
    pub(crate) orchestrators: InstancePre<OrchestratorState>,
    /// None: it does not export `wasi:http/incoming-handler`.
    pub(crate) wasi_http: Option<ProxyPre<CallState>>,
    pub(crate) exports: Exports,
}

/// Where the exports are; none where the component has no such export.
#[derive(Debug)]
pub(crate) struct Exports {
    pub(crate) handle_http: Option<ComponentExportIndex>,
    pub(crate) run_activity: Option<ComponentExportIndex>,
    pub(crate) run_orchestrator: Option<ComponentExportIndex>,
    pub(crate) run_timer: Option<ComponentExportIndex>,
    pub(crate) run_entity: Option<ComponentExportIndex>,
}

impl ReadyComponent {
    /// Links a component whose functions are known.
    pub(crate) fn new(
        hash: ModuleHash,
        component: &Component,
        linkers: &Linkers,
        functions: Vec<FunctionManifest>,
    ) -> Result<Self, Unusable> {
        let unknown_import = |error: wasmtime::Error| {
            format!(
                "{error:#}; this host offers WASI 0.2, wasi:http 0.2 and durance:functions 0.1: build the component against those"
            )
        };
        let calls = linkers.for_calls(component).map_err(unknown_import)?;
        let orchestrators = linkers.for_orchestrators(component).map_err(unknown_import)?;
        let export = |kind: FunctionKind| component.get_export_index(None, kind.export());
        let exports = Exports {
            handle_http: export(FunctionKind::HttpTrigger),
            run_activity: export(FunctionKind::ActivityTrigger),
            run_orchestrator: export(FunctionKind::OrchestrationTrigger),
            run_timer: export(FunctionKind::TimerTrigger),
            run_entity: export(FunctionKind::EntityTrigger),
        };
        let wasi_http = ProxyPre::new(calls.clone()).ok();
        Ok(Self { hash, functions, calls, orchestrators, wasi_http, exports })
    }

    /// Asks a component for its functions, and checks that it has the exports that they need.
    pub(crate) async fn describe(&mut self, shared: &Arc<Shared>) -> Result<(), Unusable> {
        let component = self.orchestrators.component();
        let Some(describe) = component.get_export_index(None, DESCRIBE) else {
            if self.wasi_http.is_some() {
                return Ok(());
            }
            return Err(format!(
                "it has no export `{DESCRIBE}`, which lists its functions; build it with the Durance SDK, or from the \
                 WIT package durance:functions"
            ));
        };
        let control = Arc::new(RunControl::default());
        let state = OrchestratorState::new(Arc::clone(shared), DESCRIBE.into(), None, control);
        let mut store = orchestrator_store(&self.orchestrators, state);
        let call = async {
            let instance = self.orchestrators.instantiate_async(&mut store).await?;
            let function = instance
                .get_typed_func::<(), DescribeResult>(&mut store, &describe)
                .map_err(|error| error.context(wrong_type(DESCRIBE)))?;
            let (text,) = function.call_async(&mut store, ()).await?;
            self.check_export_types(&instance, &mut store)?;
            Ok::<_, wasmtime::Error>(text)
        };
        let text = match tokio::time::timeout(DESCRIBE_TIMEOUT, call).await {
            Ok(Ok(text)) => text,
            Ok(Err(error)) => return Err(format!("`{DESCRIBE}` failed: {error:#}")),
            Err(_) => return Err(format!("`{DESCRIBE}` took more than {} s", DESCRIBE_TIMEOUT.as_secs())),
        };
        self.functions =
            manifest::parse(&text).map_err(|why| format!("the answer of `{DESCRIBE}` is wrong: {why}"))?;
        self.functions.iter().try_for_each(|function| self.check_export(function))
    }

    fn check_export(&self, function: &FunctionManifest) -> Result<(), Unusable> {
        let export = match function.kind {
            FunctionKind::HttpTrigger => &self.exports.handle_http,
            FunctionKind::ActivityTrigger => &self.exports.run_activity,
            FunctionKind::OrchestrationTrigger => &self.exports.run_orchestrator,
            FunctionKind::TimerTrigger => &self.exports.run_timer,
            FunctionKind::EntityTrigger => &self.exports.run_entity,
        };
        if export.is_some() {
            return Ok(());
        }
        let (name, kind, export) = (&function.name, function.kind, function.kind.export());
        Err(format!("function '{name}' is a {kind}, but the component has no export `{export}`: export it"))
    }

    fn check_export_types(
        &self,
        instance: &Instance,
        store: &mut Store<OrchestratorState>,
    ) -> Result<(), wasmtime::Error> {
        let wrong =
            |kind: FunctionKind| move |error: wasmtime::Error| error.context(wrong_type(kind.export()));
        if let Some(index) = &self.exports.handle_http {
            let checked =
                instance.get_typed_func::<HandleHttpParams<'_>, HandleHttpResult>(&mut *store, index);
            checked.map_err(wrong(FunctionKind::HttpTrigger))?;
        }
        if let Some(index) = &self.exports.run_activity {
            let checked = instance.get_typed_func::<RunParams<'_>, RunResult>(&mut *store, index);
            checked.map_err(wrong(FunctionKind::ActivityTrigger))?;
        }
        if let Some(index) = &self.exports.run_orchestrator {
            let checked = instance.get_typed_func::<RunParams<'_>, RunResult>(&mut *store, index);
            checked.map_err(wrong(FunctionKind::OrchestrationTrigger))?;
        }
        if let Some(index) = &self.exports.run_timer {
            let checked = instance.get_typed_func::<RunTimerParams<'_>, RunTimerResult>(&mut *store, index);
            checked.map_err(wrong(FunctionKind::TimerTrigger))?;
        }
        if let Some(index) = &self.exports.run_entity {
            let checked = instance.get_typed_func::<RunEntityParams<'_>, RunEntityResult>(&mut *store, index);
            checked.map_err(wrong(FunctionKind::EntityTrigger))?;
        }
        Ok(())
    }

    /// The function of this name, without regard to case.
    pub(crate) fn function(&self, kind: FunctionKind, name: &str) -> Option<&FunctionManifest> {
        self.functions
            .iter()
            .find(|function| function.kind == kind && function.name.eq_ignore_ascii_case(name))
    }
}

fn wrong_type(export: &str) -> String {
    format!("export `{export}` has another type than in the WIT package durance:functions")
}

/// A store for one call of a function that is no orchestrator. Whoever awaits the call bounds its time; a guest that
/// computes gives way to others at each tick.
pub(crate) fn call_store(pre: &InstancePre<CallState>, state: CallState) -> Store<CallState> {
    let mut store = Store::new(pre.engine(), state);
    let settings = &store.data().shared.settings;
    let bytes_max = match store.data().trigger {
        Trigger::Http { .. } => settings.response_body_bytes_max,
        Trigger::Activity(_) | Trigger::Timer | Trigger::Entity(_) => settings.value_bytes_max,
    };
    store.set_hostcall_fuel(bytes_max.saturating_add(COPY_BYTES_EXTRA));
    store.limiter(|state: &mut CallState| -> &mut dyn ResourceLimiter { &mut state.limiter });
    store.epoch_deadline_callback(|_| Ok(give_way()));
    store.set_epoch_deadline(1);
    store
}

/// A store for an orchestrator, whose CPU time is counted.
pub(crate) fn orchestrator_store(
    pre: &InstancePre<OrchestratorState>,
    state: OrchestratorState,
) -> Store<OrchestratorState> {
    let mut store = Store::new(pre.engine(), state);
    let bytes_max = store.data().shared.settings.value_bytes_max;
    store.set_hostcall_fuel(bytes_max.saturating_add(COPY_BYTES_EXTRA));
    store.limiter(|state: &mut OrchestratorState| -> &mut dyn ResourceLimiter { &mut state.limiter });
    store.epoch_deadline_callback(|store| {
        Ok(match store.data().tick()? {
            Tick::WhileParked => UpdateDeadline::Continue(1),
            Tick::OfTheGuest => give_way(),
        })
    });
    store.set_epoch_deadline(1);
    store
}

/// The guest goes on after everybody else who is ready, and after tokio has looked for I/O and timers.
fn give_way() -> UpdateDeadline {
    UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))
}

impl std::fmt::Debug for ReadyComponent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadyComponent").field("hash", &self.hash).finish_non_exhaustive()
    }
}
