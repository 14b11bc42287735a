//! What an existing instance means for a start: the same for the sample function and the management API.

use durance_tests::{Client, MANAGEMENT, samples};
use serde_json::json;

/// What comes of a start beside an existing instance.
#[derive(Clone, Copy, PartialEq)]
enum Outcome {
    Refused,
    Existing,
    NewRun,
}
use Outcome::{Existing, NewRun, Refused};

/// Policy; outcome beside a live instance; outcome beside a finished one.
const TABLE: [(&str, Outcome, Outcome); 5] = [
    ("reject", Refused, Refused),
    ("replace-finished", Refused, NewRun),
    ("use-existing", Existing, Existing),
    ("use-existing-if-live", Existing, NewRun),
    ("terminate-and-replace", NewRun, NewRun),
];

async fn check(client: &Client, base: &str, id: &str) {
    let input = |seconds: u32| json!({ "timeoutSeconds": seconds }).to_string();
    for (policy, live, finished) in TABLE {
        for (state, outcome) in [("live", live), ("finished", finished)] {
            let id = format!("{id}-{policy}-{state}");
            let _first = client.post(&format!("{base}/WaitForApproval/{id}"), input(300)).await.expect(202);
            if state == "finished" {
                client.raise_event(&id, "Approval", &json!(true)).await;
                client.finished(&id).await;
            }
            let path = format!("{base}/WaitForApproval/{id}?ifExists={policy}");
            let status = if outcome == Refused { 409 } else { 202 };
            let second = client.post(&path, input(301)).await.expect(status);
            assert_eq!(second.json()["id"], id.as_str());
            let now = client.status(&id).await;
            let (seconds, generation) = if outcome == NewRun { (301, 2) } else { (300, 1) };
            assert_eq!(now["input"]["timeoutSeconds"], seconds, "{id}");
            assert_eq!(now["generation"], generation, "{id}");
        }
    }
}

#[tokio::test]
async fn sample_function_keeps_every_policy() {
    let host = samples();
    check(&host.client(), "/api/orchestrators", "single").await;
}

#[tokio::test]
async fn management_api_keeps_every_policy() {
    let host = samples();
    check(&host.client(), &format!("{MANAGEMENT}/orchestrators"), "managed").await;
}

#[tokio::test]
async fn replaced_run_was_terminated_and_can_still_be_read() {
    let host = samples();
    let client = host.client();
    client.start("WaitForApproval", "replaced", &json!({ "timeoutSeconds": 300 })).await;
    let first = client.status("replaced").await["executionId"].as_str().unwrap().to_owned();
    let path = format!("{MANAGEMENT}/orchestrators/HelloSequence/replaced?ifExists=terminate-and-replace");
    let _second = client.post(&path, "").await.expect(202);
    assert_eq!(client.output("replaced").await.as_array().map(Vec::len), Some(3));
    let path = format!("{MANAGEMENT}/instances/replaced?executionId={first}");
    let earlier = client.get(&path).await.expect(200).json();
    assert_eq!(
        (&earlier["name"], &earlier["runtimeStatus"]),
        (&json!("WaitForApproval"), &json!("Terminated"))
    );
}
