//! Guests that misbehave: the invocation fails with a clear error, the host and its neighbours go on.

use durance_tests::{AppFolder, Client, Launch, guests};
use serde_json::{Value, json};

/// The rest of the host still works.
async fn assert_unharmed(client: &Client, id: &str) {
    assert_eq!(client.get("/api/hello").await.expect(200).text(), "Hello world!");
    client.start("HelloSequence", id, &Value::Null).await;
    assert_eq!(client.output(id).await[2], "Hello London!");
}

#[tokio::test]
async fn faulty_http_function_is_a_500_or_504() {
    let host = guests();
    let client = host.client();
    for (function, status, expected) in [
        ("HttpPanic", 500, "crashed"),
        ("HttpUnreachable", 500, "crashed"),
        ("HttpSpin", 504, "3 s"),
        ("HttpEatMemory", 500, "memory"),
        ("HttpRecurse", 500, "crashed"),
        ("HttpHugeOutput", 500, "memory"),
        ("HttpFail", 500, "failed"),
        ("HttpSlow?ms=60000", 504, "3 s"),
    ] {
        let reply = client.get(&format!("/api/{function}")).await;
        let detail = reply.expect_problem(status);
        assert!(detail.contains(expected), "{function}: {detail}");
        assert_unharmed(&client, &format!("beside-{}", &function[..8])).await;
    }
    // What went wrong inside is for the log, not for callers.
    for words in ["this guest panics", "the order 7 is lost"] {
        let _line = host.says(&[words]);
    }
}

#[tokio::test]
async fn output_over_its_limit_is_a_failure() {
    let limits = "
        [limits]
        memory_bytes = 536870912
        value_bytes = 1048576
        response_body_bytes = 1048576
        concurrent_http_functions = 4
        concurrent_activities = 4
    ";
    let host = Launch::of(&AppFolder::temporary(limits).guest("misbehaving.wasm")).start();
    let client = host.client();
    let detail = client.get("/api/HttpHugeOutput").await.expect_problem(500);
    assert!(detail.contains("more data"), "{detail}");
    client.start("HugeOutput", "huge", &Value::Null).await;
    let why = client.failure("huge").await;
    assert!(why.contains("more data"), "{why}");
    client.start("CatchFailure", "huge-activity", &json!({ "name": "HugeOutputActivity" })).await;
    let failure = client.output("huge-activity").await;
    assert!(failure["message"].as_str().is_some_and(|why| why.contains("more data")), "{failure}");
}

#[tokio::test]
async fn faulty_activity_is_a_failure_that_says_why() {
    let host = guests();
    let client = host.client();
    for (activity, error_type, expected) in [
        ("PanicActivity", "Trap", "this guest panics"),
        ("UnreachableActivity", "Trap", "unreachable"),
        ("SpinActivity", "Timeout", "3 s"),
        ("EatMemoryActivity", "MemoryLimit", "memory"),
        ("RecurseActivity", "Trap", "crashed"),
        ("HugeOutputActivity", "MemoryLimit", "memory"),
        ("NotJsonActivity", "InvalidOutput", "JSON"),
        ("FailActivity", "OrderLost", "the order 7 is lost"),
        ("MissingActivity", "UnknownActivity", "MissingActivity"),
    ] {
        let id = format!("catch-{activity}");
        client.start("CatchFailure", &id, &json!({ "name": activity })).await;
        let failure = client.output(&id).await;
        assert_eq!(failure["errorType"], error_type, "{activity}: {failure}");
        let message = failure["message"].as_str().unwrap();
        assert!(message.contains(expected), "{activity}: {failure}");
        assert_unharmed(&client, &format!("beside-{activity}")).await;
    }
}

#[tokio::test]
async fn failure_reaches_the_orchestrator_with_details_and_causes() {
    let host = guests();
    let client = host.client();
    client.start("CatchFailure", "causes", &json!({ "name": "FailActivity" })).await;
    let expected = json!({
        "errorType": "OrderLost",
        "message": "the order 7 is lost",
        "details": "at order.rs, line 7",
        "nonRetriable": true,
        "causes": [["SaveFailed", "the order was not saved"], ["DiskFull", "no space is left"]],
    });
    assert_eq!(client.output("causes").await, expected);
}

