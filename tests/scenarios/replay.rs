//! A history that was exported replays on a component, with `durance replay`.

use durance_tests::{Client, Ended, MANAGEMENT, components_in, run_program, samples};
use serde_json::{Value, json};
use std::{ffi::OsStr, fs, path::Path};
use tempfile::TempDir;

async fn export(client: &Client, id: &str) -> String {
    let reply = client.get(&format!("{MANAGEMENT}/instances/{id}/history")).await.expect(200);
    assert_eq!(reply.header("content-type"), Some("application/jsonl"));
    reply.text()
}

/// Runs `durance replay` on this history and a sample's component.
fn replay(folder: &TempDir, history: &str, sample: &str, options: &[&str]) -> Ended {
    let file = folder.path().join("history.jsonl");
    fs::write(&file, history).expect("a temporary file can be written");
    replay_file(&file, sample, options)
}

fn replay_file(file: &Path, sample: &str, options: &[&str]) -> Ended {
    let module = components_in("functions").join(sample);
    let options = options.iter().map(OsStr::new);
    let arguments = ["replay".as_ref(), file.as_os_str(), "--module".as_ref(), module.as_os_str()];
    run_program(&arguments.into_iter().chain(options).collect::<Vec<_>>())
}

fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

#[tokio::test]
async fn exported_history_replays_on_its_component() {
    let (host, folder) = (samples(), temporary());
    let client = host.client();
    client.start("HelloSequence", "replayed", &Value::Null).await;
    client.output("replayed").await;
    let history = export(&client, "replayed").await;
    assert!(history.starts_with("{\"format\":\"durance-history\",\"version\":1,"), "{history}");

    let ended = replay(&folder, &history, "hello_sequence.wasm", &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert!(
        ended.said.starts_with("Compatible: 'HelloSequence' did all of 'replayed' again"),
        "{}",
        ended.said
    );

    let ended = replay(&folder, &history, "hello_sequence.wasm", &["--json"]);
    let report: Value = serde_json::from_str(&ended.said).expect("one JSON object");
    assert_eq!((&report["result"], &report["difference"]), (&json!("compatible"), &Value::Null));
    assert_eq!(report["events"], history.lines().count() - 1);
}

#[tokio::test]
async fn history_of_an_instance_that_is_not_over_replays() {
    let (host, folder) = (samples(), temporary());
    let client = host.client();
    client.start("WaitForApproval", "replayed-waiting", &json!({ "timeoutSeconds": 300 })).await;
    let is_running = |status: &Value| status["runtimeStatus"] == "Running";
    client.wait_for("replayed-waiting", "is running", is_running).await;
    let history = export(&client, "replayed-waiting").await;
    let ended = replay(&folder, &history, "wait_for_approval.wasm", &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.said);
}

#[tokio::test]
async fn first_difference_is_shown_with_both_sides() {
    let (host, folder) = (samples(), temporary());
    let client = host.client();
    client.start("HelloSequence", "diverged", &Value::Null).await;
    client.output("diverged").await;
    let history = export(&client, "diverged").await.replacen("SayHello", "SayGoodbye", 1);
    let ended = replay(&folder, &history, "hello_sequence.wasm", &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.said);
    for part in [
        "event   1 of ",
        "turn 0 at 20",
        "history task 0: activity 'SayGoodbye'",
        "code    task 0: activity 'SayHello'",
    ] {
        assert!(ended.said.contains(part), "{part}: {}", ended.said);
    }
    let ended = replay(&folder, &history, "hello_sequence.wasm", &["--json"]);
    assert_eq!(ended.code, Some(1), "{}", ended.said);
    let report: Value = serde_json::from_str(&ended.said).expect("one JSON object");
    assert_eq!((&report["result"], &report["difference"]["eventNumber"]), (&json!("diverged"), &json!(1)));
}

#[tokio::test]
async fn input_that_cannot_be_used_is_told_apart_from_a_difference() {
    let (host, folder) = (samples(), temporary());
    let client = host.client();
    client.start("HelloSequence", "unusable", &Value::Null).await;
    client.output("unusable").await;
    let history = export(&client, "unusable").await;
    let cut_off: String = history.lines().take(3).map(|line| format!("{line}\n")).collect();
    let table = [
        (history.as_str(), "saga.wasm", "orchestrator 'HelloSequence', which"),
        (history.as_str(), "missing.wasm", "missing.wasm"),
        (cut_off.as_str(), "hello_sequence.wasm", "export it again"),
        ("{}", "hello_sequence.wasm", "line 1: missing field `format`"),
    ];
    for (history, sample, expected) in table {
        let ended = replay(&folder, history, sample, &[]);
        assert_eq!(ended.code, Some(2), "{sample}: {}", ended.said);
        assert!(ended.said.contains(expected), "{expected}: {}", ended.said);
    }
    let ended = replay_file(&folder.path().join("none.jsonl"), "hello_sequence.wasm", &[]);
    assert_eq!(ended.code, Some(2), "{}", ended.said);
}
