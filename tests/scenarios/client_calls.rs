//! The orchestration client as a function sees it, call by call.

use durance_tests::{AppFolder, Client, Launch, Reply, guests};
use serde_json::{Value, json};

/// `ClientCall` does what the path says.
async fn call(client: &Client, operation: &str, argument: &str, body: &Value) -> Reply {
    client.post(&format!("/api/client/{operation}/{argument}"), body.to_string()).await
}

#[tokio::test]
async fn status_of_a_missing_instance_has_a_token_and_starts_change_it() {
    let host = guests();
    let client = host.client();
    let status = async || call(&client, "status", "token", &Value::Null).await.expect(200).json();
    let missing = status().await;
    assert_eq!(missing["status"], Value::Null);
    let started = call(&client, "start", "token?name=CollectEvents", &json!(1)).await.expect(200).json();
    assert_eq!(started["outcome"], "started");
    assert_eq!(started["holder"]["generation"], 1);
    client.wait_for("token", "runs", |status| status["runtimeStatus"] == "Running").await;
    let live = status().await;
    assert_ne!(live["token"], missing["token"]);
    assert_eq!(live["status"]["runtimeStatus"], "RuntimeStatus::Running");

    let _sent = call(&client, "event", "token?name=item", &json!("x")).await.expect(204);
    let ended = call(&client, "wait", "token", &Value::Null).await.expect(200).json();
    assert_eq!(
        (&ended["runtimeStatus"], &ended["output"]),
        (&json!("RuntimeStatus::Completed"), &json!(["x"]))
    );
    let finished = status().await;
    assert_ne!(finished["token"], live["token"]);
    let _purged = call(&client, "purge", "token", &Value::Null).await.expect(204);
    let purged = status().await;
    assert_eq!(purged["status"], Value::Null);
    assert_ne!(purged["token"], finished["token"]);
}

#[tokio::test]
async fn start_outcome_says_who_holds_the_id() {
    let host = guests();
    let client = host.client();
    let start = async |policy: &str| {
        let argument = format!("holder?name=CollectEvents&ifExists={policy}");
        call(&client, "start", &argument, &json!(1)).await.expect(200).json()
    };
    let first = start("reject").await;
    assert_eq!(first["outcome"], "started");
    for (policy, outcome) in [("reject", "alreadyExists"), ("use-existing", "existing")] {
        let again = start(policy).await;
        assert_eq!((&again["outcome"], &again["holder"]), (&json!(outcome), &first["holder"]));
    }
    let replaced = start("terminate-and-replace").await;
    assert_eq!(replaced["outcome"], "started");
    assert_eq!(replaced["holder"]["generation"], 2);
    assert_ne!(replaced["holder"]["executionId"], first["holder"]["executionId"]);
}

#[tokio::test]
async fn commands_reach_the_instance_and_refusals_the_function() {
    let host = guests();
    let client = host.client();
    let _started = call(&client, "start", "commands?name=CollectEvents", &json!(2)).await.expect(200);
    for (operation, status) in [("suspend", "Suspended"), ("resume", "Running")] {
        let _done = call(&client, operation, "commands", &Value::Null).await.expect(204);
        client.wait_for("commands", status, |now| now["runtimeStatus"] == status).await;
    }
    assert!(!call(&client, "purge", "commands", &Value::Null).await.expect_problem(409).is_empty());
    let _done = call(&client, "terminate", "commands", &Value::Null).await.expect(204);
    let ended = client.finished("commands").await;
    assert_eq!((&ended["runtimeStatus"], &ended["output"]), (&json!("Terminated"), &json!("by a test")));
    for operation in ["event", "terminate", "suspend", "resume"] {
        let refused = call(&client, operation, "commands?name=item", &Value::Null).await;
        assert!(!refused.expect_problem(409).is_empty(), "{operation}");
        let missing = call(&client, operation, "no-such-instance?name=item", &Value::Null).await;
        assert!(!missing.expect_problem(404).is_empty(), "{operation}");
    }
    let unknown = call(&client, "start", "unknown?name=Missing", &Value::Null).await;
    assert!(unknown.expect_problem(404).contains("CollectEvents"));
}

#[tokio::test]
async fn list_goes_through_all_pages() {
    let host = guests();
    let client = host.client();
    let ids: Vec<_> = (0..5).map(|number| format!("listed-{number}")).collect();
    for id in &ids {
        client.start("CollectEvents", id, &json!(1)).await;
    }
    assert_eq!(call(&client, "list", "listed-", &Value::Null).await.expect(200).json(), json!(ids));
}

#[tokio::test]
async fn idempotency_key_repeats_the_first_outcome() {
    let host = guests();
    let client = host.client().with_header("idempotency-key", "client-key");
    let start = async |input: Value| call(&client, "start", "keyed?name=CollectEvents", &input).await;
    let first = start(json!(1)).await.expect(200).json();
    assert_eq!(start(json!(1)).await.expect(200).json(), first);
    assert!(!start(json!(2)).await.expect_problem(422).is_empty());
}

