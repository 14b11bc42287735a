//! The admin API: what the host is, and which functions it serves.

use durance_tests::samples;
use serde_json::{Value, json};

#[tokio::test]
async fn functions_are_listed_with_what_calls_them() {
    let host = samples();
    let client = host.client();
    let functions = client.get("/admin/functions").await.expect(200).json();
    let named = |name: &str| -> Value {
        let functions = functions.as_array().expect("a list");
        functions.iter().find(|function| function["name"] == name).expect(name).clone()
    };
    let starter = named("HttpStartSingle");
    let template = format!("{}/api/orchestrators/{{functionName}}/{{instanceId}}", host.url());
    assert_eq!(starter["invoke_url_template"], template);
    assert_eq!(starter["config"]["bindings"][0]["authLevel"], "function");
    assert_eq!(starter["component"].as_str().map(str::len), Some(64));
    let activity = named("SayHello");
    assert_eq!(activity["config"]["bindings"], json!([{ "type": "activityTrigger", "direction": "in" }]));
    assert_eq!(activity["invoke_url_template"], Value::Null);

    let href = starter["href"].as_str().expect("a link");
    assert_eq!(client.get(href).await.expect(200).json(), starter);
    assert_eq!(client.get("/admin/functions/HTTPSTARTSINGLE").await.expect(200).json(), starter);
    let refused = client.get("/admin/functions/Nobody").await.expect_problem(404);
    assert!(refused.contains("there is no function 'Nobody'"), "{refused}");
}

#[tokio::test]
async fn host_says_what_it_is() {
    let host = samples();
    let status = host.client().get("/admin/host/status").await.expect(200).json();
    assert_eq!((&status["state"], &status["app"]), (&json!("Running"), &json!("samples")), "{status}");
}
