//! A guest without the SDK: it breaks rules of the contract that the SDK keeps.
//!
//! The function's name says which one.

mod bindings;

use bindings::durance::functions::orchestration_context::{
    ActivityOptions, call_activity, take_result, wait_any, wait_for_external_event,
};
use bindings::{EntityRequest, EntityResponse, Failure, Guest, HttpRequest, HttpResponse, Json, TimerInfo};

const NOT_JSON: &str = "{ this is not JSON";
const NO_OPTIONS: ActivityOptions =
    ActivityOptions { retry: None, timeout_ms: None, heartbeat_timeout_ms: None };

struct Raw;

impl Guest for Raw {
    fn describe() -> Json {
        let orchestrators = [
            "NotJson",
            "CallNotJsonActivity",
            "NotJsonInput",
            "WaitForNothing",
            "WaitForUnknownTask",
            "TakeUnfinishedResult",
            "TakeResultTwice",
        ];
        let orchestrators = orchestrators
            .map(|name| format!(r#"{{"name":"{name}","type":"orchestrationTrigger"}}"#))
            .join(",");
        format!(r#"{{"functions":[{{"name":"NotJsonActivity","type":"activityTrigger"}},{orchestrators}]}}"#)
    }

    fn handle_http(_function: String, _request: HttpRequest) -> Result<HttpResponse, Failure> {
        unreachable!("this component has no HTTP function")
    }

    fn run_orchestrator(function: String, _input: Json) -> Result<Json, Failure> {
        match function.as_str() {
            "NotJson" => Ok(NOT_JSON.to_owned()),
            "CallNotJsonActivity" => {
                let task = call_activity("NotJsonActivity", "null", &NO_OPTIONS);
                take_result(wait_any(&[task]))
            }
            "NotJsonInput" => {
                let task = call_activity("NotJsonActivity", NOT_JSON, &NO_OPTIONS);
                take_result(wait_any(&[task]))
            }
            "WaitForNothing" => Ok(wait_any(&[]).to_string()),
            "WaitForUnknownTask" => Ok(wait_any(&[1_000_000]).to_string()),
            "TakeUnfinishedResult" => take_result(wait_for_external_event("go")),
            "TakeResultTwice" => {
                let task = wait_any(&[wait_for_external_event("go")]);
                take_result(task).and_then(|_| take_result(task))
            }
            unknown => unreachable!("no orchestrator '{unknown}' is described"),
        }
    }

    fn run_activity(_function: String, _input: Json) -> Result<Json, Failure> {
        Ok(NOT_JSON.to_owned())
    }

    fn run_timer(_function: String, _timer: TimerInfo) -> Result<(), Failure> {
        unreachable!("this component has no timer-triggered function")
    }

    fn run_entity(_function: String, _request: EntityRequest) -> Result<EntityResponse, Failure> {
        unreachable!("this component has no entity")
    }
}

bindings::export!(Raw with_types_in bindings);
