//! What orchestrators build on: events, retries, time-outs, the context.

use durance_tests::{guests, run_of};
use serde_json::{Value, json};

#[tokio::test]
async fn events_are_taken_in_the_order_sent() {
    let host = guests();
    let client = host.client();
    client.start("CollectEvents", "collect", &json!(20)).await;
    for number in 0..20 {
        client.raise_event("collect", "item", &json!(number)).await;
    }
    assert_eq!(client.output("collect").await, json!((0..20).collect::<Vec<_>>()));
}

#[tokio::test]
async fn retried_activity_keeps_its_idempotency_key_and_counts_attempts() {
    let host = guests();
    let client = host.client();
    let input = json!({ "failures": 2, "maxAttempts": 3, "intervalMs": 10 });
    client.start("Flaky", "flaky", &input).await;
    let output = client.output("flaky").await;
    assert_eq!(output["attempt"], 3);
    assert!(output["idempotencyKey"].as_str().is_some_and(|key| key.contains("flaky")), "{output}");
    assert_eq!(run_of(&client.history("flaky").await), ["FlakyActivity"]);
}

#[tokio::test]
async fn retries_end_with_the_last_attempt_or_a_final_failure() {
    let host = guests();
    let client = host.client();
    for (id, input, message) in [
        ("flaky-long", json!({ "failures": 9, "maxAttempts": 3, "intervalMs": 10 }), "attempt 3 fails"),
        (
            "flaky-final",
            json!({ "failures": 9, "nonRetriable": true, "maxAttempts": 3, "intervalMs": 10 }),
            "attempt 1 fails",
        ),
    ] {
        client.start("Flaky", id, &input).await;
        let why = client.failure(id).await;
        assert!(why.contains(message), "{why}");
    }
}

#[tokio::test]
async fn retried_child_runs_anew_each_time() {
    let host = guests();
    let client = host.client();
    client.start("FlakyChild", "flaky-child", &Value::Null).await;
    let output = client.output("flaky-child").await;
    assert!(output.as_str().is_some_and(|text| text.contains("this orchestration always fails")), "{output}");
    let history = client.history("flaky-child").await;
    let children = history.iter().filter(|event| event["FunctionName"] == "Failing");
    assert_eq!(children.count(), 3, "{history:?}");
}

#[tokio::test]
async fn activity_that_takes_too_long_fails() {
    let host = guests();
    let client = host.client();
    let input = json!({ "name": "Slow", "input": 60_000, "timeoutMs": 100 });
    client.start("CallActivity", "slow", &input).await;
    let why = client.failure("slow").await;
    assert!(why.contains("0.1 s"), "{why}");
}

#[tokio::test]
async fn activity_is_told_of_its_call() {
    let host = guests();
    let client = host.client();
    client.start("CallActivity", "describe-call", &json!({ "name": "DescribeCall" })).await;
    let call = client.output("describe-call").await;
    assert_eq!((&call["attempt"], &call["instanceId"]), (&json!(1), &json!("describe-call")));
    assert_eq!(call["generation"], 1);
    assert!(call["idempotencyKey"].is_string() && call["invocationId"].is_string(), "{call}");
}

#[tokio::test]
async fn orchestrator_is_told_who_it_is() {
    let host = guests();
    let client = host.client();
    client.start("DescribeContext", "context", &Value::Null).await;
    let context = client.output("context").await;
    assert_eq!((&context["name"], &context["instanceId"]), (&json!("DescribeContext"), &json!("context")));
    assert_eq!(context["executionId"], client.status("context").await["executionId"]);
    assert_eq!(context["parent"], Value::Null);
    assert_ne!(context["guids"][0], context["guids"][1]);
    assert!(context["waitedMs"].as_f64() >= Some(20.0), "{context}");
}
