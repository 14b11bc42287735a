//! `HttpStartSingle`: at most one orchestration of an id runs, and every caller learns which one.

use durance_tests::{Client, MANAGEMENT, Reply, samples};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const WAIT: &str = r#"{"timeoutSeconds":300}"#;
const LINKS: [&str; 8] = [
    "statusQueryGetUri",
    "sendEventPostUri",
    "terminatePostUri",
    "purgeHistoryDeleteUri",
    "suspendPostUri",
    "resumePostUri",
    "restartPostUri",
    "rewindPostUri",
];

async fn start_single(client: &Client, orchestrator: &str, id: &str, input: &str) -> Reply {
    client.post(&format!("/api/orchestrators/{orchestrator}/{id}"), input.to_owned()).await
}

#[tokio::test]
async fn start_answers_202_with_links_that_work() {
    let host = samples();
    let client = host.client();
    let reply = start_single(&client, "WaitForApproval", "single-links", WAIT).await.expect(202);
    let links = reply.json();
    assert_eq!(links["id"], "single-links");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("location"), links["statusQueryGetUri"].as_str());
    assert_eq!(reply.header("retry-after"), Some("10"));
    let prefix = format!("{}{MANAGEMENT}/instances/single-links", host.url());
    for link in LINKS {
        let uri = links[link].as_str().unwrap_or_else(|| panic!("{link} in {links}"));
        assert!(uri.starts_with(&prefix) && uri.contains("expires=") && uri.contains("sig="), "{uri}");
    }

    let link = |name: &str| {
        links[name].as_str().unwrap().replace("{text}", "why").replace("{eventName}", "Approval")
    };
    assert_eq!(client.get(&link("statusQueryGetUri")).await.expect(202).json()["name"], "WaitForApproval");
    let _suspended = client.post(&link("suspendPostUri"), "").await.expect(202);
    let _resumed = client.post(&link("resumePostUri"), "").await.expect(202);
    let _raised = client.post(&link("sendEventPostUri"), "true").await.expect(202);
    assert_eq!(client.output("single-links").await, "approved");
    let _gone = client.post(&link("terminatePostUri"), "").await.expect(410);
    let _purged = client.delete(&link("purgeHistoryDeleteUri")).await.expect(200);
    let _missing = client.get(&link("statusQueryGetUri")).await.expect(404);
}

#[tokio::test]
async fn second_start_is_a_409_problem_with_the_links_of_the_holder() {
    let host = samples();
    let client = host.client();
    let first = start_single(&client, "WaitForApproval", "single-held", WAIT).await.expect(202);
    let second = start_single(&client, "HelloSequence", "single-held", "").await;
    assert_eq!(second.expect_problem(409), "An instance with ID 'single-held' already exists.");
    let problem = second.json();
    assert_eq!(problem["id"], "single-held");
    for link in LINKS {
        assert!(problem[link].is_string(), "{link} in {problem}");
    }
    let holder = problem["sendEventPostUri"].as_str().unwrap().replace("{eventName}", "Approval");
    let _raised = client.post(&holder, "false").await.expect(202);
    assert_eq!(client.output("single-held").await, "rejected");
    let _links = first.json();
}

#[tokio::test]
async fn finished_instance_is_started_again() {
    let host = samples();
    let client = host.client();
    let mut executions = BTreeSet::new();
    for generation in 1..=3 {
        let _started = start_single(&client, "HelloSequence", "single-again", "").await.expect(202);
        let status = client.finished("single-again").await;
        assert_eq!(status["generation"], generation);
        executions.insert(status["executionId"].as_str().unwrap().to_owned());
    }
    assert_eq!(executions.len(), 3);
    for execution in executions {
        let path = format!("{MANAGEMENT}/instances/single-again?executionId={execution}");
        assert_eq!(client.get(&path).await.expect(200).json()["executionId"], execution);
    }
}

