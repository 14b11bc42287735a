//! The sample functions do what their READMEs and the model say.

use durance_tests::{Client, run_of, samples};
use serde_json::{Value, json};

/// Starts through `HttpStart`; gives the id.
async fn http_start(client: &Client, orchestrator: &str, input: &str) -> String {
    let reply =
        client.post(&format!("/api/orchestrators/{orchestrator}"), input.to_owned()).await.expect(202);
    reply.json()["id"].as_str().expect("links have an id").to_owned()
}

#[tokio::test]
async fn hello_greets_by_name_and_without_one() {
    let host = samples();
    let client = host.client();
    for (path, greeting) in [
        ("/api/hello", "Hello world!"),
        ("/api/hello/", "Hello world!"),
        ("/api/hello/Ada", "Hello Ada!"),
        ("/api/hello/Ada%20Lovelace", "Hello Ada Lovelace!"),
        ("/API/Hello/%C3%84da", "Hello Äda!"),
    ] {
        let reply = client.get(path).await.expect(200);
        assert_eq!(reply.text(), greeting, "{path}");
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
    }
}

#[tokio::test]
async fn http_start_gives_a_random_id_and_its_links() {
    let host = samples();
    let client = host.client();
    let reply = client.post("/api/orchestrators/HelloSequence", "").await.expect(202);
    let links = reply.json();
    let id = links["id"].as_str().unwrap();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert_eq!(reply.header("location"), links["statusQueryGetUri"].as_str());
    assert_eq!(reply.header("retry-after"), Some("10"));

    let other = http_start(&client, "HelloSequence", "").await;
    assert_ne!(id, other);
}

#[tokio::test]
async fn hello_sequence_greets_three_cities_in_turn() {
    let host = samples();
    let client = host.client();
    let id = http_start(&client, "HelloSequence", "").await;
    assert_eq!(client.output(&id).await, json!(["Hello Tokyo!", "Hello Seattle!", "Hello London!"]));
    assert_eq!(run_of(&client.history(&id).await), ["SayHello"; 3]);
}

#[tokio::test]
async fn fan_out_fan_in_sums_the_squares() {
    let host = samples();
    let client = host.client();
    for (count, sum) in [(0, 0), (1, 0), (10, 285), (100, 328_350)] {
        let id = http_start(&client, "FanOutFanIn", &json!({ "count": count }).to_string()).await;
        assert_eq!(client.output(&id).await, sum, "{count}");
        assert_eq!(run_of(&client.history(&id).await), vec!["Square"; count]);
    }
}

#[tokio::test]
async fn fan_in_takes_time_in_proportion_to_its_tasks() {
    let host = samples();
    let client = host.client();
    // A fan-in whose steps looked at every task would use up the CPU time of a turn.
    client.start("FanOutFanIn", "wide", &json!({ "count": 90_000 })).await;
    assert_eq!(client.output("wide").await, 242_995_950_015_000_u64);
}

#[tokio::test]
async fn wait_for_approval_ends_as_answered() {
    let host = samples();
    let client = host.client();
    for (answer, output) in [(true, "approved"), (false, "rejected")] {
        let id = http_start(&client, "WaitForApproval", r#"{"timeoutSeconds":300}"#).await;
        client.raise_event(&id, "approval", &json!(answer)).await;
        assert_eq!(client.output(&id).await, output);
    }
}

#[tokio::test]
async fn wait_for_approval_times_out() {
    let host = samples();
    let client = host.client();
    let id = http_start(&client, "WaitForApproval", r#"{"timeoutSeconds":0.05}"#).await;
    assert_eq!(client.output(&id).await, "timed out");
}

#[tokio::test]
async fn background_job_shows_its_step() {
    let host = samples();
    let client = host.client();
    let id = http_start(&client, "BackgroundJob", r#"{"steps":3,"stepMs":200}"#).await;
    let at_work = |status: &Value| status["customStatus"]["step"].as_u64() >= Some(1);
    let status = client.wait_for(&id, "shows a step", at_work).await;
    assert!(status["customStatus"]["step"].as_u64() <= Some(3), "{status}");
    assert_eq!(client.output(&id).await, 3);
    assert_eq!(client.status(&id).await["customStatus"], json!({ "step": 3 }));
    assert_eq!(run_of(&client.history(&id).await), ["DoStep"; 3]);
}

#[tokio::test]
async fn periodic_cleanup_ends_at_its_maximum_with_a_short_history() {
    let host = samples();
    let client = host.client();
    let id = http_start(&client, "PeriodicCleanup", r#"{"everyMs":10,"max":5}"#).await;
    assert_eq!(client.output(&id).await, 5);
    // Only the last execution is left.
    assert_eq!(run_of(&client.history(&id).await), ["CleanUp"]);
    assert_eq!(client.status(&id).await["input"], json!({ "everyMs": 10, "max": 5, "counter": 4 }));
}

#[tokio::test]
async fn periodic_cleanup_without_a_maximum_goes_on_until_terminated() {
    let host = samples();
    let client = host.client();
    let id = http_start(&client, "PeriodicCleanup", r#"{"everyMs":10}"#).await;
    client.wait_for(&id, "goes round", |status| status["input"]["counter"].as_u64() >= Some(3)).await;
    let path = format!("{}/instances/{id}/terminate?reason=enough", durance_tests::MANAGEMENT);
    let _accepted = client.post(&path, "").await.expect(202);
    let status = client.finished(&id).await;
    assert_eq!((&status["runtimeStatus"], &status["output"]), (&json!("Terminated"), &json!("enough")));
}

#[tokio::test]
async fn parent_gathers_what_each_child_says() {
    let host = samples();
    let client = host.client();
    let id = http_start(&client, "Parent", r#"{"children":3}"#).await;
    let expected = json!(["child 0 of Parent", "child 1 of Parent", "child 2 of Parent"]);
    assert_eq!(client.output(&id).await, expected);

    let history = client.history(&id).await;
    let children: Vec<_> = history.iter().filter_map(|event| event["InstanceId"].as_str()).collect();
    assert_eq!(children.len(), 3, "{history:?}");
    for child in children {
        let status = client.status(child).await;
        assert_eq!((&status["name"], &status["runtimeStatus"]), (&json!("Child"), &json!("Completed")));
    }

    let alone = http_start(&client, "Child", "7").await;
    assert_eq!(client.output(&alone).await, "child 7 of nobody");
}
