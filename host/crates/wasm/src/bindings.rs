//! What is made of the WIT package: the traits behind the imports, and the types that cross the boundary.

mod imports {
    wasmtime::component::bindgen!({
        path: "../../../guest-sdk/wit",
        interfaces: "
            import durance:functions/invocation@0.1.0;
            import durance:functions/orchestration-client@0.1.0;
            import durance:functions/orchestration-context@0.1.0;
        ",
        imports: {
            "durance:functions/orchestration-client.start-new": async | trappable,
            "durance:functions/orchestration-client.raise-event": async | trappable,
            "durance:functions/orchestration-client.terminate": async | trappable,
            "durance:functions/orchestration-client.suspend": async | trappable,
            "durance:functions/orchestration-client.resume": async | trappable,
            "durance:functions/orchestration-client.purge": async | trappable,
            "durance:functions/orchestration-client.start-and-raise": async | trappable,
            "durance:functions/orchestration-client.rewind": async | trappable,
            "durance:functions/orchestration-client.restart": async | trappable,
            "durance:functions/orchestration-client.purge-instances": async | trappable,
            "durance:functions/orchestration-client.wait-for-completion": async | trappable,
            "durance:functions/orchestration-context.wait-any": async | trappable,
            default: trappable,
        },
        require_store_data_send: true,
    });
}

pub(crate) use imports::durance::functions::{
    invocation, orchestration_client, orchestration_context, types,
};

use wasmtime::component::{ComponentType, Lift, Lower};

/// `http-request`, borrowed: nothing is copied on its way into the guest.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct HttpRequest<'a> {
    pub(crate) method: &'a str,
    pub(crate) uri: &'a str,
    pub(crate) headers: Vec<(&'a str, &'a [u8])>,
    pub(crate) body: &'a [u8],
}

/// `http-response`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// Parameters and result of `handle-http`.
pub(crate) type HandleHttpParams<'a> = (&'a str, HttpRequest<'a>);
pub(crate) type HandleHttpResult = (Result<HttpResponse, types::Failure>,);
/// Parameters and result of `run-activity` and `run-orchestrator`.
pub(crate) type RunParams<'a> = (&'a str, &'a str);
pub(crate) type RunResult = (Result<String, types::Failure>,);
/// Result of `describe`.
pub(crate) type DescribeResult = (String,);