#[tokio::test]
async fn runs_are_restarted_rewound_counted_and_deleted_with_all_below_them() {
    let host = guests();
    let client = host.client();
    let start = "operated?name=CollectEvents";
    let started = call(&client, "start-and-raise", start, &json!("x")).await.expect(200).json();
    assert_eq!(started, true);
    let again = call(&client, "start-and-raise", start, &json!("y")).await.expect(200).json();
    assert_eq!(again, false, "a live one has the id");
    let _done = call(&client, "terminate-tree", "operated", &Value::Null).await.expect(204);
    client.finished("operated").await;
    assert!(!call(&client, "rewind", "operated", &Value::Null).await.expect_problem(409).is_empty());
    assert_eq!(call(&client, "restart-same", "operated", &Value::Null).await.expect(200).json(), true);
    assert_eq!(call(&client, "restart-same", "operated", &Value::Null).await.expect(200).json(), false);
    let other = call(&client, "restart", "operated", &Value::Null).await.expect(200).json();
    assert_ne!(other, "operated");

    let queued = call(&client, "start", &format!("{start}&ifExists=queue"), &json!(1)).await;
    assert_eq!(queued.expect(200).json()["outcome"], "queued");
    assert_eq!(call(&client, "drop-queue", "operated", &Value::Null).await.expect(200).json(), 1);
    let counts = call(&client, "counts", "-", &Value::Null).await.expect(200).json();
    assert!(counts.as_object().is_some_and(|counts| !counts.is_empty()), "{counts}");
    let _done = call(&client, "terminate", "operated", &Value::Null).await.expect(204);
    client.finished("operated").await;
    let counted = call(&client, "purge-many", "-", &json!([])).await.expect(200).json();
    assert!(counted.as_u64() >= Some(1), "{counted}");
    let purged = call(&client, "purge-many", "-", &json!([other, "none"])).await.expect(200).json();
    assert_eq!(purged, 0, "live and missing ones stay");
    assert_eq!(call(&client, "purge-many", "-", &json!(["operated"])).await.expect(200).json(), 1);
    let _started = call(&client, "start-and-raise", start, &json!("x")).await.expect(200);
    let _done = call(&client, "terminate", "operated", &Value::Null).await.expect(204);
    client.finished("operated").await;
    assert_eq!(call(&client, "purge-tree", "operated", &Value::Null).await.expect(200).json(), 1);
    let _missing = call(&client, "purge-tree", "operated", &Value::Null).await.expect_problem(404);
}

/// `ScheduleClientCall` does what the path says.
#[tokio::test]
async fn schedules_are_made_and_managed_by_functions() {
    let host =
        Launch::of(&AppFolder::temporary("").guest("client_calls.wasm").guest("misbehaving.wasm")).start();
    let client = host.client();
    let call = async |operation: &str, id: &str| {
        let path = format!("/api/schedule-client/{operation}/{id}");
        client.post(&path, "").await
    };
    let made = call("create", "yearly").await.expect(200).json();
    assert_eq!(made["timing"], "Timing::IntervalMs(3600000)");
    assert_eq!((&made["orchestrator"], &made["input"]), (&json!("CollectEvents"), &json!("1")));
    assert_eq!(
        (&made["instanceId"], &made["status"]),
        (&json!("{schedule}-{time}-run"), &json!("ScheduleStatus::Active"))
    );
    assert!(call("create", "yearly").await.expect_problem(409).contains("yearly"));
    assert_eq!(call("put", "yearly").await.expect(200).json()["input"], "2");
    assert_eq!(call("put", "other").await.expect(200).json()["runCount"], 0);
    assert_eq!(call("list", "-").await.expect(200).json(), json!(["other", "yearly"]));
    assert_eq!(call("pause", "yearly").await.expect(200).json()["pausedReason"], "by a test");
    assert_eq!(call("get", "yearly").await.expect(200).json()["status"], "ScheduleStatus::Paused");
    assert_eq!(call("resume", "yearly").await.expect(200).json()["pausedReason"], Value::Null);

    let keyed = client.with_header("x-key", "trigger-once");
    let trigger = async || keyed.post("/api/schedule-client/trigger/yearly", "").await.expect(200).json();
    let instance = trigger().await;
    assert!(
        instance.as_str().is_some_and(|id| id.starts_with("yearly-") && id.ends_with("-run")),
        "{instance}"
    );
    assert_eq!(trigger().await, instance, "a repetition starts nothing");
    assert_eq!(call("get", "yearly").await.expect(200).json()["runCount"], 1);

    let _gone = call("delete", "yearly").await.expect(204);
    for operation in ["get", "pause", "resume", "trigger", "delete"] {
        let _missing = call(operation, "yearly").await.expect_problem(404);
    }
    assert!(!call("put", "no%20id%2F").await.expect_problem(400).is_empty());
}
