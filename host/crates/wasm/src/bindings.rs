//! What is made of the WIT package: the traits behind the imports, and the types that cross the boundary.

mod imports {
    wasmtime::component::bindgen!({
        path: "../../../guest-sdk/wit",
        interfaces: "
            import durance:functions/invocation@0.1.0;
            import durance:functions/orchestration-client@0.1.0;
            import durance:functions/schedule-client@0.1.0;
            import durance:functions/orchestration-context@0.1.0;
        ",
        imports: {
            "durance:functions/orchestration-client.start-new": async | trappable,
            "durance:functions/orchestration-client.raise-event": async | trappable,
            "durance:functions/orchestration-client.terminate": async | trappable,
            "durance:functions/orchestration-client.suspend": async | trappable,
            "durance:functions/orchestration-client.resume": async | trappable,
            "durance:functions/orchestration-client.purge": async | trappable,
            "durance:functions/orchestration-client.signal-entity": async | trappable,
            "durance:functions/orchestration-client.list-entities": async | trappable,
            "durance:functions/orchestration-client.list-instances": async | trappable,
            "durance:functions/orchestration-client.start-and-raise": async | trappable,
            "durance:functions/orchestration-client.drop-queue": async | trappable,
            "durance:functions/orchestration-client.rewind": async | trappable,
            "durance:functions/orchestration-client.restart": async | trappable,
            "durance:functions/orchestration-client.purge-instances": async | trappable,
            "durance:functions/orchestration-client.wait-for-completion": async | trappable,
            "durance:functions/schedule-client.create-schedule": async | trappable,
            "durance:functions/schedule-client.put-schedule": async | trappable,
            "durance:functions/schedule-client.delete-schedule": async | trappable,
            "durance:functions/schedule-client.pause-schedule": async | trappable,
            "durance:functions/schedule-client.resume-schedule": async | trappable,
            "durance:functions/schedule-client.trigger-schedule": async | trappable,
            "durance:functions/orchestration-context.wait-any": async | trappable,
            "durance:functions/orchestration-context.wait-next": async | trappable,
            default: trappable,
        },
        require_store_data_send: true,
    });
}

pub(crate) use imports::durance::functions::{
    invocation, orchestration_client, orchestration_context, schedule_client, types,
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

/// `timer-info`.
#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct TimerInfo {
    #[component(name = "scheduled-time")]
    pub(crate) scheduled_time: u64,
    #[component(name = "is-past-due")]
    pub(crate) is_past_due: bool,
}

/// Parameters and result of `handle-http`.
pub(crate) type HandleHttpParams<'a> = (&'a str, HttpRequest<'a>);
pub(crate) type HandleHttpResult = (Result<HttpResponse, types::Failure>,);
/// Parameters and result of `run-activity` and `run-orchestrator`.
pub(crate) type RunParams<'a> = (&'a str, &'a str);
pub(crate) type RunResult = (Result<String, types::Failure>,);
/// Parameters and result of `run-timer`.
pub(crate) type RunTimerParams<'a> = (&'a str, TimerInfo);
pub(crate) type RunTimerResult = (Result<(), types::Failure>,);
/// `entity-id`, borrowed.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct EntityRef<'a> {
    pub(crate) name: &'a str,
    pub(crate) key: &'a str,
}

/// `entity-request`, borrowed.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct EntityRequest<'a> {
    pub(crate) entity: EntityRef<'a>,
    pub(crate) operation: &'a str,
    #[component(name = "operation-id")]
    pub(crate) operation_id: &'a str,
    pub(crate) input: &'a str,
    pub(crate) state: Option<&'a str>,
    pub(crate) time: u64,
}

/// Parameters and result of `run-entity`.
pub(crate) type RunEntityParams<'a> = (&'a str, EntityRequest<'a>);
pub(crate) type RunEntityResult = (Result<types::EntityResponse, types::Failure>,);
/// Result of `describe`.
pub(crate) type DescribeResult = (String,);
