//! The one engine of the process: how components are compiled, and the pool that their instances live in.

use crate::{WasmSettings, ticker::EpochTicker};
use std::{fs, num::NonZeroUsize, time::Duration};
use wasmtime::{Config, Enabled, PoolingAllocationConfig};

/// How often the epoch of the engine rises. A guest that computes gives way to others at each tick, and its CPU time is
/// counted in ticks.
pub const TICK: Duration = Duration::from_millis(5);

/// Native stack of WebAssembly code: what deep recursion may use.
const WASM_STACK_BYTES: usize = 1024 * 1024;
/// Stack of a fiber: WebAssembly code, and above it the host functions that it calls.
const FIBER_STACK_BYTES: usize = 2 * 1024 * 1024;

/// What toolchains make of a component: the module itself, an adapter, and small modules that tie them together.
const CORE_INSTANCES_PER_COMPONENT: u32 = 6;
const MEMORIES_PER_COMPONENT: u32 = 2;
const TABLES_PER_COMPONENT: u32 = 4;
/// Pool slots above the limits of calls: for `describe`, and for calls that are being unwound.
const SPARE_SLOTS: u32 = 16;

/// Mappings of the kernel that a slot takes: two for its stack and the guard page, from the start, and four for a usual
/// component's memory with its image and its tables.
const MAPPINGS_PER_SLOT: u32 = 8;
/// Resident memory of a suspended orchestrator, with some that it allocated.
const RESIDENT_BYTES_PER_ORCHESTRATOR: u64 = 64 * 1024;
const ORCHESTRATORS_MAX: u32 = 4_000;
const ORCHESTRATORS_MIN: u32 = 64;

/// The engine with its ticker.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) orchestrators_max: u32,
    _ticker: EpochTicker,
}

impl Engine {
    pub(crate) fn new(settings: &WasmSettings) -> Result<Self, wasmtime::Error> {
        let calls = settings.http_calls_max.saturating_add(settings.activities_max);
        let orchestrators_max =
            settings.orchestrators_max.unwrap_or_else(|| orchestrators_for_this_machine(calls));
        let slots = calls.saturating_add(orchestrators_max).saturating_add(SPARE_SLOTS);
        let wasmtime = wasmtime::Engine::new(&config(slots))?;
        let ticker = EpochTicker::start(wasmtime.clone());
        Ok(Self { wasmtime, orchestrators_max, _ticker: ticker })
    }
}

/// The only place that makes a configuration: compiled components of another one would be rejected.
fn config(slots: u32) -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(FIBER_STACK_BYTES)
        .memory_init_cow(true)
        .wasm_backtrace_max_frames(NonZeroUsize::new(32))
        .allocation_strategy(pool(slots));
    config
}

fn pool(slots: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(CORE_INSTANCES_PER_COMPONENT))
        .total_memories(slots)
        .total_tables(slots.saturating_mul(TABLES_PER_COMPONENT))
        .total_stacks(slots)
        .max_core_instances_per_component(4 * CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(4 * TABLES_PER_COMPONENT)
        .linear_memory_keep_resident(1024 * 1024)
        .table_keep_resident(64 * 1024)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// As many suspended orchestrators as the kernel's limit of mappings and a quarter of the memory have room for.
fn orchestrators_for_this_machine(calls: u32) -> u32 {
    let mappings = read_number("/proc/sys/vm/max_map_count").unwrap_or(65_530);
    let mappings = u32::try_from(mappings).unwrap_or(u32::MAX);
    // A quarter of the mappings is left to the store, the threads and the allocator.
    let by_mappings =
        (mappings / 4 * 3 / MAPPINGS_PER_SLOT).saturating_sub(calls.saturating_add(SPARE_SLOTS));
    let by_memory = memory_bytes().map_or(ORCHESTRATORS_MAX, |bytes| {
        u32::try_from(bytes / 4 / RESIDENT_BYTES_PER_ORCHESTRATOR).unwrap_or(u32::MAX)
    });
    by_mappings.min(by_memory).clamp(ORCHESTRATORS_MIN, ORCHESTRATORS_MAX)
}

fn read_number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Memory of the machine, or of the control group if that is less.
fn memory_bytes() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    let machine = kib * 1024;
    Some(read_number("/sys/fs/cgroup/memory.max").map_or(machine, |group| group.min(machine)))
}
