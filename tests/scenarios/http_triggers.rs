//! HTTP functions: routes, methods, what a function is told of a request, what it may answer.

use durance_tests::{guests, samples};
use http::Method;
use serde_json::json;

#[tokio::test]
async fn function_sees_the_whole_request() {
    let host = guests();
    let client = host.client().with_header("x-colour", "green");
    // `HttpEcho` answers what it was given.
    let path = "/api/echo/a%20b/c%2Fd?q=1&q=%C3%A4";
    let seen = client.post(path, "the body").await.expect(200).json();
    assert_eq!(seen["method"], "POST");
    assert_eq!(seen["uri"], format!("{}{path}", host.url()));
    assert_eq!(seen["params"], json!([["first", "a b"], ["second", "c/d"]]));
    assert_eq!(seen["body"], "the body");
    let headers = seen["headers"].as_array().unwrap();
    assert!(headers.contains(&json!(["x-colour", "green"])), "{seen}");

    let seen = client.get("/api/echo/only").await.expect(200).json();
    assert_eq!(seen["params"], json!([["first", "only"], ["second", null]]));
}

#[tokio::test]
async fn function_without_methods_takes_all_of_them() {
    let host = guests();
    let client = host.client();
    for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
        let seen = client.send(method.clone(), "/api/echo/x", "").await.expect(200).json();
        assert_eq!(seen["method"], method.as_str());
    }
}

#[tokio::test]
async fn wrong_method_is_405_with_the_right_ones() {
    let host = samples();
    let client = host.client();
    for (method, path, allow) in [
        (Method::POST, "/api/hello/Ada", "GET"),
        (Method::GET, "/api/orchestrators/HelloSequence/x", "POST"),
        (Method::DELETE, "/api/orchestrators/HelloSequence", "POST"),
    ] {
        let reply = client.send(method.clone(), path, "").await;
        assert!(!reply.expect_problem(405).is_empty());
        let allowed = reply.header("allow").unwrap_or_default();
        assert!(allowed.split(", ").any(|allowed| allowed == allow), "{method} {path}: {allowed}");
    }
}

#[tokio::test]
async fn unknown_path_is_404() {
    let host = samples();
    let client = host.client();
    for path in ["/api/nothing", "/api/hello/a/b", "/hello", "/api", "/runtime/webhooks", "/nothing"] {
        assert!(!client.get(path).await.expect_problem(404).is_empty(), "{path}");
    }
}

#[tokio::test]
async fn host_says_that_it_is_well() {
    let host = samples();
    let client = host.client();
    assert_eq!(client.get("/healthz").await.expect(200).text(), "ok\n");
    assert!(client.get("/").await.expect(200).text().contains("Durance"));
    let status = client.get("/admin/host/status").await.expect(200).json();
    assert_eq!(status["state"], "Running");
}

#[tokio::test]
async fn answer_that_is_no_response_is_a_500() {
    let host = guests();
    let client = host.client();
    for (path, status) in [
        ("/api/HttpStatus?status=418", 418),
        ("/api/HttpStatus?status=204", 204),
        ("/api/HttpStatus?status=99", 500),
        ("/api/HttpStatus?status=1000", 500),
        ("/api/HttpStatus?status=none", 500),
        ("/api/HttpInvalidHeaderName", 500),
        ("/api/HttpInvalidHeaderValue", 500),
    ] {
        let reply = client.get(path).await.expect(status);
        assert_eq!(reply.header("x-injected"), None, "{path}");
    }
}
