//! What the orchestration client and the management API do besides starting: restart, rewind, purge, lists, keys.

use durance_tests::{AppFolder, Client, Launch, MANAGEMENT, samples};
use http::Method;
use serde_json::{Value, json};

fn instance(id: &str) -> String {
    format!("{MANAGEMENT}/instances/{id}")
}

async fn wait_for_approval(client: &Client, id: &str) {
    client.start("WaitForApproval", id, &json!({ "timeoutSeconds": 300 })).await;
    client.wait_for(id, "runs", |status| status["runtimeStatus"] == "Running").await;
}

/// An instance that is now in this status.
async fn in_status(client: &Client, id: &str, status: &str) {
    match status {
        "Completed" => {
            client.start("HelloSequence", id, &Value::Null).await;
        }
        "Failed" => {
            client.start("Flaky", id, &json!({ "failures": 9 })).await;
        }
        "Terminated" | "Suspended" | "Running" => {
            wait_for_approval(client, id).await;
            let command = match status {
                "Terminated" => "terminate",
                "Suspended" => "suspend",
                _ => return,
            };
            let _accepted = client.post(&format!("{}/{command}", instance(id)), "").await.expect(202);
        }
        other => unreachable!("no instance stays {other}"),
    }
    client.wait_for(id, "is there", |shown| shown["runtimeStatus"] == status).await;
}

#[tokio::test]
async fn every_operation_against_every_status_answers_with_its_code() {
    let host = samples();
    let client = host.client();
    // Operation; the codes for an instance that is missing, running, suspended, completed, failed, terminated.
    let table = [
        (Method::GET, "", [404, 202, 202, 200, 200, 200]),
        (Method::POST, "/raiseEvent/never", [404, 202, 202, 410, 410, 410]),
        (Method::POST, "/suspend", [404, 202, 202, 410, 410, 410]),
        (Method::POST, "/resume", [404, 202, 202, 410, 410, 410]),
        (Method::POST, "/terminate", [404, 202, 202, 410, 410, 410]),
        (Method::POST, "/terminate?recursive=true", [404, 202, 202, 410, 410, 410]),
        (Method::POST, "/rewind", [404, 412, 412, 412, 202, 412]),
        (Method::POST, "/restart", [404, 202, 202, 202, 202, 202]),
        (Method::POST, "/restart?restartWithNewInstanceId=false", [404, 409, 409, 202, 202, 202]),
        (Method::DELETE, "", [404, 412, 412, 200, 200, 200]),
        (Method::DELETE, "?recursive=true", [404, 412, 412, 200, 200, 200]),
    ];
    let statuses = ["Missing", "Running", "Suspended", "Completed", "Failed", "Terminated"];
    for (row, (method, operation, codes)) in table.iter().enumerate() {
        for (status, code) in statuses.iter().zip(codes) {
            let id = format!("table-{row}-{status}");
            if *status != "Missing" {
                in_status(&client, &id, status).await;
            }
            let reply = client.send(method.clone(), &format!("{}{operation}", instance(&id)), "").await;
            if *code >= 400 {
                assert!(!reply.expect_problem(*code).is_empty(), "{method} {operation} {status}");
            } else {
                let _answered = reply.expect(*code);
            }
        }
    }
    let bad = "%40counter";
    for operation in ["", "/rewind", "/restart", "/terminate"] {
        let method = if operation.is_empty() { Method::GET } else { Method::POST };
        let reply = client.send(method, &format!("{}{operation}", instance(bad)), "").await;
        assert!(reply.expect_problem(400).contains('@'), "{operation}");
    }
    let large = format!("\"{}\"", "x".repeat(5 * 1024 * 1024));
    let reply = client.post(&format!("{}/raiseEvent/e", instance("any")), large).await;
    assert!(reply.expect_problem(413).contains("bytes"));
}

#[tokio::test]
async fn rewound_instance_fails_again_with_its_history_kept() {
    let host = samples();
    let client = host.client();
    in_status(&client, "rewind", "Failed").await;
    let _accepted = client.post(&format!("{}/rewind?reason=again", instance("rewind")), "").await.expect(202);
    client.wait_for("rewind", "failed again", |status| status["runtimeStatus"] == "Failed").await;
    let history = client.history("rewind").await;
    let of = |kind: &str| history.iter().filter(|event| event["EventType"] == kind).count();
    assert_eq!(
        (of("ExecutionRewound"), of("TaskFailed"), of("ExecutionCompleted")),
        (1, 2, 2),
        "{history:?}"
    );
}

