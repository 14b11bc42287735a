//! What a component gets for its imports, by the role in which it is instantiated.

use crate::{
    bindings::{invocation, orchestration_client, orchestration_context, schedule_client},
    call_state::CallState,
    error::GuestStop,
    orchestrator_state::OrchestratorState,
};
use wasmtime::{
    Engine, Result,
    component::{Component, HasSelf, InstancePre, Linker, types::ComponentItem},
};
use wasmtime_wasi::p2::bindings::{
    clocks::{monotonic_clock, wall_clock},
    random::{insecure, insecure_seed, random},
};

/// An interface whose functions trap in a role, without its version, and what they say.
type Forbidden = (&'static str, &'static str);

const FORBIDDEN_IN_CALLS: &[Forbidden] = &[(
    "durance:functions/orchestration-context",
    "the orchestration context can be used in an orchestrator only; here, use the orchestration client",
)];

const FORBIDDEN_IN_ORCHESTRATORS: &[Forbidden] = &[
    (
        "durance:functions/orchestration-client",
        "an orchestrator cannot use the orchestration client: call a sub-orchestrator, or an activity that uses it",
    ),
    (
        "durance:functions/schedule-client",
        "an orchestrator cannot manage schedules: call an activity that does, or wait for a timer",
    ),
    ("wasi:http/outgoing-handler", "an orchestrator cannot send HTTP requests: call an activity that does"),
    ("wasi:sockets/tcp-create-socket", "an orchestrator cannot use the network: call an activity that does"),
    ("wasi:sockets/udp-create-socket", "an orchestrator cannot use the network: call an activity that does"),
    ("wasi:sockets/ip-name-lookup", "an orchestrator cannot use the network: call an activity that does"),
];

/// One linker for each role.
pub(crate) struct Linkers {
    calls: Linker<CallState>,
    orchestrators: Linker<OrchestratorState>,
}

impl Linkers {
    pub(crate) fn new(engine: &Engine) -> Result<Self> {
        Ok(Self { calls: call_linker(engine)?, orchestrators: orchestrator_linker(engine)? })
    }

    /// Prepares a component to run HTTP functions and activities.
    pub(crate) fn for_calls(&self, component: &Component) -> Result<InstancePre<CallState>> {
        link(self.calls.clone(), component, FORBIDDEN_IN_CALLS)
    }

    /// Prepares a component to run orchestrators, and to describe itself.
    pub(crate) fn for_orchestrators(&self, component: &Component) -> Result<InstancePre<OrchestratorState>> {
        link(self.orchestrators.clone(), component, FORBIDDEN_IN_ORCHESTRATORS)
    }
}

fn call_linker(engine: &Engine) -> Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    invocation::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    orchestration_client::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    schedule_client::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    Ok(linker)
}

fn orchestrator_linker(engine: &Engine) -> Result<Linker<OrchestratorState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    // What is not deterministic is replaced.
    linker.allow_shadowing(true);
    wall_clock::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    monotonic_clock::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    random::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    insecure::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    insecure_seed::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    linker.allow_shadowing(false);
    invocation::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    orchestration_context::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    Ok(linker)
}

fn link<T>(mut linker: Linker<T>, component: &Component, forbidden: &[Forbidden]) -> Result<InstancePre<T>> {
    linker.allow_shadowing(true);
    let engine = component.engine();
    for (import, item) in component.component_type().imports(engine) {
        let name = import.split_once('@').map_or(import, |(name, _)| name);
        let Some((_, message)) = forbidden.iter().find(|(interface, _)| *interface == name) else { continue };
        let ComponentItem::ComponentInstance(interface) = item.ty else { continue };
        // Under the very name that the component imports: whatever its version, it is found before any other.
        let mut instance = linker.instance(import)?;
        for (function, item) in interface.exports(engine) {
            if matches!(item.ty, ComponentItem::ComponentFunc(_)) {
                instance.func_new(function, |_, _, _, _| Err(GuestStop::NotAllowed(message).into()))?;
            }
        }
    }
    linker.instantiate_pre(component)
}
