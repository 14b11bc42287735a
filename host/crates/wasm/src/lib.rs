//! Everything that names wasmtime: components are loaded, instantiated and called here.
//!
//! [`FunctionRuntime`] is the way in. It loads a [`FunctionApp`], which calls HTTP functions for the ingress; the
//! [`ActiveApp`] among those that were loaded is the [`FunctionExecutor`] of the task hub.
//! Each call of a function has an instance of its own, with limits on memory, time and output; what goes wrong in it is an
//! [`InvokeError`] or a failure of the task, and harms nobody else.
//!
//! *Invariant:* a guest reaches nothing that is not linked for its role: see `linker.rs`. An orchestrator sees only
//! deterministic clocks and random numbers.
//!
//! [`FunctionExecutor`]: durance_taskhub::FunctionExecutor

mod active_app;
mod activity_function;
mod bindings;
mod cache;
mod call_state;
mod client_binding;
mod client_values;
mod component;
mod component_store;
mod context_binding;
mod engine;
mod entity_function;
mod error;
mod function_app;
mod function_runtime;
mod guest_log;
mod http_activity;
mod http_function;
mod limits;
mod linker;
mod links;
mod load_error;
mod manifest;
mod orchestrator_run;
mod orchestrator_state;
mod outbound;
mod schedule_binding;
mod settings;
mod shared;
mod ticker;
mod timer_function;

pub use active_app::ActiveApp;
pub use engine::TICK;
pub use error::InvokeError;
pub use function_app::{AppFunction, FunctionApp};
pub use function_runtime::{ComponentFile, FunctionRuntime};
pub use http_function::HttpCall;
pub use links::ManagementLinks;
pub use load_error::LoadError;
pub use manifest::{AuthLevel, FunctionKind, FunctionManifest};
pub use outbound::{HostPattern, InvalidHostPattern};
pub use settings::WasmSettings;
