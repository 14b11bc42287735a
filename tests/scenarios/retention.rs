//! What finished instances leave behind, and for how long; how many activities run at one time.

use durance_tests::{AppFolder, Client, Launch, MANAGEMENT, eventually};

/// Waits until the instance is gone.
async fn is_purged(client: &Client, id: &str) {
    eventually(
        || format!("{id} is purged"),
        async || {
            let reply = client.get(&format!("{MANAGEMENT}/instances/{id}")).await;
            (reply.status == 404).then_some(())
        },
    )
    .await;
}

#[tokio::test]
async fn finished_instances_are_purged_when_their_time_is_over() {
    let app = AppFolder::temporary("[retention]\ncompleted_seconds = 0\n");
    let host = Launch::of(&app.sample("hello_sequence.wasm")).start();
    let client = host.client();
    let start =
        |id: &str, query: &str| format!("{MANAGEMENT}/orchestrators/HelloSequence/{id}?timeout=20{query}");
    let _output = client.post(&start("kept", "&retentionSeconds=3600"), "").await.expect(200);
    let _output = client.post(&start("short", ""), "").await.expect(200);
    is_purged(&client, "short").await;
    let _kept = client.get(&format!("{MANAGEMENT}/instances/kept")).await.expect(200);
    let refused = client.post(&start("x", "&retentionSeconds=soon"), "").await.expect_problem(400);
    assert!(refused.contains("retentionSeconds"), "{refused}");
}

#[tokio::test]
async fn fan_out_under_a_limit_comes_to_its_end() {
    let app = AppFolder::temporary("[limits.functions.Square]\nconcurrency = 1\n");
    let host = Launch::of(&app.sample("fan_out_fan_in.wasm")).start();
    let path = format!("{MANAGEMENT}/orchestrators/FanOutFanIn?timeout=20");
    let output = host.client().post(&path, "{\"count\":10}").await.expect(200);
    assert_eq!(output.json(), 285);
}
