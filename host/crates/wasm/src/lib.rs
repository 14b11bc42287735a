//! Everything that names wasmtime: components are loaded, instantiated and called here.
//!
//! [`FunctionApp`] is the way in. It calls HTTP functions for the ingress and is the [`FunctionExecutor`] of the task hub.
//! Each call of a function has an instance of its own, with limits on memory, time and output; what goes wrong in it is an
//! [`InvokeError`] or a failure of the task, and harms nobody else.
//!
//! *Invariant:* a guest reaches nothing that is not linked for its role: see `linker.rs`. An orchestrator sees only
//! deterministic clocks and random numbers.
//!
//! [`FunctionExecutor`]: durance_taskhub::FunctionExecutor

mod activity_function;
mod bindings;
mod cache;
mod call_state;
mod client_binding;
mod client_values;
mod component;
mod component_store;
mod context_binding;
mod core_module;
mod engine;
mod entity_function;
mod error;
mod function_app;
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
mod settings;
mod shared;
mod ticker;
mod timer_function;
mod wasi_http_function;

pub use engine::TICK;
pub use error::InvokeError;
pub use function_app::{AppFunction, FunctionApp, HttpDoor};
pub use http_function::HttpCall;
pub use links::ManagementLinks;
pub use load_error::LoadError;
pub use manifest::{AuthLevel, FunctionKind, FunctionManifest};
pub use outbound::{HostPattern, InvalidHostPattern};
pub use settings::{HttpComponent, WasmSettings};
pub use wasi_http_function::{BodyError, StreamedBody, StreamedHttpCall};
