use crate::{
    orchestration::{Orchestration, failure, output},
    support::{app, app_with, settings},
};
use durance_durable::{HistoryEvent, Json};
use durance_taskhub::{ExecutorError, FunctionExecutor as _, Progress};
use durance_wasm::WasmSettings;
use std::{sync::Arc, time::Duration};

#[tokio::test]
async fn sequence_runs_turn_by_turn() {
    let app = app(&["hello_sequence"]).await;
    let mut sequence = Orchestration::new(&app, "HelloSequence", "null");
    let output = output(sequence.go().await);
    assert_eq!(output.as_str(), r#"["Hello Tokyo!","Hello Seattle!","Hello London!"]"#);
    assert_eq!(sequence.history.len(), 4);
}

#[tokio::test]
async fn sequence_goes_on_after_a_restart_at_every_turn() {
    let app = app(&["hello_sequence"]).await;
    let mut sequence = Orchestration::new(&app, "HelloSequence", "null");
    let mut progress = sequence.start().await;
    while progress == Progress::Waiting {
        let call = sequence.called().remove(0);
        sequence.restart();
        progress = sequence.answer(call).await;
    }
    assert_eq!(output(progress).as_str(), r#"["Hello Tokyo!","Hello Seattle!","Hello London!"]"#);
}

#[tokio::test]
async fn clocks_and_random_numbers_are_the_same_at_replay() {
    let app = app(&["misbehaving"]).await;
    let run = async |restarts: bool| {
        let mut observer = Orchestration::new(&app, "ReadClocksAndRandom", "null");
        assert_eq!(observer.go().await, Progress::Waiting);
        if restarts {
            observer.restart();
        }
        assert_eq!(observer.raise("go").await, Progress::Waiting);
        let call = observer.called().remove(0);
        if restarts {
            observer.restart();
        }
        output(observer.answer(call).await)
    };
    let (straight, restarted) = (run(false).await, run(true).await);
    assert_eq!(straight, restarted);
    let seen: serde_json::Value = serde_json::from_str(straight.as_str()).unwrap();
    assert_eq!(seen["before"], seen["echoedBefore"]);
    assert_eq!(seen["before"]["systemTimeNs"], "1000000000");
    assert_eq!(seen["after"]["systemTimeNs"], "3000000000");
    assert_ne!(seen["before"]["guid"], seen["after"]["guid"]);
}

#[tokio::test]
async fn each_fault_of_a_guest_fails_the_orchestration() {
    let app = app(&["misbehaving", "raw"]).await;
    let check = async |name: &str, error_type: &str, text: &str| {
        let failure = failure(Orchestration::new(&app, name, "null").go().await);
        assert_eq!(failure.error_type, error_type, "{failure}");
        assert!(failure.message.contains(text), "{failure}");
    };
    check("Panic", "Trap", "this guest panics").await;
    check("Unreachable", "Trap", "unreachable").await;
    check("Recurse", "Trap", "").await;
    check("EatMemory", "MemoryLimit", "67108864 bytes").await;
    check("Spin", "CpuBudgetExceeded", "300 ms").await;
    check("Fail", "OrderLost", "order 7").await;
    check("NotJson", "InvalidOutput", "line 1").await;
    check("NotJsonInput", "InvalidArgument", "the input of an activity").await;
    check("WaitForNothing", "InvalidOrchestratorCall", "empty list").await;
    check("WaitForUnknownTask", "InvalidOrchestratorCall", "no task 1000000").await;
    check("TakeUnfinishedResult", "InvalidOrchestratorCall", "not done").await;
    check("HugeCustomStatus", "InvalidOrchestratorCall", "16384 bytes").await;
}

#[tokio::test]
async fn what_only_activities_may_do_traps_and_says_what_to_use() {
    let app = app(&["misbehaving"]).await;
    let check = async |name: &str, text: &str| {
        let failure = failure(Orchestration::new(&app, name, "null").go().await);
        assert_eq!(failure.error_type, "NotAllowed", "{failure}");
        assert!(failure.message.contains(text), "{failure}");
    };
    check("SleepThread", "create a timer").await;
    check("ConnectTcp", "call an activity").await;
    check("SendHttp", "call an activity").await;
    check("UseClient", "sub-orchestrator").await;
    let no_files = failure(Orchestration::new(&app, "OpenFile", "null").go().await);
    assert!(no_files.message.contains("No such file"), "{no_files}");
}

#[tokio::test]
async fn orchestrator_sees_nothing_of_the_process() {
    let app = app(&["misbehaving"]).await;
    let seen = output(Orchestration::new(&app, "ReadEnvironment", "null").go().await);
    assert_eq!(seen.as_str(), r#"{"arguments":[],"variables":[]}"#);
}

#[tokio::test]
async fn replay_that_goes_another_way_fails_and_leaves_its_fault() {
    let app = app(&["misbehaving"]).await;
    let mut fickle = Orchestration::new(&app, "NonDeterministic", "null");
    assert_eq!(fickle.go().await, Progress::Waiting);
    fickle.restart();
    let failure = failure(fickle.raise("go").await);
    assert_eq!(failure.error_type, "NonDeterministicOrchestration", "{failure}");
    assert!(failure.message.contains("'Echo'") && failure.message.contains("'DescribeCall'"), "{failure}");
}

#[tokio::test]
async fn suspended_instance_is_not_started() {
    let app = app(&["misbehaving"]).await;
    let mut panicking = Orchestration::new(&app, "Panic", "null");
    let suspend = HistoryEvent::ExecutionSuspended { reason: "test".into() };
    assert_eq!(panicking.turn(suspend).await, Progress::Waiting);
    let resume = HistoryEvent::ExecutionResumed { reason: "test".into() };
    assert_eq!(failure(panicking.turn(resume).await).error_type, "Trap");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_orchestrators_leave_room_for_others() {
    let settings = WasmSettings { turn_cpu_budget: Duration::from_secs(2), ..settings() };
    let app = Arc::new(app_with(&["misbehaving", "hello_sequence"], settings).await);
    let spin = |app: Arc<_>| {
        tokio::spawn(async move { failure(Orchestration::new(&app, "Spin", "null").go().await).error_type })
    };
    let endless = [spin(Arc::clone(&app)), spin(Arc::clone(&app))];
    let good = Orchestration::new(&app, "HelloSequence", "null").go().await;
    assert!(output(good).as_str().contains("Hello London!"));
    assert!(endless.iter().all(|spin| !spin.is_finished()));
    for guest in endless {
        assert_eq!(guest.await.unwrap(), "CpuBudgetExceeded");
    }
}

#[tokio::test]
async fn no_more_orchestrators_than_slots_are_in_memory() {
    let app =
        app_with(&["wait_for_approval"], WasmSettings { orchestrators_max: Some(2), ..settings() }).await;
    let input = r#"{"timeoutSeconds":60}"#;
    let mut suspended = Vec::new();
    for _ in 0..app.runtime().orchestrator_slots() {
        let mut waiting = Orchestration::new(&app, "WaitForApproval", input);
        assert_eq!(waiting.start().await, Progress::Waiting);
        suspended.push(waiting);
    }
    let mut third = Orchestration::new(&app, "WaitForApproval", input);
    third
        .state
        .lock()
        .begin_turn(durance_durable::Timestamp::from_nanos(1), vec![HistoryEvent::ExecutionStarted]);
    assert!(matches!(third.run.resume().await, Err(ExecutorError::NoRoom(_))));
    assert_eq!(suspended.len(), 2);
    suspended.pop();
    assert_eq!(third.run.resume().await, Ok(Progress::Waiting));
}

#[tokio::test]
async fn instance_in_flight_ends_with_the_component_that_it_began_with() {
    let old = app(&["pinned_v1"]).await;
    let module = old.resolve_orchestrator("Versioned").unwrap();
    let new = app(&["pinned_v2"]).await;
    assert_ne!(new.resolve_orchestrator("Versioned"), Some(module));
    let mut pinned = Orchestration::pinned(&new, module, "Versioned", "null");
    assert_eq!(pinned.start().await, Progress::Waiting);
    assert_eq!(pinned.raise("go").await, Progress::Waiting);
    let call = pinned.called().remove(0);
    assert_eq!(output(pinned.answer(call).await), Json::of("v1"));
}
