//! An instance goes on with the component that it began with, whatever the app has now.

use durance_tests::{AppFolder, Launch, components_in, run_of};
use serde_json::{Value, json};

#[tokio::test]
async fn instance_in_flight_keeps_its_component_when_the_app_is_rebuilt() {
    let guests = components_in("tests/guests");
    let app = AppFolder::temporary("").put("versioned.wasm", &guests.join("pinned_v1.wasm"));
    let host = Launch::of(&app).start();
    host.client().start("Versioned", "old", &Value::Null).await;

    let launch = host.stop();
    let _app = app.put("versioned.wasm", &guests.join("pinned_v2.wasm"));
    let host = launch.start();
    let client = host.client();
    client.start("Versioned", "new", &Value::Null).await;
    for (id, version) in [("old", "v1"), ("new", "v2")] {
        client.raise_event(id, "go", &json!(1)).await;
        assert_eq!(client.output(id).await, version);
        assert_eq!(run_of(&client.history(id).await), ["Version"]);
    }
    // A new run of the same id is of the app as it is now.
    client.start("Versioned", "old", &Value::Null).await;
    client.raise_event("old", "go", &json!(1)).await;
    assert_eq!(client.output("old").await, "v2");
}

#[tokio::test]
async fn instance_in_flight_ends_though_its_function_was_removed() {
    let guests = components_in("tests/guests");
    let app = AppFolder::temporary("").put("versioned.wasm", &guests.join("pinned_v1.wasm"));
    let host = Launch::of(&app).start();
    host.client().start("Versioned", "removed", &Value::Null).await;

    let launch = host.crash();
    let _app = app.put("versioned.wasm", &components_in("functions").join("hello.wasm"));
    let host = launch.start();
    let client = host.client();
    client.raise_event("removed", "go", &json!(1)).await;
    assert_eq!(client.output("removed").await, "v1");
    let refused = client.post("/runtime/webhooks/durabletask/orchestrators/Versioned/x", "").await;
    assert!(refused.expect_problem(400).contains("Versioned"));
}
