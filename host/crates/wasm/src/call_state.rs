//! What lives in the store of a function that is no orchestrator.

use crate::{
    bindings::invocation,
    error::GuestStop,
    guest_log::{GuestLog, LogStream, Stream},
    limits::MemoryLimiter,
    outbound::OutboundHooks,
    shared::Shared,
};
use durance_durable::EntityId;
use durance_taskhub::{ActivityCall, Idempotency};
use std::{fmt, sync::Arc};
use uuid::Uuid;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// The longest details of a heartbeat: they are written again and again.
///
/// Unit: bytes.
const HEARTBEAT_BYTES_MAX: usize = 16 * 1024;

/// Why the function is called.
#[derive(Debug)]
pub(crate) enum Trigger {
    Http {
        origin: String,
        route_parameters: Vec<(String, Option<String>)>,
        /// Of the request, if it may be repeated, and how many of its calls have changed something.
        idempotency: Option<(Idempotency, u32)>,
    },
    Activity(Box<ActivityCall>),
    Timer,
    Entity(EntityId),
}

impl Trigger {
    /// The key of the next client call that changes something.
    pub(crate) fn next_idempotency(&mut self) -> Option<Idempotency> {
        match self {
            Self::Http { idempotency: Some((request, calls)), .. } => {
                *calls += 1;
                Some(request.for_call(*calls))
            }
            Self::Http { .. } | Self::Activity(_) | Self::Timer | Self::Entity(_) => None,
        }
    }
}

pub(crate) struct CallState {
    pub(crate) shared: Arc<Shared>,
    pub(crate) function: Arc<str>,
    pub(crate) invocation_id: Uuid,
    pub(crate) trigger: Trigger,
    pub(crate) limiter: MemoryLimiter,
    /// Made when the guest asks for something of WASI for the first time: most calls never do.
    wasi: Option<Box<Wasi>>,
}

struct Wasi {
    ctx: WasiCtx,
    http: WasiHttpCtx,
    hooks: OutboundHooks,
    table: ResourceTable,
    log: Arc<GuestLog>,
}

impl CallState {
    pub(crate) fn new(
        shared: Arc<Shared>,
        function: Arc<str>,
        invocation_id: Uuid,
        trigger: Trigger,
    ) -> Self {
        let limiter = MemoryLimiter::new(shared.settings.memory_bytes_max);
        Self { shared, function, invocation_id, trigger, limiter, wasi: None }
    }

    pub(crate) fn log(&self) -> Option<&GuestLog> {
        self.wasi.as_deref().map(|wasi| &*wasi.log)
    }

    fn wasi(&mut self) -> &mut Wasi {
        let Self { shared, function, invocation_id, trigger, wasi, .. } = self;
        wasi.get_or_insert_with(|| Box::new(Wasi::new(shared, function, *invocation_id, trigger)))
    }
}

impl Wasi {
    fn new(shared: &Shared, function: &Arc<str>, invocation_id: Uuid, trigger: &Trigger) -> Self {
        let instance_id = match trigger {
            Trigger::Http { .. } | Trigger::Timer => None,
            Trigger::Activity(call) => Some(call.instance.as_str().into()),
            Trigger::Entity(entity) => Some(entity.as_str().into()),
        };
        let log = GuestLog::new(Arc::clone(function), instance_id, invocation_id, None, shared.log_limits());
        let hooks =
            OutboundHooks { allowed: Arc::clone(&shared.allowed_hosts), function: Arc::clone(function) };
        Self { ctx: wasi_ctx(&log), http: WasiHttpCtx::new(), hooks, table: ResourceTable::new(), log }
    }
}

/// A context that grants nothing and prints to `log`.
pub(crate) fn wasi_ctx(log: &Arc<GuestLog>) -> WasiCtx {
    WasiCtx::builder()
        .stdout(LogStream { log: Arc::clone(log), stream: Stream::Stdout })
        .stderr(LogStream { log: Arc::clone(log), stream: Stream::Stderr })
        .allow_tcp(false)
        .allow_udp(false)
        .build()
}

impl fmt::Debug for CallState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallState")
            .field("function", &self.function)
            .field("trigger", &self.trigger)
            .finish_non_exhaustive()
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi();
        WasiCtxView { ctx: &mut wasi.ctx, table: &mut wasi.table }
    }
}

impl WasiHttpView for CallState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let wasi = self.wasi();
        WasiHttpCtxView { ctx: &mut wasi.http, table: &mut wasi.table, hooks: &mut wasi.hooks }
    }
}

impl invocation::Host for CallState {
    fn function_name(&mut self) -> wasmtime::Result<String> {
        Ok(self.function.as_ref().to_owned())
    }

    fn invocation_id(&mut self) -> wasmtime::Result<String> {
        Ok(self.invocation_id.to_string())
    }

    fn route_parameters(&mut self) -> wasmtime::Result<Vec<(String, Option<String>)>> {
        Ok(match &self.trigger {
            Trigger::Http { route_parameters, .. } => route_parameters.clone(),
            Trigger::Activity(_) | Trigger::Timer | Trigger::Entity(_) => Vec::new(),
        })
    }

    fn attempt(&mut self) -> wasmtime::Result<u32> {
        Ok(match &self.trigger {
            Trigger::Http { .. } | Trigger::Timer | Trigger::Entity(_) => 1,
            Trigger::Activity(call) => call.attempt,
        })
    }

    fn idempotency_key(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(match &self.trigger {
            Trigger::Http { idempotency, .. } => {
                idempotency.as_ref().map(|(request, _)| request.key().to_owned())
            }
            Trigger::Timer | Trigger::Entity(_) => None,
            Trigger::Activity(call) => {
                Some(format!("{}/{}/{}", call.instance, call.execution, call.call.task))
            }
        })
    }

    fn instance_id(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(match &self.trigger {
            Trigger::Http { .. } | Trigger::Timer | Trigger::Entity(_) => None,
            Trigger::Activity(call) => Some(call.instance.to_string()),
        })
    }

    fn generation(&mut self) -> wasmtime::Result<Option<u64>> {
        Ok(match &self.trigger {
            Trigger::Http { .. } | Trigger::Timer | Trigger::Entity(_) => None,
            Trigger::Activity(call) => Some(call.generation),
        })
    }

    fn is_cancelled(&mut self) -> wasmtime::Result<bool> {
        Ok(match &self.trigger {
            Trigger::Http { .. } | Trigger::Timer | Trigger::Entity(_) => false,
            Trigger::Activity(call) => call.control.is_cancelled(),
        })
    }

    fn heartbeat(&mut self, details: String) -> wasmtime::Result<()> {
        let details = self.shared.value("the details of a heartbeat", details);
        let details = details.map_err(GuestStop::from)?;
        let bytes = details.as_str().len();
        if bytes > HEARTBEAT_BYTES_MAX {
            let text = format!("a heartbeat has at most {HEARTBEAT_BYTES_MAX} bytes, this one has {bytes}");
            return Err(GuestStop::OutputTooLarge(text).into());
        }
        if let Trigger::Activity(call) = &self.trigger {
            call.control.heartbeat(details);
        }
        Ok(())
    }

    fn heartbeat_details(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(match &self.trigger {
            Trigger::Http { .. } | Trigger::Timer | Trigger::Entity(_) => None,
            Trigger::Activity(call) => call.control.last_heartbeat().map(|json| json.as_str().to_owned()),
        })
    }
}
