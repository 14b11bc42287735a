//! The management API: paths, fields, headers and status codes.

use durance_tests::{Client, MANAGEMENT, is_finished, samples};
use http::Method;
use serde_json::{Value, json};

fn instance(id: &str) -> String {
    format!("{MANAGEMENT}/instances/{id}")
}

async fn wait_for_approval(client: &Client, id: &str) {
    client.start("WaitForApproval", id, &json!({ "timeoutSeconds": 300 })).await;
}

#[tokio::test]
async fn start_answers_202_with_links() {
    let host = samples();
    let client = host.client();
    for path in ["/orchestrators/HelloSequence/m-start", "/ORCHESTRATORS/HelloSequence/m-start-2/"] {
        let reply = client.post(&format!("{MANAGEMENT}{path}"), "").await.expect(202);
        let links = reply.json();
        assert_eq!(reply.header("location"), links["statusQueryGetUri"].as_str());
        assert_eq!(reply.header("retry-after"), Some("10"));
        assert_eq!(reply.header("content-type"), Some("application/json"));
    }
    let random =
        client.post(&format!("{MANAGEMENT}/orchestrators/HelloSequence"), "").await.expect(202).json();
    assert_eq!(random["id"].as_str().map(str::len), Some(32));
    let conflict = client.start("WaitForApproval", "m-conflict", &json!({ "timeoutSeconds": 300 })).await;
    let again = client.post(&format!("{MANAGEMENT}/orchestrators/HelloSequence/m-conflict"), "").await;
    assert_eq!(again.expect_problem(409), "An instance with ID 'm-conflict' already exists.");
    assert_eq!(again.json()["id"], conflict.json()["id"]);
}

