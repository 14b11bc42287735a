//! Limits on what callers may send, and on how much is done at once.

use durance_tests::{AppFolder, Launch, MANAGEMENT, eventually};

#[tokio::test]
async fn request_over_a_limit_is_refused() {
    let app = AppFolder::temporary("[limits]\nrequest_body_bytes = 1000\n");
    let host = Launch::of(&app.sample("http_start.wasm").sample("hello_sequence.wasm")).start();
    let client = host.client();
    let (fits, too_long) = (format!("\"{}\"", "x".repeat(998)), format!("\"{}\"", "x".repeat(999)));
    for base in [format!("{MANAGEMENT}/orchestrators"), "/api/orchestrators".to_owned()] {
        let _accepted = client.post(&format!("{base}/HelloSequence"), fits.clone()).await.expect(202);
        let refused = client.post(&format!("{base}/HelloSequence"), too_long.clone()).await;
        let detail = refused.expect_problem(413);
        assert!(detail.contains("1000 bytes"), "{detail}");
    }
    let path = format!("/api/{}", "x".repeat(20_000));
    assert!(!client.get(&path).await.expect_problem(414).is_empty());
}

#[tokio::test]
async fn more_functions_at_once_than_allowed_are_told_to_come_back() {
    let app = AppFolder::temporary("[limits]\nconcurrent_http_functions = 1\n").guest("misbehaving.wasm");
    let host = Launch::of(&app.sample("hello.wasm")).start();
    let client = host.client();
    // Each may be refused for the other at first.
    let slow = eventually(
        || "the slow function has the place",
        async || Some(client.get("/api/HttpSlow?ms=3000").await).filter(|reply| reply.status != 429),
    );
    let refused = eventually(
        || "a second function is refused",
        async || Some(client.get("/api/hello").await).filter(|reply| reply.status == 429),
    );
    let (slow, refused) = tokio::join!(slow, refused);
    assert!(!refused.expect_problem(429).is_empty());
    assert!(refused.header("retry-after").is_some());
    assert_eq!(slow.expect(200).text(), "awake");
    let _answered = client.get("/api/hello").await.expect(200);
}
