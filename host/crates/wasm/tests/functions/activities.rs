use crate::{
    orchestration::{run_activity, schedule},
    support::{app, app_with, settings},
};
use durance_durable::{ModuleHash, ScheduleTask, TaskFailureDetails};
use durance_taskhub::FunctionExecutor as _;
use durance_wasm::{FunctionApp, WasmSettings};
use std::time::Duration;

fn module_of(app: &FunctionApp, orchestrator: &str) -> ModuleHash {
    app.resolve_orchestrator(orchestrator).unwrap()
}

async fn fault(app: &FunctionApp, name: &str) -> TaskFailureDetails {
    run_activity(app, module_of(app, "CallActivity"), schedule(name, "null"), 1).await.unwrap_err()
}

#[tokio::test]
async fn activity_answers_and_knows_its_call() {
    let app = app(&["misbehaving"]).await;
    let module = module_of(&app, "CallActivity");
    let echo = run_activity(&app, module, schedule("Echo", r#"{"a":[1,2]}"#), 1).await.unwrap();
    assert_eq!(echo.as_str(), r#"{"a":[1,2]}"#);
    let call = run_activity(&app, module, schedule("DescribeCall", "null"), 4).await.unwrap();
    let call: serde_json::Value = serde_json::from_str(call.as_str()).unwrap();
    assert_eq!(call["attempt"], 4);
    assert_eq!(call["instanceId"], "the-instance");
    assert_eq!(call["generation"], 3);
    assert_eq!(call["idempotencyKey"], "the-instance/00000000000000000000000000000007/0");
}

#[tokio::test]
async fn each_fault_of_a_guest_is_a_failure_with_its_type() {
    let app = app(&["misbehaving"]).await;
    let check = async |name: &str, error_type: &str, text: &str| {
        let failure = fault(&app, name).await;
        assert_eq!(failure.error_type, error_type, "{failure}");
        assert!(failure.message.contains(text), "{failure}");
    };
    check("PanicActivity", "Trap", "this guest panics").await;
    check("UnreachableActivity", "Trap", "unreachable").await;
    check("RecurseActivity", "Trap", "").await;
    check("EatMemoryActivity", "MemoryLimit", "67108864 bytes").await;
    let unknown = fault(&app, "Nobody").await;
    assert!(unknown.non_retriable, "{unknown}");
    check("Nobody", "UnknownActivity", "Echo, FailActivity").await;
    let failed = fault(&app, "FailActivity").await;
    assert_eq!((failed.error_type.as_str(), failed.non_retriable), ("OrderLost", true));
    assert_eq!(failed.details.as_deref(), Some("at order.rs, line 7"));
    assert_eq!(failed.causes[1].message, "no space is left");
}

#[tokio::test]
async fn output_that_is_no_json_or_too_long_is_a_failure() {
    let settings = WasmSettings { memory_bytes_max: 512 * 1024 * 1024, ..settings() };
    let app = app_with(&["misbehaving", "raw"], settings).await;
    assert_eq!(fault(&app, "HugeOutputActivity").await.error_type, "OutputTooLarge");
    let not_json = fault(&app, "NotJsonActivity").await;
    assert_eq!((not_json.error_type.as_str(), not_json.non_retriable), ("InvalidOutput", true));
    assert!(not_json.message.contains("line 1"), "{not_json}");
}

#[tokio::test]
async fn activity_that_takes_too_long_is_stopped() {
    let default = Duration::from_millis(100);
    let app = app_with(&["misbehaving"], WasmSettings { activity_timeout: default, ..settings() }).await;
    let module = module_of(&app, "CallActivity");
    assert_eq!(fault(&app, "SpinActivity").await.error_type, "Timeout");
    let slow = run_activity(&app, module, schedule("Slow", "60000"), 1).await.unwrap_err();
    assert_eq!(slow.message, "the activity did not end within 0.1 s");
    let mut patient = schedule("Slow", "150");
    patient.options.timeout = Some(Duration::from_secs(20));
    assert!(run_activity(&app, module, patient, 1).await.is_ok());
}

#[tokio::test]
async fn sleeping_activities_block_nobody() {
    let app = app(&["misbehaving"]).await;
    let module = module_of(&app, "CallActivity");
    let sleep = |_| run_activity(&app, module, schedule("Slow", "300"), 1);
    let begun = std::time::Instant::now();
    // One thread runs them all.
    let all = futures_util::future::join_all((0..8).map(sleep)).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn activity_of_the_pinned_component_goes_before_that_of_the_app() {
    let old = app(&["pinned_v1"]).await;
    let pinned = module_of(&old, "Versioned");
    let new = app(&["pinned_v2"]).await;
    let version =
        async |module: ModuleHash, call: ScheduleTask| run_activity(&new, module, call, 1).await.unwrap();
    assert_eq!(version(pinned, schedule("Version", "null")).await.as_str(), r#""v1""#);
    assert_eq!(version(module_of(&new, "Versioned"), schedule("Version", "null")).await.as_str(), r#""v2""#);
    let gone = ModuleHash([9; 32]);
    assert_eq!(version(gone, schedule("Version", "null")).await.as_str(), r#""v2""#);
}