#[tokio::test]
async fn repeated_requests_get_the_first_answer() {
    let host = Launch::of(&AppFolder::samples()).start();
    let client = host.client();
    let keyed = client.with_header("idempotency-key", "over-1");
    wait_for_approval(&client, "repeat").await;
    let raise = format!("{}/raiseEvent/other", instance("repeat"));
    for _ in 0..2 {
        let _accepted = keyed.post(&raise, "1").await.expect(202);
    }
    assert!(keyed.post(&raise, "2").await.expect_problem(422).contains("new key"));
    let events = client.history("repeat").await;
    let raised = events.iter().filter(|event| event["EventType"] == "EventRaised").count();
    assert_eq!(raised, 1, "{events:?}");

    let keyed = client.with_header("idempotency-key", "over-2");
    let start = async |body: &'static str| keyed.post("/api/orchestrators/WaitForApproval", body).await;
    let first = start(r#"{"timeoutSeconds":300}"#).await.expect(202);
    let (second, third) =
        tokio::join!(start(r#"{"timeoutSeconds":300}"#), start(r#"{"timeoutSeconds":300}"#));
    for again in [second.expect(202), third.expect(202)] {
        assert_eq!(again.json(), first.json());
        assert_eq!(again.header("location"), first.header("location"));
    }
    let other = start(r#"{"timeoutSeconds":301}"#).await;
    assert!(other.expect_problem(422).contains("new key"));
    let name = "WaitForApproval";
    let listed =
        client.get(&format!("{MANAGEMENT}/instances?name={name}&sort=created")).await.expect(200).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "one by each key: {listed}");
}

#[tokio::test]
async fn lists_filter_sort_and_count() {
    let host = Launch::of(&AppFolder::samples()).start();
    let client = host.client();
    for (number, id) in ["l-c", "l-a", "l-b"].iter().enumerate() {
        let team = if number == 1 { "red" } else { "blue" };
        let path = format!("{MANAGEMENT}/orchestrators/WaitForApproval/{id}?tag=team:{team}&version=2");
        let _accepted = client.post(&path, r#"{"timeoutSeconds":300}"#).await.expect(202);
    }
    client.start("Tree", "l-tree", &json!({ "depth": 1, "width": 2 })).await;
    assert_eq!(client.output("l-tree").await, 3);
    let ids = async |query: &str| {
        let page = client.get(&format!("{MANAGEMENT}/instances?{query}")).await.expect(200).json();
        let id = |status: &Value| status["instanceId"].as_str().unwrap_or_default().to_owned();
        page.as_array().unwrap().iter().map(id).collect::<Vec<_>>()
    };
    assert_eq!(ids("instanceIdPrefix=l-&name=waitforapproval&sort=created").await, ["l-c", "l-a", "l-b"]);
    assert_eq!(ids("instanceIdPrefix=l-&name=WaitForApproval&order=desc").await, ["l-c", "l-b", "l-a"]);
    assert_eq!(ids("tag=team:red").await, ["l-a"]);
    assert_eq!(ids("parentInstanceId=l-tree").await.len(), 2);
    let many =
        client.get(&format!("{MANAGEMENT}/instances?instanceId=l-a&instanceId=none")).await.expect(200);
    assert_eq!((&many.json()[0]["version"], &many.json()[1]), (&json!("2"), &Value::Null));
    for wrong in ["sort=size", "order=up", "tag=red", "completedTimeFrom=soon", "parentInstanceId=%40x"] {
        let _refused = client.get(&format!("{MANAGEMENT}/instances?{wrong}")).await.expect_problem(400);
    }
    let counts = client.get(&format!("{MANAGEMENT}/counts")).await.expect(200).json();
    assert_eq!((&counts["Running"], &counts["Completed"]), (&json!(3), &json!(3)), "{counts}");

    let purge = format!("{MANAGEMENT}/instances?createdTimeFrom=2020-01-01");
    assert!(
        client
            .delete(&format!("{MANAGEMENT}/instances"))
            .await
            .expect_problem(400)
            .contains("createdTimeFrom")
    );
    let _refused = client.delete(&format!("{purge}&runtimeStatus=Compleeted")).await.expect_problem(400);
    let tried = client.delete(&format!("{purge}&dryRun=true")).await.expect(200).json();
    assert_eq!(tried, json!({ "instancesDeleted": 0, "instancesMatched": 3 }));
    let _refused = client.delete(&format!("{purge}&runtimeStatus=Running,Failed")).await.expect_problem(404);
    assert_eq!(client.delete(&purge).await.expect(200).json(), json!({ "instancesDeleted": 3 }));
    assert_eq!(ids("instanceIdPrefix=l-").await.len(), 3, "live ones stay");

    client.start("Tree", "l-tree", &json!({ "depth": 1, "width": 2 })).await;
    assert_eq!(client.output("l-tree").await, 3);
    let some = format!("{MANAGEMENT}/instances?instanceId=l-tree&instanceId=none&instanceId=l-a");
    assert!(
        client
            .delete(&format!("{some}&runtimeStatus=Failed"))
            .await
            .expect_problem(400)
            .contains("runtimeStatus")
    );
    let _refused = client.delete(&format!("{some}&instanceId=%40x")).await.expect_problem(400);
    let tried = client.delete(&format!("{some}&recursive=true&dryRun=true")).await.expect(200).json();
    assert_eq!(tried, json!({ "instancesDeleted": 0, "instancesMatched": 3 }));
    let deleted = client.delete(&format!("{some}&recursive=true")).await.expect(200).json();
    assert_eq!(deleted, json!({ "instancesDeleted": 3 }));
    let _none = client.delete(&some).await.expect_problem(404);
}

#[tokio::test]
async fn status_can_be_waited_for_and_an_event_can_come_with_its_start() {
    let host = samples();
    let client = host.client();
    let path = format!("{MANAGEMENT}/orchestrators/WaitForApproval/w/raiseEvent/Approval?timeout=20");
    let body = r#"{"input":{"timeoutSeconds":300},"eventData":true}"#;
    let _accepted = client.post(&path, body).await.expect(200);
    let _refused = client.post(&path, r#"{"inputs":1}"#).await.expect_problem(400);
    wait_for_approval(&client, "w2").await;
    let _accepted = client.get(&format!("{}?wait=0.1", instance("w2"))).await.expect(202);
    let _refused = client.get(&format!("{}?wait=soon", instance("w2"))).await.expect_problem(400);
    let wait = format!("{}?wait=20", instance("w2"));
    let (ended, ()) = tokio::join!(client.get(&wait), client.raise_event("w2", "Approval", &json!(true)));
    assert_eq!(ended.expect(200).json()["runtimeStatus"], "Completed");
}

#[tokio::test]
async fn start_can_be_for_later_or_wait_for_the_end_of_another_run() {
    let host = samples();
    let client = host.client();
    let start = async |id: &str, query: &str| {
        let path = format!("{MANAGEMENT}/orchestrators/WaitForApproval/{id}?{query}");
        client.post(&path, r#"{"timeoutSeconds":300}"#).await
    };
    let _accepted = start("later", "startAt=2100-01-01T00:00:00Z").await.expect(202);
    let status = client.get(&instance("later")).await.expect(202).json();
    assert_eq!(
        (&status["runtimeStatus"], &status["scheduledStartTime"]),
        (&json!("Pending"), &json!("2100-01-01T00:00:00Z"))
    );
    let _accepted = client.post(&format!("{}/terminate?reason=no", instance("later")), "").await.expect(202);
    client.wait_for("later", "is over", |status| status["runtimeStatus"] == "Terminated").await;
    let _refused = start("later", "startAt=tomorrow").await.expect_problem(400);

    let _accepted = start("line", "ifExists=queue").await.expect(202);
    let second = start("line", "ifExists=queue&timeout=60").await.expect(202).json();
    assert_eq!(second["queuePosition"], 1, "{second}");
    let third = start("line", "ifExists=queue").await.expect(202).json();
    assert_eq!((&third["queuePosition"], third["executionId"] == second["executionId"]), (&json!(2), false));
    let dropped = client.delete(&format!("{}/queue", instance("line"))).await.expect(200).json();
    assert_eq!(dropped, json!({ "startsDropped": 2 }));
    let second = start("line", "ifExists=queue").await.expect(202).json();
    client.wait_for("line", "has one behind it", |status| status["queued"] == 1).await;
    client.raise_event("line", "Approval", &json!(true)).await;
    client.wait_for("line", "the second runs", |status| status["generation"] == 2).await;
    let status = client.get(&instance("line")).await.expect(202).json();
    assert_eq!((&status["executionId"], &status["queued"]), (&second["executionId"], &Value::Null));
    let _missing = client.delete(&format!("{}/queue", instance("nothing"))).await.expect_problem(404);
    let stuck = client.get(&format!("{MANAGEMENT}/instances?stuck=true")).await.expect(200).json();
    assert_eq!(stuck, json!([]));
}

#[tokio::test]
async fn changes_of_an_instance_come_as_events_until_it_is_over() {
    let host = samples();
    let client = host.client();
    client.start("BackgroundJob", "watched", &json!({ "steps": 3, "stepMs": 50 })).await;
    let stream = client.get(&format!("{}/changes?showInput=false", instance("watched"))).await.expect(200);
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    let text = stream.text();
    let statuses: Vec<Value> = text
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("event: status\ndata: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let last = statuses.last().unwrap();
    assert_eq!((&last["runtimeStatus"], &last["input"]), (&json!("Completed"), &Value::Null), "{text}");
    assert!(statuses.iter().any(|status| status["runtimeStatus"] == "Running"), "{text}");
    assert!(statuses.len() > 2, "{text}");
    let _missing = client.get(&format!("{}/changes", instance("nothing"))).await.expect_problem(404);
}

#[tokio::test]
async fn those_who_wait_do_not_delay_a_stop() {
    let host = Launch::of(&AppFolder::samples()).start();
    let client = host.client();
    wait_for_approval(&client, "w").await;
    let (status, changes) = (format!("{}?wait=600", instance("w")), format!("{}/changes", instance("w")));
    let stop = async {
        // Both are under way when the host has answered requests that came after them.
        for _ in 0..5 {
            client.wait_for("w", "runs", |status| status["runtimeStatus"] == "Running").await;
        }
        tokio::task::spawn_blocking(move || drop(host.stop())).await.unwrap();
    };
    let (status, changes, ()) = tokio::join!(client.get(&status), client.get(&changes), stop);
    assert_eq!(status.expect(202).json()["runtimeStatus"], "Running");
    assert!(changes.expect(200).text().starts_with("event: status\n"));
}
