//! Listing instances: filters and pages.

use durance_tests::{Client, MANAGEMENT, samples};
use serde_json::{Value, json};

/// Two finished, one failed, two waiting, all with this prefix.
async fn populate(client: &Client, prefix: &str) {
    for (name, orchestrator, input) in [
        ("a", "HelloSequence", Value::Null),
        ("b", "HelloSequence", Value::Null),
        ("c", "FanOutFanIn", json!({ "count": "many" })),
    ] {
        client.start(orchestrator, &format!("{prefix}-{name}"), &input).await;
        client.finished(&format!("{prefix}-{name}")).await;
    }
    for name in ["d", "e"] {
        client.start("WaitForApproval", &format!("{prefix}-{name}"), &json!({ "timeoutSeconds": 300 })).await;
    }
}

/// The last letters of the ids.
async fn listed(client: &Client, query: &str) -> String {
    let page = client.get(&format!("{MANAGEMENT}/instances?{query}")).await.expect(200).json();
    let ids = page.as_array().unwrap().iter().map(|status| status["instanceId"].as_str().unwrap());
    ids.map(|id| id.rsplit_once('-').unwrap().1).collect::<Vec<_>>().join("")
}

#[tokio::test]
async fn filters_narrow_the_list() {
    let host = samples();
    let client = host.client();
    populate(&client, "filtered").await;
    for (query, expected) in [
        ("", "abcde"),
        ("&runtimeStatus=Completed", "ab"),
        ("&runtimeStatus=Completed,Failed", "abc"),
        ("&runtimeStatus=failed&runtimeStatus=running", "cde"),
        ("&runtimeStatus=Terminated", ""),
        ("&createdTimeFrom=2020-01-01T00:00:00Z", "abcde"),
        ("&createdTimeFrom=2999-01-01", ""),
        ("&createdTimeTo=2020-01-01T00:00:00%2B01:00", ""),
        ("&createdTimeTo=9999-12-31T23:59:59.9999999Z", "abcde"),
        ("&top=2", "ab"),
    ] {
        let query = format!("instanceIdPrefix=filtered-{query}");
        assert_eq!(listed(&client, &query).await, expected, "{query}");
    }
    assert_eq!(listed(&client, "instanceIdPrefix=filtered-a").await, "a");
}

#[tokio::test]
async fn list_items_are_statuses() {
    let host = samples();
    let client = host.client();
    populate(&client, "items").await;
    for collection in ["instances", "instances/"] {
        let list = async |show: &str| {
            let path = format!("{MANAGEMENT}/{collection}?instanceIdPrefix=items-d&showInput={show}");
            client.get(&path).await.expect(200).json()
        };
        assert_eq!(list("true").await[0], client.status("items-d").await);
        assert_eq!(list("False").await[0]["input"], Value::Null);
    }
}

#[tokio::test]
async fn continuation_header_leads_through_all_pages() {
    let host = samples();
    let client = host.client();
    populate(&client, "paged").await;
    let (mut pages, mut token) = (Vec::<Vec<String>>::new(), String::new());
    loop {
        let path = format!("{MANAGEMENT}/instances?instanceIdPrefix=paged-&top=2");
        let page = client.with_header("x-ms-continuation-token", &token).get(&path).await.expect(200);
        let ids =
            page.json().as_array().unwrap().iter().map(|status| status["instanceId"].to_string()).collect();
        pages.push(ids);
        match page.header("x-ms-continuation-token") {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    let sizes: Vec<_> = pages.iter().map(Vec::len).collect();
    assert_eq!(sizes, [2, 2, 1]);
    let mut ids = pages.concat();
    ids.dedup();
    assert_eq!(ids.len(), 5, "{ids:?}");
    let forged = client.with_header("x-ms-continuation-token", "no token");
    assert!(!forged.get(&format!("{MANAGEMENT}/instances")).await.expect_problem(400).is_empty());
}
