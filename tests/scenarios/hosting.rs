//! What those who run a host rely on: probes, request ids, the access log, a stop that breaks nothing off.

use durance_tests::{AppFolder, Launch, eventually};
use serde_json::{Value, json};

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[tokio::test]
async fn access_log_has_a_line_for_each_answer_and_no_key() {
    let app = AppFolder::temporary("").sample("hello.wasm");
    let host = Launch::of(&app).argument("--log-format").argument("json").argument("--access-log").start();
    let client = host.client().with_header("x-request-id", "trace-1");
    let reply = client.get("/api/hello/Ada?code=very-secret").await.expect(200);
    assert_eq!(reply.header("x-request-id"), Some("trace-1"));
    let line = parsed(&host.says(&["durance::access", "/api/hello/Ada"]));
    let expected = json!({
        "method": "GET", "path": "/api/hello/Ada", "status": 200, "bytes": reply.body.len(),
        "client": "127.0.0.1", "request_id": "trace-1", "message": "answered",
    });
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(&line[field], value, "{field}: {line}");
    }
    assert!(line["elapsed_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{line}");
    assert_eq!(parsed(&host.says(&["executed"]))["request_id"], "trace-1");

    let problem = client.get("/api/nothing").await;
    let _detail = problem.expect_problem(404);
    assert_eq!(problem.json()["requestId"], "trace-1");
    let _line = host.says(&["durance::access", "/api/nothing", "404"]);
    assert!(!host.said().contains("very-secret"), "{}", host.said());
}

#[tokio::test]
async fn answers_are_not_logged_unless_asked_for() {
    let host = Launch::of(&AppFolder::temporary("").sample("hello.wasm")).start();
    let client = host.client();
    let _pong = client.get("/healthz").await.expect(200);
    let reply = client.get("/api/hello").await.expect(200);
    let id = reply.header("x-request-id").expect("each answer has one");
    let _line = host.says(&["executed", id]);
    assert!(!host.said().contains("durance::access"), "{}", host.said());
}

#[tokio::test]
async fn stop_is_announced_and_finishes_what_is_under_way() {
    let app = AppFolder::temporary("[host]\ndrain_notice_seconds = 4\n");
    let host = Launch::of(&app.guest("misbehaving.wasm").sample("wait_for_approval.wasm")).start();
    let client = host.client();
    assert_eq!(client.get("/readyz").await.expect(200).text(), "ok\n");
    client.start("WaitForApproval", "waits", &json!({ "timeoutSeconds": 60 })).await;
    host.begin_to_stop();
    let _line = host.says(&["stopping", "interrupt again"]);
    let unready = eventually(
        || "a host that is not ready",
        async || {
            let reply = client.get("/readyz").await;
            (reply.status != 200).then_some(reply)
        },
    );
    assert_eq!(unready.await.expect_problem(503), "the host is stopping");
    // Taken during the notice, and longer than it: ended by the drain.
    assert_eq!(client.get("/api/HttpSlow?ms=5000").await.expect(200).text(), "awake");
    let host = host.stopped().start();
    let client = host.client();
    let event = "/runtime/webhooks/durabletask/instances/waits/raiseEvent/Approval";
    let _accepted = client.post(event, "true").await.expect(202);
    let _output = client.output("waits").await;
}
