//! What orchestrators do beyond calling and waiting: give up, retry children, start and write to others.

use durance_tests::{AppFolder, Launch, MANAGEMENT, guests, run_of};
use serde_json::{Value, json};

/// The events of this type in a history.
fn of_type<'a>(history: &'a [Value], event_type: &str) -> Vec<&'a Value> {
    history.iter().filter(|event| event["EventType"] == event_type).collect()
}

fn guest_host() -> durance_tests::Host {
    Launch::of(&AppFolder::temporary("").guest("misbehaving.wasm")).start()
}

#[tokio::test]
async fn activity_that_is_given_up_is_told_at_its_next_heartbeat() {
    let host = guest_host();
    let client = host.client();
    client.start("GiveUpActivity", "given-up", &Value::Null).await;
    // The orchestration still waits: it is not its end that stops the activity.
    let _line = host.says(&["ends after a heartbeat: Cancelled", "UntilCancelled", "given-up"]);
    client.raise_event("given-up", "go", &json!(7)).await;
    assert_eq!(client.output("given-up").await, 7);
    let history = client.history("given-up").await;
    assert_eq!(of_type(&history, "TaskCanceled").len(), 1, "{history:?}");
    assert!(of_type(&history, "TaskFailed").is_empty(), "{history:?}");
}

#[tokio::test]
async fn activity_of_a_terminated_orchestration_is_told() {
    let host = guest_host();
    let client = host.client();
    let call = json!({ "name": "UntilCancelled" });
    client.start("CallActivity", "terminated", &call).await;
    let path = format!("{MANAGEMENT}/instances/terminated/terminate?reason=enough");
    let _accepted = client.post(&path, "").await.expect(202);
    let status = client.finished("terminated").await;
    assert_eq!(status["runtimeStatus"], "Terminated");
    let _line = host.says(&["ends after a heartbeat: Cancelled", "UntilCancelled", "terminated"]);
}

#[tokio::test]
async fn orchestration_completes_when_its_code_returns_whatever_is_open() {
    let host = guest_host();
    let client = host.client();
    client.start("ReturnEarly", "early", &Value::Null).await;
    assert_eq!(client.output("early").await, "early");
    let _line = host.says(&["ends after a heartbeat: Cancelled", "UntilCancelled", "early"]);
    // A sub-orchestration goes its own way.
    let history = client.history("early").await;
    let child = history.iter().find_map(|event| event["InstanceId"].as_str()).expect("there is a child");
    client.raise_event(child, "item", &json!(1)).await;
    assert_eq!(client.output(child).await, json!([1]));
}

#[tokio::test]
async fn next_attempt_goes_on_from_the_last_heartbeat() {
    let host = guests();
    let client = host.client();
    client.start("WatchHeartbeats", "heartbeats", &Value::Null).await;
    assert_eq!(client.output("heartbeats").await, json!({ "first": 6, "attempt": 2 }));
    assert_eq!(run_of(&client.history("heartbeats").await), ["CountWithHeartbeats"]);
    client.start("CallActivity", "huge-heartbeat", &json!({ "name": "HugeHeartbeat" })).await;
    let failure = client.failure("huge-heartbeat").await;
    assert!(failure.contains("a heartbeat has at most 16384 bytes"), "{failure}");
}

#[tokio::test]
async fn child_is_tried_again_under_its_id_if_the_policy_handles_its_failure() {
    let host = guests();
    let client = host.client();
    for (handle, attempts) in [("Failing", 3), ("Other", 1)] {
        let (parent, child) = (format!("parent-of-{handle}"), format!("child-{handle}"));
        client.start("RetryChild", &parent, &json!({ "childId": child, "handle": handle })).await;
        let failure = client.failure(&parent).await;
        assert!(failure.contains("this orchestration always fails"), "{failure}");
        let history = client.history(&parent).await;
        let failed = of_type(&history, "SubOrchestrationInstanceFailed");
        assert_eq!(failed.len(), attempts, "{history:?}");
        assert!(failed.iter().all(|event| event["InstanceId"] == child.as_str()), "{failed:?}");
        assert_eq!(client.status(&child).await["generation"], attempts);
    }
}

#[tokio::test]
async fn orchestrator_starts_another_one_and_writes_to_it() {
    let host = guests();
    let client = host.client();
    client.start("StartAndSend", "starter", &json!(30)).await;
    let id = client.output("starter").await;
    let id = id.as_str().expect("an instance id");
    assert_eq!(client.output(id).await, json!((0..30).collect::<Vec<_>>()));
    let history = client.history("starter").await;
    assert_eq!(of_type(&history, "OrchestrationStarted").len(), 2, "{history:?}");
    let sent = of_type(&history, "EventSent");
    assert_eq!((sent.len(), &sent[2]["InstanceId"], &sent[2]["Input"]), (31, &json!(id), &json!(2)));
    client.raise_event("starter-other", "item", &json!("x")).await;
    assert_eq!(client.output("starter-other").await, json!(["x"]));
}

#[tokio::test]
async fn wait_for_an_event_ends_with_its_time() {
    let host = guests();
    let client = host.client();
    client.start("CollectUntilQuiet", "quiet", &json!(1500)).await;
    for number in 0..3 {
        client.raise_event("quiet", "item", &json!(number)).await;
    }
    assert_eq!(client.output("quiet").await, json!([0, 1, 2]));
    client.start("CollectUntilQuiet", "mistyped", &json!(60_000)).await;
    client.raise_event("mistyped", "item", &json!("text")).await;
    let failure = client.failure("mistyped").await;
    assert!(failure.contains("the result of event 'item' does not fit"), "{failure}");
}
