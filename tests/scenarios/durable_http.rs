//! HTTP requests of orchestrators, which the host sends.

use durance_tests::{AppFolder, Launch, LoopbackServer, eventually, samples};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime},
};

fn launch(servers: &[&LoopbackServer], settings: &str) -> Launch {
    let hosts: Vec<_> = servers.iter().map(|server| server.url()).collect();
    let app = AppFolder::temporary(&format!("allowed_outbound_hosts = {hosts:?}\n{settings}"));
    Launch::of(&app.sample("call_http.wasm").sample("monitor.wasm"))
}

/// Answers 202 so many times, with these header lines, and then 200.
fn slow_job(polls: usize, header: impl Fn() -> String + Send + 'static) -> LoopbackServer {
    let answers = AtomicUsize::new(0);
    LoopbackServer::answering(move |_| match answers.fetch_add(1, Ordering::Relaxed) {
        count if count < polls => (format!("202 Accepted\r\n{}", header()), String::new()),
        _ => ("200 OK".to_owned(), "done".to_owned()),
    })
}

fn types(history: &[Value]) -> Vec<&str> {
    history.iter().filter_map(|event| event["EventType"].as_str()).collect()
}

#[tokio::test]
async fn answer_is_the_result_whatever_its_status() {
    let server = LoopbackServer::answering(|request| ("404 Not Found\r\nX-A: 1", request.body.clone()));
    let host = launch(&[&server], "").start();
    let client = host.client();
    let input = json!({
        "method": "PUT", "uri": format!("{}/a?b=c#d", server.url()), "content": "text",
        "headers": { "X-Custom": "yes", "Host": "elsewhere", "Connection": "keep-alive" },
    });
    client.start("CallHttp", "plain", &input).await;
    assert_eq!(client.output("plain").await, json!({ "statusCode": 404, "content": "text" }));
    let request = &server.received()[0];
    assert_eq!((request.method.as_str(), request.target.as_str()), ("PUT", "/a?b=c"));
    assert_eq!((request.header("x-custom"), request.header("connection")), (Some("yes"), None));
    assert!(request.header("host").is_some_and(|host| server.url().ends_with(host)));

    let history = client.history("plain").await;
    assert_eq!(types(&history), ["ExecutionStarted", "TaskCompleted", "ExecutionCompleted"]);
    let (sent, answer) = (&history[1]["Input"], &history[1]["Result"]);
    assert_eq!(history[1]["FunctionName"], "BuiltIn::HttpActivity");
    assert_eq!((&sent["method"], &sent["asynchronousPatternEnabled"]), (&json!("PUT"), &json!(true)));
    assert_eq!((&answer["statusCode"], &answer["headers"]["x-a"]), (&json!(404), &json!("1")));
}

#[tokio::test]
async fn answer_of_202_is_polled_over_a_crash_without_a_second_request() {
    // The location is relative to the request, and the date is in the future for a moment only.
    let server = slow_job(3, || {
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(2));
        format!("Location: status?x=1\r\nRetry-After: {date}")
    });
    let host = launch(&[&server], "").start();
    let input = json!({ "method": "POST", "uri": format!("{}/jobs/start", server.url()), "content": "go" });
    host.client().start("CallHttp", "polled", &input).await;
    eventually(|| "the first poll", async || (server.requests() == 2).then_some(())).await;
    let host = host.crash().start();
    let client = host.client();
    assert_eq!(client.output("polled").await, json!({ "statusCode": 200, "content": "done" }));
    let received = server.received();
    let posts = received.iter().filter(|request| request.method == "POST").count();
    assert_eq!(posts, 1, "{received:?}");
    let is_poll = |request: &durance_tests::LoopbackRequest| {
        request.target == "/jobs/status?x=1" && request.method == "GET" && request.body.is_empty()
    };
    assert!(received[1..].iter().all(is_poll), "{received:?}");
    let history = client.history("polled").await;
    assert_eq!(types(&history).iter().filter(|name| **name == "TimerFired").count(), 3, "{history:?}");
}

#[tokio::test]
async fn credentials_do_not_leave_their_origin() {
    let other = slow_job(0, String::new);
    let elsewhere = other.url();
    let server = LoopbackServer::answering(move |request| match request.target.as_str() {
        "/redirected" => (format!("307 Temporary Redirect\r\nLocation: {elsewhere}/moved"), String::new()),
        "/same" => ("302 Found\r\nLocation: /here".to_owned(), String::new()),
        "/here" => ("200 OK".to_owned(), String::new()),
        _ => (format!("202 Accepted\r\nRetry-After: 1\r\nLocation: {elsewhere}/polled"), String::new()),
    });
    let host = launch(&[&server, &other], "").start();
    let client = host.client();
    for path in ["same", "redirected", "accepted"] {
        let input = json!({
            "method": "POST", "uri": format!("{}/{path}", server.url()), "content": "body",
            "headers": { "Authorization": "a", "Cookie": "b", "x-functions-key": "c", "X-Other": "d" },
        });
        client.start("CallHttp", path, &input).await;
        assert_eq!(client.output(path).await["statusCode"], 200);
    }
    let is_secret = |request: &durance_tests::LoopbackRequest| {
        ["authorization", "cookie", "x-functions-key"].iter().any(|name| request.header(name).is_some())
    };
    assert!(server.received().iter().all(is_secret), "{:?}", server.received());
    let there: Vec<_> = other.received();
    let seen: Vec<_> = there
        .iter()
        .map(|request| (request.target.as_str(), request.body.as_str(), is_secret(request)))
        .collect();
    assert_eq!(seen, [("/moved", "body", false), ("/polled", "", false)]);
    assert!(there.iter().all(|request| request.header("x-other") == Some("d")));
}

