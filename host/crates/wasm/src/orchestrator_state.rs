//! What lives in the store of an orchestrator: deterministic WASI, and the state that its calls meet.

use crate::{
    bindings::invocation, call_state::wasi_ctx, engine::TICK, error::GuestStop, guest_log::GuestLog,
    limits::MemoryLimiter, shared::Shared,
};
use durance_durable::RuntimeState;
use durance_taskhub::SharedState;
use parking_lot::MutexGuard;
use sha2::{Digest, Sha256};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use uuid::Uuid;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::p2::{
    DynPollable,
    bindings::{
        clocks::{monotonic_clock, wall_clock},
        random::{insecure, insecure_seed, random},
    },
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView, default_hooks};

/// A guest may ask for this many random bytes at once.
const RANDOM_BYTES_MAX: u64 = 1024 * 1024;

const SUBSCRIBE_TO_CLOCK: &str = "an orchestrator cannot sleep: create a timer and wait for it";

/// What a run and the host functions that its guest calls tell each other.
#[derive(Debug, Default)]
pub(crate) struct RunControl {
    /// The guest waits for a task that is open.
    parked: AtomicBool,
    /// The guest was parked since its last tick.
    was_parked: AtomicBool,
    live_ticks: AtomicU64,
    replay_ticks: AtomicU64,
}

/// Whose time a tick was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tick {
    /// It went by while the guest was parked: the deadline of an epoch does not stand still.
    WhileParked,
    /// The guest was computing.
    OfTheGuest,
}

impl RunControl {
    /// The guest waits for a task that is open.
    pub(crate) fn park(&self) {
        self.parked.store(true, Relaxed);
        self.was_parked.store(true, Relaxed);
    }

    /// Whether the guest has parked since this was asked last.
    pub(crate) fn take_parked(&self) -> bool {
        self.parked.swap(false, Relaxed)
    }

    /// Gives the guest the CPU time of another turn.
    pub(crate) fn begin_turn(&self) {
        self.parked.store(false, Relaxed);
        self.live_ticks.store(0, Relaxed);
        self.replay_ticks.store(0, Relaxed);
    }
}

pub(crate) struct OrchestratorState {
    pub(crate) shared: Arc<Shared>,
    pub(crate) function: Arc<str>,
    /// None while a component describes itself: then there is no orchestration.
    pub(crate) context: Option<SharedState>,
    pub(crate) control: Arc<RunControl>,
    pub(crate) limiter: MemoryLimiter,
    random: DeterministicRandom,
    wasi: Option<Box<Wasi>>,
}

struct Wasi {
    ctx: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    log: Arc<GuestLog>,
}

impl OrchestratorState {
    pub(crate) fn new(
        shared: Arc<Shared>,
        function: Arc<str>,
        context: Option<SharedState>,
        control: Arc<RunControl>,
    ) -> Self {
        let seed = context.as_ref().map_or(Uuid::nil(), |state| state.lock().execution().0);
        let limiter = MemoryLimiter::new(shared.settings.memory_bytes_max);
        let random = DeterministicRandom { seed, blocks: 0 };
        Self { shared, function, context, control, limiter, random, wasi: None }
    }

    /// The state of the orchestration.
    ///
    /// # Errors
    /// There is none: the component is describing itself.
    pub(crate) fn context(&self) -> Result<MutexGuard<'_, RuntimeState>, GuestStop> {
        let none = GuestStop::NotAllowed("the orchestration context can be used in an orchestrator only");
        self.context.as_ref().map(|state| state.lock()).ok_or(none)
    }

    pub(crate) fn log(&self) -> Option<&GuestLog> {
        self.wasi.as_deref().map(|wasi| &*wasi.log)
    }

    /// Counts a tick of CPU time.
    ///
    /// # Errors
    /// The budget is used up.
    pub(crate) fn tick(&self) -> Result<Tick, GuestStop> {
        if self.control.was_parked.swap(false, Relaxed) {
            return Ok(Tick::WhileParked);
        }
        let settings = &self.shared.settings;
        let replayed_events = self
            .context
            .as_ref()
            .map(|state| state.lock())
            .filter(|state| state.is_replaying())
            .map(|s| s.event_count());
        let (ticks, budget) = match replayed_events {
            Some(events) => {
                let events = u32::try_from(events).unwrap_or(u32::MAX);
                let budget = settings.replay_cpu_budget_per_event.saturating_mul(events);
                (&self.control.replay_ticks, budget.saturating_add(settings.turn_cpu_budget))
            }
            None => (&self.control.live_ticks, settings.turn_cpu_budget),
        };
        let used = u32::try_from(ticks.fetch_add(1, Relaxed)).unwrap_or(u32::MAX);
        if TICK.saturating_mul(used) >= budget {
            return Err(GuestStop::CpuBudget(budget.as_millis()));
        }
        Ok(Tick::OfTheGuest)
    }

    /// The time of the present turn, in nanoseconds since the Unix epoch.
    fn now_nanos(&self) -> u64 {
        self.context.as_ref().map_or(0, |state| state.lock().now().as_nanos())
    }

    fn wasi(&mut self) -> &mut Wasi {
        let Self { shared, function, context, wasi, .. } = self;
        wasi.get_or_insert_with(|| {
            let ids = context.as_ref().map(|state| {
                let state = state.lock();
                (Arc::from(state.instance().as_str()), state.execution().0)
            });
            let (instance, execution) = ids.unzip();
            let execution = execution.unwrap_or_default();
            let log = GuestLog::new(
                Arc::clone(function),
                instance,
                execution,
                context.clone(),
                shared.log_limits(),
            );
            Box::new(Wasi { ctx: wasi_ctx(&log), http: WasiHttpCtx::new(), table: ResourceTable::new(), log })
        })
    }
}

