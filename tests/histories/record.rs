//! Records golden histories: a task hub in memory runs the samples.

use crate::golden::Golden;
use durance_durable::{InstanceId, Json};
use durance_store::{MemoryStore, TaskHubStore};
use durance_taskhub::{StartOptions, SystemClock, TaskHub, TaskHubSettings};
use durance_wasm::FunctionApp;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// File; orchestrator; input; data of an event `Approval`, if one is sent.
fn recipes() -> [(&'static str, &'static str, Value, Option<bool>); 8] {
    [
        ("hello-sequence.json", "HelloSequence", Value::Null, None),
        ("fan-out-fan-in.json", "FanOutFanIn", json!({ "count": 3 }), None),
        ("approved.json", "WaitForApproval", json!({ "timeoutSeconds": 60 }), Some(true)),
        ("rejected.json", "WaitForApproval", json!({ "timeoutSeconds": 60 }), Some(false)),
        ("timed-out.json", "WaitForApproval", json!({ "timeoutSeconds": 0.02 }), None),
        ("background-job.json", "BackgroundJob", json!({ "steps": 2, "stepMs": 1 }), None),
        ("periodic-cleanup.json", "PeriodicCleanup", json!({ "everyMs": 1, "max": 2 }), None),
        ("parent.json", "Parent", json!({ "children": 2 }), None),
    ]
}

/// Runs every recipe and writes its history.
pub async fn all(app: FunctionApp) {
    let store: Arc<dyn TaskHubStore> = Arc::new(MemoryStore::new(4));
    let settings = TaskHubSettings::default();
    let mut hub = TaskHub::open(Arc::clone(&store), Arc::new(app), Arc::new(SystemClock), &settings)
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
        golden(&*store, orchestrator, &id).write(file);
    }
    hub.close(Duration::from_secs(1)).await;
}

fn golden(store: &dyn TaskHubStore, orchestrator: &str, id: &InstanceId) -> Golden {
    let record = store.instance(id).expect("the store can be read").record.expect("it was started");
    let begun_with = store.execution(record.execution).expect("the store can be read");
    Golden {
        orchestrator: orchestrator.to_owned(),
        execution: record.execution,
        begun_with: begun_with.expect("every execution has one"),
        turns: store.history(record.execution).expect("the store can be read"),
    }
}