#[tokio::test]
async fn start_waits_for_the_output_when_asked() {
    let host = samples();
    let client = host.client();
    let start = format!("{MANAGEMENT}/orchestrators");
    let path = format!("{start}/FanOutFanIn/m-wait?timeout=20&pollingInterval=1");
    let reply = client.post(&path, r#"{"count":4}"#).await.expect(200);
    assert_eq!(reply.json(), 14);
    let path = format!("{start}/WaitForApproval/m-wait-long?timeout=0.1&pollingInterval=0.1");
    let reply = client.post(&path, r#"{"timeoutSeconds":300}"#).await.expect(202);
    assert_eq!(reply.json()["id"], "m-wait-long");
    let path = format!("{start}/FanOutFanIn/m-wait-failed?timeout=20");
    let status = client.post(&path, r#"{"count":"many"}"#).await.expect(200).json();
    assert_eq!(status["runtimeStatus"], "Failed");
}

#[tokio::test]
async fn status_has_every_field_whatever_the_state() {
    let host = samples();
    let client = host.client();
    wait_for_approval(&client, "m-fields").await;
    let path = format!("{}?taskHub=samples&connection=Storage", instance("m-fields"));
    let live = client.get(&path).await.expect(202);
    assert_eq!(live.header("location"), Some(&*format!("{}{path}", host.url())));
    assert_eq!(live.header("retry-after"), Some("5"));
    client.raise_event("m-fields", "Approval", &json!(true)).await;
    client.finished("m-fields").await;
    let finished = client.get(&path).await.expect(200);
    assert_eq!(finished.header("location"), None);
    for status in [live.json(), finished.json()] {
        let fields = status.as_object().unwrap();
        for field in ["name", "instanceId", "runtimeStatus", "input", "customStatus", "output"] {
            assert!(fields.contains_key(field), "{field} in {status}");
        }
        assert!(!fields.contains_key("historyEvents"), "{status}");
        for field in ["createdTime", "lastUpdatedTime"] {
            let time = status[field].as_str().unwrap();
            assert!(time.len() == 20 && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
        }
    }
    assert_eq!(live.json()["output"], Value::Null);
    assert_eq!(finished.json()["output"], "approved");
    assert_eq!(finished.json()["input"], json!({ "timeoutSeconds": 300 }));
}

#[tokio::test]
async fn status_shows_what_is_asked_for() {
    let host = samples();
    let client = host.client();
    client.start("HelloSequence", "m-show", &json!("in")).await;
    client.finished("m-show").await;
    let show =
        async |query: &str| client.get(&format!("{}?{query}", instance("m-show"))).await.expect(200).json();
    assert_eq!(show("showInput=false").await["input"], Value::Null);
    assert_eq!(show("showInput=TRUE").await["input"], "in");
    assert!(show("showHistory=False").await.get("historyEvents").is_none());

    let hidden = show("showhistory=True").await["historyEvents"].take();
    let types: Vec<_> =
        hidden.as_array().unwrap().iter().map(|event| event["EventType"].as_str().unwrap()).collect();
    let expected =
        ["ExecutionStarted", "TaskCompleted", "TaskCompleted", "TaskCompleted", "ExecutionCompleted"];
    assert_eq!(types, expected);
    assert!(hidden[1].get("Result").is_none() && hidden[1].get("Input").is_none(), "{hidden}");

    let shown = show("showHistory=true&showHistoryOutput=true").await["historyEvents"].take();
    assert_eq!(shown[0]["FunctionName"], "HelloSequence");
    let task = &shown[1];
    assert_eq!((&task["FunctionName"], &task["Input"]), (&json!("SayHello"), &json!("Tokyo")));
    assert_eq!(task["Result"], "Hello Tokyo!");
    assert!(task["ScheduledTime"].as_str() <= task["Timestamp"].as_str(), "{task}");
    assert_eq!(shown[4]["OrchestrationStatus"], "Completed");
}

#[tokio::test]
async fn failed_instance_is_200_or_500_as_asked() {
    let host = samples();
    let client = host.client();
    client.start("FanOutFanIn", "m-failed", &json!({ "count": "many" })).await;
    let why = client.failure("m-failed").await;
    assert!(why.contains("invalid type"), "{why}");
    let flag = |value| format!("{}?returnInternalServerErrorOnFailure={value}", instance("m-failed"));
    let _ok = client.get(&flag("false")).await.expect(200);
    assert_eq!(client.get(&flag("TRUE")).await.expect(500).json()["runtimeStatus"], "Failed");
}

#[tokio::test]
async fn events_and_commands_need_a_live_instance() {
    let host = samples();
    let client = host.client();
    client.start("HelloSequence", "m-over", &Value::Null).await;
    client.finished("m-over").await;
    for command in ["raiseEvent/Approval", "terminate", "suspend", "resume"] {
        let over = client.post(&format!("{}/{command}", instance("m-over")), "true").await;
        let detail = over.expect_problem(410);
        assert!(detail.contains("m-over"), "{detail}");
        let missing = client.post(&format!("{}/{command}", instance("m-missing")), "true").await;
        let detail = missing.expect_problem(404);
        assert!(detail.contains("m-missing"), "{detail}");
    }
    let _missing = client.delete(&instance("m-missing")).await.expect(404);
    let _missing = client.get(&instance("m-missing")).await.expect(404);
}

#[tokio::test]
async fn event_is_kept_until_it_is_waited_for_and_its_name_has_no_case() {
    let host = samples();
    let client = host.client();
    for (id, body, content_type, output) in [
        ("m-event-1", "true", "application/json", "approved"),
        ("m-event-2", " false ", "text/plain", "rejected"),
    ] {
        wait_for_approval(&client, id).await;
        let client = client.with_header("content-type", content_type);
        let _raised = client.post(&format!("{}/raiseevent/APPROVAL", instance(id)), body).await.expect(202);
        assert_eq!(client.output(id).await, output);
    }
    wait_for_approval(&client, "m-event-3").await;
    let bad = client.post(&format!("{}/raiseEvent/Approval", instance("m-event-3")), "{\n\"a\" 1}").await;
    let detail = bad.expect_problem(400);
    assert!(detail.contains("line 2 column 5"), "{detail}");
}

#[tokio::test]
async fn terminate_ends_with_the_reason() {
    let host = samples();
    let client = host.client();
    wait_for_approval(&client, "m-terminate").await;
    let path = format!("{}/terminate?reason=no%20longer%20needed", instance("m-terminate"));
    let _accepted = client.post(&path, "").await.expect(202);
    let status = client.finished("m-terminate").await;
    assert_eq!(status["runtimeStatus"], "Terminated");
    assert_eq!(status["output"], "no longer needed");
}

#[tokio::test]
async fn suspended_instance_takes_no_step_until_resumed() {
    let host = samples();
    let client = host.client();
    wait_for_approval(&client, "m-suspend").await;
    let command =
        async |name: &str| client.post(&format!("{}/{name}?reason=r", instance("m-suspend")), "").await;
    let _accepted = command("suspend").await.expect(202);
    client.wait_for("m-suspend", "is suspended", |status| status["runtimeStatus"] == "Suspended").await;
    client.raise_event("m-suspend", "Approval", &json!(true)).await;
    // The event is durable when it is acknowledged: a step would have been possible.
    assert_eq!(client.status("m-suspend").await["runtimeStatus"], "Suspended");
    let _accepted = command("resume").await.expect(202);
    assert_eq!(client.output("m-suspend").await, "approved");
    let history = client.history("m-suspend").await;
    for kind in ["ExecutionSuspended", "ExecutionResumed"] {
        let event = history.iter().find(|event| event["EventType"] == kind);
        assert_eq!(event.map(|event| &event["Reason"]), Some(&json!("r")), "{history:?}");
    }
}

#[tokio::test]
async fn purge_deletes_a_finished_instance_with_its_history() {
    let host = samples();
    let client = host.client();
    wait_for_approval(&client, "m-purge").await;
    let refused = client.delete(&instance("m-purge")).await.expect_problem(412);
    assert!(refused.contains("m-purge"), "{refused}");
    client.raise_event("m-purge", "Approval", &json!(true)).await;
    client.finished("m-purge").await;
    let purged = client.delete(&instance("m-purge")).await.expect(200);
    assert_eq!(purged.json(), json!({ "instancesDeleted": 1 }));
    let _gone = client.get(&instance("m-purge")).await.expect(404);
    let _gone = client.delete(&instance("m-purge")).await.expect(404);
    wait_for_approval(&client, "m-purge").await;
    client.raise_event("m-purge", "Approval", &json!(false)).await;
    assert_eq!(client.output("m-purge").await, "rejected");
    let history = client.history("m-purge").await;
    let events = history.iter().filter(|event| event["EventType"] == "EventRaised");
    assert_eq!(events.count(), 1, "{history:?}");
}

#[tokio::test]
async fn repeated_start_with_an_idempotency_key_gets_the_first_outcome() {
    let host = samples();
    let client = host.client().with_header("idempotency-key", "m-key-1");
    let path = format!("{MANAGEMENT}/orchestrators/FanOutFanIn");
    let first = client.post(&path, r#"{"count":2}"#).await.expect(202).json();
    let again = client.post(&path, r#"{"count":2}"#).await.expect(202).json();
    assert_eq!(first["id"], again["id"]);
    let other_input = client.post(&path, r#"{"count":3}"#).await;
    assert!(!other_input.expect_problem(422).is_empty());
    let other_key = client.with_header("idempotency-key", "m-key-2");
    assert_ne!(other_key.post(&path, r#"{"count":2}"#).await.expect(202).json()["id"], first["id"]);
    let too_long = client.with_header("idempotency-key", &"k".repeat(256));
    assert!(!too_long.post(&path, "1").await.expect_problem(400).is_empty());
}

#[tokio::test]
async fn malformed_requests_are_400_and_say_what_is_allowed() {
    let host = samples();
    let client = host.client();
    wait_for_approval(&client, "m-strict").await;
    let table = [
        (Method::POST, "/orchestrators/Missing/x", "", "HelloSequence"),
        (Method::POST, "/orchestrators/HelloSequence/%40x", "", "must not start with '@'"),
        (Method::POST, "/orchestrators/HelloSequence/x", "{\n \"a\": }", "line 2 column 7"),
        (Method::POST, "/orchestrators/HelloSequence/x?timeout=soon", "", "'timeout'"),
        (Method::POST, "/orchestrators/HelloSequence/x?pollingInterval=1", "", "'timeout'"),
        (Method::POST, "/orchestrators/HelloSequence/x?ifExists=Maybe", "", "terminate-and-replace"),
        (Method::POST, "/orchestrators/HelloSequence/x?ifExist=reject", "", "ifExists"),
        (Method::GET, "/instances/m-strict?showHistory=yes", "", "true or false"),
        (Method::GET, "/instances/m-strict?showInput=", "", "true or false"),
        (Method::GET, "/instances/m-strict?showinput=true&SHOWINPUT=true", "", "twice"),
        (Method::GET, "/instances/m-strict?taskHub=other", "", "samples"),
        (Method::GET, "/instances/m-strict?executionId=7", "", "executionId"),
        (Method::GET, "/instances?runtimeStatus=Runing", "", "Running"),
        (Method::GET, "/instances?createdTimeFrom=soon", "", "ISO 8601"),
        (Method::GET, "/instances?top=0", "", "1000"),
        (Method::GET, "/instances?top=many", "", "1000"),
        (Method::POST, "/instances/m-strict/terminate?because=x", "", "reason"),
    ];
    for (method, path, body, expected) in table {
        let reply = client.send(method.clone(), &format!("{MANAGEMENT}{path}"), body).await;
        let detail = reply.expect_problem(400);
        assert!(detail.contains(expected), "{method} {path}: {detail}");
    }
    assert!(!is_finished(&client.status("m-strict").await));
    let _nothing = client.get(&instance("x")).await.expect(404);
}

#[tokio::test]
async fn unknown_paths_methods_and_operations_are_told_apart() {
    let host = samples();
    let client = host.client();
    wait_for_approval(&client, "m-paths").await;
    let table = [
        (Method::GET, "/orchestrators/HelloSequence", 405, Some("POST")),
        (Method::PUT, "/instances/m-paths", 405, Some("GET, HEAD, DELETE")),
        (Method::POST, "/instances", 405, Some("GET, HEAD, DELETE")),
        (Method::GET, "/instances/m-paths/terminate", 405, Some("POST")),
        (Method::GET, "/nothing", 404, None),
        (Method::POST, "/instances/m-paths/explode", 404, None),
        (Method::POST, "/instances/m-paths/raiseEvent", 404, None),
        (Method::POST, "/orchestrators", 404, None),
        (Method::DELETE, "/instances", 400, None),
        (Method::POST, "/makeprimary", 501, None),
        (Method::GET, "/entities/counter/nobody", 404, None),
        (Method::PUT, "/entities/counter/nobody", 405, Some("GET, HEAD, POST, DELETE")),
    ];
    for (method, path, status, allow) in table {
        let reply = client.send(method.clone(), &format!("{MANAGEMENT}{path}"), "").await;
        assert!(!reply.expect_problem(status).is_empty(), "{method} {path}");
        assert_eq!(reply.header("allow"), allow, "{method} {path}");
    }
}