#[tokio::test]
async fn uncaught_failure_of_an_activity_fails_the_orchestration() {
    let host = guests();
    let client = host.client();
    client.start("CallActivity", "uncaught", &json!({ "name": "FailActivity" })).await;
    let why = client.failure("uncaught").await;
    assert!(why.contains("the order 7 is lost"), "{why}");
    let history = client.history("uncaught").await;
    assert!(history.iter().any(|event| event["EventType"] == "TaskFailed"), "{history:?}");
}

#[tokio::test]
async fn faulty_orchestrator_fails_with_what_it_did() {
    let host = guests();
    let client = host.client();
    for (orchestrator, expected) in [
        ("Panic", "this guest panics"),
        ("Unreachable", "unreachable"),
        ("Spin", "CPU time"),
        ("EatMemory", "memory"),
        ("Recurse", "crashed"),
        ("HugeOutput", "memory"),
        ("Fail", "the order 7 is lost"),
        ("Failing", "this orchestration always fails"),
        ("AwaitNothingDurable", ""),
        ("HugeCustomStatus", "16384"),
        ("NotJson", "JSON"),
        ("CallNotJsonActivity", "JSON"),
        ("NotJsonInput", "JSON"),
        ("WaitForNothing", "empty list"),
        ("WaitForUnknownTask", "no task 1000000"),
        ("TakeUnfinishedResult", "not done"),
    ] {
        let id = format!("fault-{orchestrator}");
        client.start(orchestrator, &id, &Value::Null).await;
        let why = client.failure(&id).await;
        assert!(why.contains(expected), "{orchestrator}: {why}");
        assert_unharmed(&client, &format!("beside-{orchestrator}")).await;
    }
}

#[tokio::test]
async fn result_can_be_taken_only_once() {
    let host = guests();
    let client = host.client();
    client.start("TakeResultTwice", "twice", &Value::Null).await;
    client.raise_event("twice", "go", &json!(1)).await;
    let why = client.failure("twice").await;
    assert!(why.contains("was taken before"), "{why}");
}

#[tokio::test]
async fn guest_that_prints_too_much_is_cut_off_and_goes_on() {
    let host = guests();
    let client = host.client();
    assert_eq!(client.get("/api/HttpPrintALot").await.expect(200).text(), "printed");
    client.start("PrintALot", "print-orchestrator", &Value::Null).await;
    assert_eq!(client.output("print-orchestrator").await, "printed");
    client.start("CallActivity", "print-activity", &json!({ "name": "PrintALotActivity" })).await;
    assert_eq!(client.output("print-activity").await, "printed");
    for function in ["HttpPrintALot", "PrintALot", "PrintALotActivity"] {
        let _line = host.says(&["prints too much", function]);
    }
}

#[tokio::test]
async fn endless_functions_leave_room_for_others() {
    let host = guests();
    let client = host.client();
    let spins = [0, 1].map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.get("/api/HttpSpin").await.status })
    });
    let mut answered = 0;
    while !spins.iter().all(tokio::task::JoinHandle::is_finished) {
        let _hello = client.get("/api/hello").await.expect(200);
        answered += 1;
    }
    assert!(answered >= 10, "only {answered} answers while two functions spun");
    for spin in spins {
        assert_eq!(spin.await.unwrap(), 504);
    }
}

#[tokio::test]
async fn endless_orchestrators_leave_room_for_others() {
    let host = guests();
    let client = host.client();
    for id in ["endless-1", "endless-2"] {
        client.start("Spin", id, &Value::Null).await;
    }
    assert_unharmed(&client, "beside-endless").await;
    for id in ["endless-1", "endless-2"] {
        let why = client.failure(id).await;
        assert!(why.contains("CPU time"), "{why}");
    }
}