#[tokio::test]
async fn malformed_starts_say_what_is_wrong() {
    let host = samples();
    let client = host.client();
    let long_id = "x".repeat(257);
    let table = [
        ("HelloSequence/bad-json", "{\n  \"a\": }", 400, "line 2 column 8"),
        ("HelloSequence/%40bad", "", 400, "must not start with '@'"),
        ("HelloSequence/a%2Fb", "", 400, "must not contain '/'"),
        ("HelloSequence/a%23b", "", 400, "must not contain '/'"),
        ("HelloSequence/a%0Ab", "", 400, "control characters"),
        (&*format!("HelloSequence/{long_id}"), "", 400, "at most 256 characters"),
        ("Missing/x", "", 404, "HelloSequence"),
        ("Missing", "", 404, "BackgroundJob"),
        ("HelloSequence/x?ifExists=whatever", "", 400, "terminate-and-replace"),
    ];
    for (path, body, status, expected) in table {
        let reply = client.post(&format!("/api/orchestrators/{path}"), body).await;
        let detail = reply.expect_problem(status);
        assert!(detail.contains(expected), "{path}: {detail}");
    }
    for id in ["bad-json", "x"] {
        let _nothing = client.get(&format!("{MANAGEMENT}/instances/{id}")).await.expect(404);
    }
}

#[tokio::test]
async fn ids_are_taken_as_they_are() {
    let host = samples();
    let client = host.client();
    for (path, id) in [
        ("order-17%20%C3%A4%C3%B6%20%40home", "order-17 äö @home".to_owned()),
        ("Case", "Case".to_owned()),
        ("case", "case".to_owned()),
        ("100%25", "100%".to_owned()),
        (&*"y".repeat(256), "y".repeat(256)),
    ] {
        let links = start_single(&client, "HelloSequence", path, "").await.expect(202).json();
        assert_eq!(links["id"], id);
        let status = client.finished(path).await;
        assert_eq!((&status["instanceId"], &status["generation"]), (&json!(id), &json!(1)));
    }
}

/// Sends 64 starts at once; gives the statuses, sorted.
async fn race(client: &Client, id: &str) -> Vec<u16> {
    let starts = (0..64).map(|caller| {
        let (client, id) = (client.clone(), id.to_owned());
        let input = json!({ "timeoutSeconds": 300, "caller": caller }).to_string();
        tokio::spawn(async move { start_single(&client, "WaitForApproval", &id, &input).await.status })
    });
    let mut statuses = Vec::new();
    for start in starts.collect::<Vec<_>>() {
        statuses.push(start.await.expect("a request does not panic"));
    }
    statuses.sort_unstable();
    statuses
}

#[tokio::test]
async fn of_64_callers_of_one_id_exactly_one_starts_it() {
    let host = samples();
    let client = host.client();
    let mut expected = vec![409; 64];
    expected[0] = 202;
    for round in 0..50 {
        let id = format!("race-{round}");
        assert_eq!(race(&client, &id).await, expected, "{id}");
    }
    for round in 0..50 {
        let id = format!("race-{round}");
        client.raise_event(&id, "Approval", &Value::Bool(true)).await;
        assert_eq!(client.output(&id).await, "approved");
        assert_eq!(client.status(&id).await["generation"], 1);
        let history = client.history(&id).await;
        let starts = history.iter().filter(|event| event["EventType"] == "ExecutionStarted");
        assert_eq!(starts.count(), 1, "{history:?}");
        let line = format!("Started orchestration with ID = '{id}'.");
        assert_eq!(host.said().matches(&line).count(), 1, "{line}");
    }
}

#[tokio::test]
async fn retried_post_with_an_idempotency_key_has_the_first_outcome() {
    let host = samples();
    let retrying = host.client().with_header("idempotency-key", "retried-post");
    let first = retrying.post("/api/orchestrators/HelloSequence", "").await.expect(202).json();
    let id = first["id"].as_str().unwrap();
    let _done = host.client().output(id).await;
    let again = retrying.post("/api/orchestrators/HelloSequence", "").await.expect(202).json();
    assert_eq!(again["id"], id);
    assert_eq!(host.client().status(id).await["generation"], 1);
    let other = retrying.post("/api/orchestrators/HelloSequence", "1").await;
    assert!(other.expect_problem(422).contains("idempotency key"), "{}", other.text());

    let retrying = host.client().with_header("idempotency-key", "retried-single");
    let _first = start_single(&retrying, "HelloSequence", "single-retried", "").await.expect(202);
    let _done = host.client().output("single-retried").await;
    // Without the key this would be another run.
    let again = start_single(&retrying, "HelloSequence", "single-retried", "").await.expect(202);
    assert_eq!(again.json()["id"], "single-retried");
    assert_eq!(host.client().status("single-retried").await["generation"], 1);
}
