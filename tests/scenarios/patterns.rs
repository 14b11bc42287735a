//! The samples of patterns that are made of more than one call.

use durance_tests::{AppFolder, Client, Launch, run_of, samples};
use serde_json::{Value, json};

/// Starts an orchestration under this id and gives its history once it is over.
async fn run(client: &Client, orchestrator: &str, id: &str, input: &Value) -> Vec<Value> {
    client.start(orchestrator, id, input).await;
    client.finished(id).await;
    client.history(id).await
}

#[tokio::test]
async fn saga_undoes_what_was_done_in_reverse() {
    let host = samples();
    let client = host.client();
    let bookings = ["BookHotel", "BookFlight", "BookCar"];
    let table: [(Option<u32>, &[&str]); 4] = [
        (Some(1), &[]),
        (Some(2), &["CancelHotel"]),
        (Some(3), &["CancelFlight", "CancelHotel"]),
        (None, &bookings),
    ];
    for (fail_at, output) in table {
        let id = format!("saga-{}", fail_at.unwrap_or_default());
        let history = run(&client, "Saga", &id, &json!({ "failAt": fail_at })).await;
        assert_eq!(client.output(&id).await, json!(output));
        let booked = fail_at.map_or(3, |step| step as usize - 1);
        let undone: &[&str] = if fail_at.is_some() { output } else { &[] };
        assert_eq!(run_of(&history), [&bookings[..booked], undone].concat());
        // The step that failed is not undone: it was not done.
        assert!(!history.iter().any(|event| event["FunctionName"] == "CancelCar"), "{history:?}");
    }
}

#[tokio::test]
async fn flaky_succeeds_at_its_fifth_attempt_at_the_latest() {
    let host = samples();
    let client = host.client();
    for failures in [0, 1, 4] {
        let id = format!("flaky-{failures}");
        let history = run(&client, "Flaky", &id, &json!({ "failures": failures })).await;
        assert_eq!(client.output(&id).await, failures + 1);
        assert_eq!(run_of(&history), ["FailNTimes"], "the attempts are one task");
    }
    client.start("Flaky", "flaky-5", &json!({ "failures": 5 })).await;
    let failure = client.failure("flaky-5").await;
    assert!(failure.contains("attempt 5 of 5 that fail"), "{failure}");
}

#[tokio::test]
async fn tree_counts_its_nodes() {
    let host = samples();
    let client = host.client();
    for (depth, width, nodes) in [(0, 7, 1), (1, 3, 4), (3, 4, 85), (6, 1, 7)] {
        let id = format!("tree-{depth}-{width}");
        run(&client, "Tree", &id, &json!({ "depth": depth, "width": width })).await;
        assert_eq!(client.output(&id).await, nodes);
    }
}

#[tokio::test]
async fn collector_gives_its_items_in_the_order_of_arrival() {
    let host = samples();
    let client = host.client();
    client.start("Collector", "collector", &Value::Null).await;
    let items: Vec<_> = (0..20).map(|number| json!({ "number": number })).collect();
    for (number, item) in items.iter().enumerate() {
        client.raise_event("collector", if number % 2 == 0 { "item" } else { "ITEM" }, item).await;
    }
    client.raise_event("collector", "done", &Value::Null).await;
    assert_eq!(client.output("collector").await, Value::Array(items));
}

#[tokio::test]
async fn spin_is_stopped_by_its_limit_and_holds_up_nobody() {
    let limits = "[limits]\nturn_cpu_ms = 500\n";
    let app = AppFolder::temporary(limits).sample("spin.wasm").sample("hello_sequence.wasm");
    let host = Launch::of(&app).start();
    let client = host.client();
    client.start("Spin", "spin", &Value::Null).await;
    client.start("HelloSequence", "neighbour", &Value::Null).await;
    assert_eq!(client.output("neighbour").await.as_array().map(Vec::len), Some(3));
    let failure = client.failure("spin").await;
    assert!(failure.contains("CPU time of 500 ms"), "{failure}");
}
