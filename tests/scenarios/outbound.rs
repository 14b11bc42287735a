//! Outbound HTTP goes only to the hosts that the app allows.

use durance_tests::{AppFolder, Launch, LoopbackServer};
use serde_json::json;

#[tokio::test]
async fn only_allowed_hosts_are_reached() {
    let (allowed, other) = (LoopbackServer::start("from inside"), LoopbackServer::start("from elsewhere"));
    let app = AppFolder::temporary(&format!("allowed_outbound_hosts = [\"{}\"]\n", allowed.url()));
    let host = Launch::of(&app.guest("misbehaving.wasm")).start();
    let client = host.client();

    let reply = client.get(&format!("/api/HttpGetUrl?url={}/a?b=c", allowed.url())).await.expect(200);
    assert_eq!(reply.text(), "from inside");
    let refused = client.get(&format!("/api/HttpGetUrl?url={}/", other.url())).await;
    assert_eq!(refused.status, 500, "{}", refused.text());
    let _line = host.says(&["allowed_outbound_hosts"]);

    let get = |url: String| json!({ "name": "GetUrl", "input": url });
    client.start("CallActivity", "get-allowed", &get(allowed.url())).await;
    assert_eq!(client.output("get-allowed").await, json!({ "status": 200, "body": "from inside" }));
    client.start("CallActivity", "get-refused", &get(other.url())).await;
    assert!(!client.failure("get-refused").await.is_empty());

    assert_eq!((allowed.requests(), other.requests()), (2, 0));
}
