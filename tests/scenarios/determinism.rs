//! Replay: what an orchestrator reads is the same again, and one that does something else is found out.

use durance_tests::{AppFolder, Launch, eventually, run_of};
use serde_json::{Value, json};

fn launch() -> Launch {
    Launch::of(&AppFolder::temporary("").guest("misbehaving.wasm"))
}

#[tokio::test]
async fn clocks_and_random_numbers_are_the_same_at_every_replay() {
    let host = launch().start();
    let client = host.client();
    client.start("ReadClocksAndRandom", "clocks", &Value::Null).await;
    let first = eventually(
        || "the first reading is recorded",
        async || {
            let history = client.history("clocks").await;
            let done = history.iter().find(|event| event["EventType"] == "TaskCompleted");
            done.map(|event| event["Input"].clone())
        },
    )
    .await;

    let host = host.crash().start();
    let client = host.client();
    client.raise_event("clocks", "go", &json!(1)).await;
    let output = client.output("clocks").await;
    assert_eq!(output["before"], first);
    assert_eq!(output["echoedBefore"], first);
    assert_eq!(output["after"], output["echoedAfter"]);
    for field in ["guid", "hash", "systemTimeNs"] {
        assert_ne!(output["before"][field], output["after"][field], "{field}");
    }
    assert_eq!(run_of(&client.history("clocks").await), ["Echo"; 2]);
}

#[tokio::test]
async fn two_instances_read_different_random_numbers() {
    let host = launch().start();
    let client = host.client();
    let mut guids = Vec::new();
    for id in ["random-1", "random-2"] {
        client.start("ReadClocksAndRandom", id, &Value::Null).await;
        client.raise_event(id, "go", &json!(1)).await;
        guids.push(client.output(id).await["before"]["guid"].take());
    }
    assert_ne!(guids[0], guids[1]);
}

#[tokio::test]
async fn orchestrator_that_does_something_else_at_replay_fails_with_both_sides() {
    let host = launch().start();
    let client = host.client();
    client.start("NonDeterministic", "other", &Value::Null).await;
    eventually(
        || "the first activity is done",
        async || (run_of(&client.history("other").await) == ["Echo"]).then_some(()),
    )
    .await;

    let host = host.crash().start();
    let client = host.client();
    client.raise_event("other", "go", &json!(1)).await;
    let why = client.failure("other").await;
    assert!(why.contains("non-deterministic"), "{why}");
    assert!(why.contains("activity 'Echo'") && why.contains("activity 'DescribeCall'"), "{why}");
}
