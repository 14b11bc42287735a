//! The Rust side of the contract in `wit/durance.wit`.
#![expect(
    unsafe_code,
    missing_docs,
    clippy::collection_is_never_read,
    clippy::mem_forget,
    clippy::too_many_arguments,
    reason = "generated"
)]

wit_bindgen::generate!({
    path: "wit",
    world: "function-app",
    additional_derives: [PartialEq],
});

mod exports {
    use super::{Failure, Guest, HttpRequest, HttpResponse, Json, TimerInfo};
    use crate::function;

    struct FunctionApp;

    impl Guest for FunctionApp {
        fn describe() -> Json {
            function::describe()
        }

        fn handle_http(function: String, request: HttpRequest) -> Result<HttpResponse, Failure> {
            function::handle_http(&function, request)
        }

        fn run_orchestrator(function: String, input: Json) -> Result<Json, Failure> {
            function::run_orchestrator(&function, &input)
        }

        fn run_activity(function: String, input: Json) -> Result<Json, Failure> {
            function::run_activity(&function, &input)
        }

        fn run_timer(function: String, timer: TimerInfo) -> Result<(), Failure> {
            function::run_timer(&function, timer)
        }
    }

    super::export!(FunctionApp with_types_in super);
}
