//! What can be set for the functions: every limit with its unit and default.

use crate::{FunctionManifest, outbound::HostPattern};
use std::{path::PathBuf, time::Duration};

const MIB: usize = 1024 * 1024;

/// An HTTP function that is a component of `wasi:http/incoming-handler@0.2`: it does not describe itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpComponent {
    /// Name, route, methods and level of the function.
    pub manifest: FunctionManifest,
    /// One of the component files of the app.
    pub file: PathBuf,
}

/// Limits of functions, and what they may reach.
#[derive(Debug, Clone)]
pub struct WasmSettings {
    /// The linear memories of one function instance together may have this size.
    ///
    /// Unit: bytes. Default 128 MiB.
    pub memory_bytes_max: usize,
    /// One call of an HTTP function may take this long, waiting included.
    ///
    /// Default 230 s. Source: the limit of Azure Functions for an HTTP response.
    pub http_timeout: Duration,
    /// One attempt of an activity may take this long, waiting included, unless the call says otherwise.
    ///
    /// Default 5 min. Source: `functionTimeout` of the Azure Functions consumption plan.
    pub activity_timeout: Duration,
    /// CPU time that an orchestrator may use in one turn for new work.
    ///
    /// Measured in ticks of [`crate::TICK`]. Default 5 s: a turn only schedules and combines, the work is done by activities.
    pub turn_cpu_budget: Duration,
    /// CPU time that an orchestrator may use in replay for each event of its history, on top of `turn_cpu_budget`.
    ///
    /// Default 10 ms.
    pub replay_cpu_budget_per_event: Duration,
    /// The longest JSON value that a function may hand over: an activity's or orchestrator's output, a task's input.
    ///
    /// Unit: bytes. Default 4 MiB.
    pub value_bytes_max: usize,
    /// The longest body of a response of an HTTP function.
    ///
    /// Unit: bytes. Default 64 MiB.
    pub response_body_bytes_max: usize,
    /// A longer line that a function prints is cut.
    ///
    /// Unit: bytes. Default 8 KiB.
    pub log_line_bytes_max: usize,
    /// What one call of a function prints beyond this is dropped, with one line that says so.
    ///
    /// Unit: bytes. Default 256 KiB.
    pub log_bytes_max: usize,
    /// HTTP functions that may run at the same time; one more is answered [`crate::InvokeError::Busy`].
    ///
    /// Default 512.
    pub http_calls_max: u32,
    /// Activities that may run at the same time; one more waits.
    ///
    /// Default 256.
    pub activities_max: u32,
    /// Orchestrators that may be in memory at the same time, running or suspended.
    ///
    /// None, the default: as many as memory and the kernel's `vm.max_map_count` have room for, at most 4,000 (some 250 MiB).
    pub orchestrators_max: Option<u32>,
    /// Hosts that HTTP functions and activities may send HTTP requests to. Default: none.
    pub allowed_outbound_hosts: Vec<HostPattern>,
    /// What else is an HTTP function. Default: nothing.
    pub http_components: Vec<HttpComponent>,
    /// Scheme and authority of the management links that an activity asks for; it has no incoming request to take them
    /// from.
    ///
    /// Default `http://127.0.0.1:7071`.
    pub base_url: String,
}

impl Default for WasmSettings {
    fn default() -> Self {
        Self {
            memory_bytes_max: 128 * MIB,
            http_timeout: Duration::from_secs(230),
            activity_timeout: Duration::from_secs(5 * 60),
            turn_cpu_budget: Duration::from_secs(5),
            replay_cpu_budget_per_event: Duration::from_millis(10),
            value_bytes_max: 4 * MIB,
            response_body_bytes_max: 64 * MIB,
            log_line_bytes_max: 8 * 1024,
            log_bytes_max: 256 * 1024,
            http_calls_max: 512,
            activities_max: 256,
            orchestrators_max: None,
            allowed_outbound_hosts: Vec::new(),
            http_components: Vec::new(),
            base_url: "http://127.0.0.1:7071".to_owned(),
        }
    }
}
