//! What guests print becomes log lines that say who printed it.

use durance_tests::{AppFolder, Launch};
use serde_json::{Value, json};

fn launch(format: &str) -> Launch {
    let app = AppFolder::temporary("").sample("periodic_cleanup.wasm").sample("http_start.wasm");
    Launch::of(&app).argument("--log-format").argument(format)
}

#[tokio::test]
async fn printed_line_names_function_and_instance() {
    let host = launch("text").start();
    let client = host.client();
    client.start("PeriodicCleanup", "printed", &json!({ "everyMs": 10, "max": 2 })).await;
    assert_eq!(client.output("printed").await, 2);
    for number in 0..2 {
        let _line = host.says(&[&format!("Clean-up {number} is done."), "CleanUp", "printed"]);
    }
}

#[tokio::test]
async fn json_log_has_the_same_as_fields() {
    let host = launch("json").start();
    let client = host.client();
    client.start("PeriodicCleanup", "printed", &json!({ "everyMs": 10, "max": 1 })).await;
    let line = host.says(&["Clean-up 0 is done."]);
    let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
    assert_eq!(line["message"], "Clean-up 0 is done.");
    assert_eq!(line["function"], "CleanUp");
    assert_eq!(line["instance_id"], "printed");
    assert_eq!(line["level"], "INFO");

    let path = "/api/orchestrators/PeriodicCleanup/started";
    let _started = client.post(path, r#"{"everyMs":10,"max":1}"#).await.expect(202);
    let line = host.says(&["Started orchestration with ID = 'started'."]);
    let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
    assert_eq!(line["function"], "HttpStartSingle");
}
