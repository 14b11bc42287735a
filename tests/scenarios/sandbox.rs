//! What an orchestrator may not do, because it would not be the same at a replay.

use durance_tests::guests;
use serde_json::{Value, json};

#[tokio::test]
async fn orchestrator_that_leaves_the_sandbox_fails_and_is_told_why() {
    let host = guests();
    let client = host.client();
    for (orchestrator, expected) in [
        ("SleepThread", "timer"),
        // There is no folder to open it in.
        ("OpenFile", "No such file"),
        ("ConnectTcp", "activit"),
        ("SendHttp", "activit"),
        ("UseClient", "activit"),
    ] {
        let id = format!("sandbox-{orchestrator}");
        client.start(orchestrator, &id, &Value::Null).await;
        let why = client.failure(&id).await;
        assert!(why.contains(expected), "{orchestrator}: {why}");
    }
}

#[tokio::test]
async fn orchestrator_sees_no_arguments_and_no_environment() {
    let host = guests();
    let client = host.client();
    client.start("ReadEnvironment", "environment", &Value::Null).await;
    assert_eq!(client.output("environment").await, json!({ "arguments": [], "variables": [] }));
}