#[tokio::test]
async fn host_that_is_not_allowed_is_refused_once_and_says_what_to_do() {
    let (allowed, other) = (LoopbackServer::start(""), LoopbackServer::start(""));
    let elsewhere = other.url();
    let sends_on =
        LoopbackServer::answering(move |_| (format!("302 Found\r\nLocation: {elsewhere}/"), String::new()));
    let host = launch(&[&allowed, &sends_on], "").start();
    let client = host.client();
    let line = format!("allowed_outbound_hosts = [\"{}\"]", other.url());
    for (id, server) in [("direct", &other), ("redirected", &sends_on)] {
        client.start("CallHttp", id, &json!({ "uri": server.url(), "attempts": 5 })).await;
        let failure = client.failure(id).await;
        assert!(failure.contains(&line) && failure.contains("durance.toml"), "{failure}");
    }
    assert_eq!((other.requests(), sends_on.requests()), (0, 1));
    for (uri, expected) in
        [("nowhere", "relative URL"), ("ftp://a/", "http://"), ("http://u:p@a/", "authorization")]
    {
        let id = expected.replace([':', '/', ' '], "");
        client.start("CallHttp", &id, &json!({ "uri": uri, "attempts": 5 })).await;
        let failure = client.failure(&id).await;
        assert!(failure.contains(expected), "{failure}");
    }
}

#[tokio::test]
async fn request_is_tried_again_by_its_policy_and_fails_with_the_status() {
    let answers = AtomicUsize::new(0);
    let server = LoopbackServer::answering(move |request| {
        let recovers = request.target == "/recovers" && answers.fetch_add(1, Ordering::Relaxed) == 2;
        (if recovers { "200 OK" } else { "503 Service Unavailable" }, String::new())
    });
    let host = launch(&[&server], "").start();
    let client = host.client();
    client
        .start("CallHttp", "recovers", &json!({ "uri": format!("{}/recovers", server.url()), "attempts": 5 }))
        .await;
    assert_eq!(client.output("recovers").await["statusCode"], 200);
    client
        .start(
            "CallHttp",
            "fails",
            &json!({ "uri": format!("{}/?code=secret", server.url()), "attempts": 2 }),
        )
        .await;
    let failure = client.failure("fails").await;
    assert!(failure.contains("answered 503") && !failure.contains("secret"), "{failure}");
    assert_eq!(server.requests(), 5);
}

#[tokio::test]
async fn call_that_takes_too_long_or_answers_too_much_fails() {
    let server = LoopbackServer::answering(|request| match request.target.as_str() {
        "/large" => ("200 OK", "x".repeat(20_000)),
        "/loop" => ("302 Found\r\nLocation: /loop", String::new()),
        _ => ("202 Accepted\r\nLocation: /\r\nRetry-After: 1", String::new()),
    });
    let host = launch(&[&server], "[limits]\nvalue_bytes = 16384\n").start();
    let client = host.client();
    for (path, expected) in [
        ("large", "more than 16384 bytes"),
        ("loop", "more than 10 redirects"),
        ("forever", "did not end within 2.5 s"),
    ] {
        let input = json!({ "uri": format!("{}/{path}", server.url()), "timeoutMs": 2500 });
        client.start("CallHttp", path, &input).await;
        let failure = client.failure(path).await;
        assert!(failure.contains(expected), "{failure}");
    }
    let input = json!({ "uri": server.url(), "noPolling": true });
    client.start("CallHttp", "as-it-is", &input).await;
    assert_eq!(client.output("as-it-is").await["statusCode"], 202);
}

#[tokio::test]
async fn monitor_looks_until_it_is_so_or_its_time_is_over() {
    let looks = AtomicUsize::new(0);
    let server = LoopbackServer::answering(move |_| {
        let state = if looks.fetch_add(1, Ordering::Relaxed) < 2 { "cloudy" } else { "clear" };
        ("200 OK", json!({ "sky": state }).to_string())
    });
    let host = launch(&[&server], "").start();
    let client = host.client();
    let input = |is: &str, expires_ms: u64| json!({ "uri": server.url(), "member": "sky", "is": is, "everyMs": 20, "expiresMs": expires_ms });
    client.start("Monitor", "reached", &input("clear", 600_000)).await;
    assert_eq!(client.output("reached").await, json!({ "reached": true, "looks": 3 }));
    client.start("Monitor", "expired", &input("rainy", 200)).await;
    assert_eq!(client.output("expired").await["reached"], false);
}

#[tokio::test]
async fn sample_app_may_call_its_own_host() {
    let host = samples();
    let client = host.client();
    client.start("BackgroundJob", "watched-job", &json!({ "steps": 2, "stepMs": 100 })).await;
    let uri = format!("{}/runtime/webhooks/durabletask/instances/watched-job", host.url());
    client.start("CallHttp", "watcher", &json!({ "uri": uri })).await;
    let output = client.output("watcher").await;
    let content: Value = serde_json::from_str(output["content"].as_str().unwrap()).unwrap();
    assert_eq!((&output["statusCode"], &content["runtimeStatus"]), (&json!(200), &json!("Completed")));
}
