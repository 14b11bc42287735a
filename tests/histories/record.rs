//! Records golden histories: a task hub in memory runs the samples.

use crate::golden;
use durance_durable::{InstanceId, Json};
use durance_store::MemoryStore;
use durance_taskhub::{StartOptions, SystemClock, TaskHub, TaskHubSettings};
use durance_wasm::FunctionApp;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// File; orchestrator; input; data of an event `Approval`, if one is sent.
fn recipes() -> [(&'static str, &'static str, Value, Option<bool>); 8] {
    [
        ("hello-sequence.jsonl", "HelloSequence", Value::Null, None),
        ("fan-out-fan-in.jsonl", "FanOutFanIn", json!({ "count": 3 }), None),
        ("approved.jsonl", "WaitForApproval", json!({ "timeoutSeconds": 60 }), Some(true)),
        ("rejected.jsonl", "WaitForApproval", json!({ "timeoutSeconds": 60 }), Some(false)),
        ("timed-out.jsonl", "WaitForApproval", json!({ "timeoutSeconds": 0.02 }), None),
        ("background-job.jsonl", "BackgroundJob", json!({ "steps": 2, "stepMs": 1 }), None),
        ("periodic-cleanup.jsonl", "PeriodicCleanup", json!({ "everyMs": 1, "max": 2 }), None),
        ("parent.jsonl", "Parent", json!({ "children": 2 }), None),
    ]
}

/// Runs every recipe and writes its history.
pub async fn all(app: FunctionApp) {
    let store = Arc::new(MemoryStore::new(4));
    let settings = TaskHubSettings::default();
    let mut hub = TaskHub::open(store, Arc::new(app), Arc::new(SystemClock), &settings)
        .expect("a hub in memory can be opened");
    hub.recover().expect("a hub in memory can be read");
    let client = hub.client();
    for (file, orchestrator, input, approval) in recipes() {
        let id: InstanceId = file.parse().expect("file names are instance ids");
        let options = StartOptions { instance: Some(id.clone()), ..StartOptions::default() };
        client.start_new(orchestrator, Json::of(&input), options).await.expect("it can be started");
        if let Some(approval) = approval {
            client.raise_event(&id, "Approval", Json::of(&approval)).await.expect("it waits for it");
        }
        let status = client.wait_for_completion(&id, Duration::from_secs(20)).await.expect("it is there");
        assert!(status.runtime_status.is_finished(), "{file}: {status:?}");
        golden::write(file, &client.export_history(&id, None).expect("it is there"));
    }
    hub.close(Duration::from_secs(1)).await;
}