impl WasiView for OrchestratorState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi();
        WasiCtxView { ctx: &mut wasi.ctx, table: &mut wasi.table }
    }
}

/// The types of `wasi:http` can be used; sending a request traps.
impl WasiHttpView for OrchestratorState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let wasi = self.wasi();
        WasiHttpCtxView { ctx: &mut wasi.http, table: &mut wasi.table, hooks: default_hooks() }
    }
}

impl wall_clock::Host for OrchestratorState {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        let now = Duration::from_nanos(self.now_nanos());
        Ok(wall_clock::Datetime { seconds: now.as_secs(), nanoseconds: now.subsec_nanos() })
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(wall_clock::Datetime { seconds: 0, nanoseconds: 1 })
    }
}

impl monotonic_clock::Host for OrchestratorState {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.now_nanos())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1)
    }

    fn subscribe_instant(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        Err(GuestStop::NotAllowed(SUBSCRIBE_TO_CLOCK).into())
    }

    fn subscribe_duration(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        Err(GuestStop::NotAllowed(SUBSCRIBE_TO_CLOCK).into())
    }
}

/// The same bytes at every replay: SHA-256 of the execution id and a counter. Not secret.
#[derive(Debug)]
struct DeterministicRandom {
    seed: Uuid,
    blocks: u64,
}

impl DeterministicRandom {
    fn block(&mut self) -> [u8; 32] {
        self.blocks += 1;
        Sha256::new().chain_update(self.seed).chain_update(self.blocks.to_be_bytes()).finalize().into()
    }

    fn bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        let len = usize::try_from(len.min(RANDOM_BYTES_MAX + 1))?;
        if len as u64 > RANDOM_BYTES_MAX {
            let text = format!("at most {RANDOM_BYTES_MAX} random bytes can be had at once");
            return Err(GuestStop::InvalidArgument(text).into());
        }
        let mut bytes = Vec::with_capacity(len + 32);
        while bytes.len() < len {
            bytes.extend_from_slice(&self.block());
        }
        bytes.truncate(len);
        Ok(bytes)
    }

    fn number(&mut self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.block();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl random::Host for OrchestratorState {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.random.bytes(len)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.random.number())
    }
}

impl insecure::Host for OrchestratorState {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.random.bytes(len)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.random.number())
    }
}

impl insecure_seed::Host for OrchestratorState {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok(self.random.seed.as_u64_pair())
    }
}

impl invocation::Host for OrchestratorState {
    fn function_name(&mut self) -> wasmtime::Result<String> {
        Ok(self.function.as_ref().to_owned())
    }

    fn invocation_id(&mut self) -> wasmtime::Result<String> {
        Ok(self.context()?.execution().to_string())
    }

    fn route_parameters(&mut self) -> wasmtime::Result<Vec<(String, Option<String>)>> {
        Ok(Vec::new())
    }

    fn attempt(&mut self) -> wasmtime::Result<u32> {
        Ok(1)
    }

    fn idempotency_key(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }

    fn instance_id(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(Some(self.context()?.instance().to_string()))
    }

    fn generation(&mut self) -> wasmtime::Result<Option<u64>> {
        Ok(Some(self.context()?.generation()))
    }

    fn is_cancelled(&mut self) -> wasmtime::Result<bool> {
        Ok(false)
    }

    fn heartbeat(&mut self, _: String) -> wasmtime::Result<()> {
        Err(GuestStop::NotAllowed("an orchestrator gives no heartbeats: they are for activities").into())
    }

    fn heartbeat_details(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}
