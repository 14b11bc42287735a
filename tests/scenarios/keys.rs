//! Who may do what: keys, signed links, and on loopback without keys, who is at home.

use durance_tests::{AppFolder, Client, Host, Launch, MANAGEMENT, Reply, eventually, samples};
use http::Method;
use serde_json::{Value, json};

const KEY_HEADER: &str = "x-functions-key";

struct Keys {
    function: String,
    admin: String,
}

/// As the host shows them at its first start.
fn keys_of(host: &Host) -> Keys {
    let key = |level: &str| {
        let line = host.says(&[level]);
        line.split_once(level).expect("the line has it").1.trim().to_owned()
    };
    Keys { admin: key("admin:"), function: key("function:") }
}

fn launch() -> Launch {
    let app = AppFolder::temporary("").sample("hello.wasm").sample("http_start.wasm");
    let app = app.sample("wait_for_approval.wasm").guest("misbehaving.wasm");
    Launch::of(&app).argument("--require-keys")
}

const WAIT: &str = r#"{"timeoutSeconds":300}"#;

#[tokio::test]
async fn each_level_opens_what_it_is_for() {
    let host = launch().start();
    let keys = keys_of(&host);
    let stranger = host.client();
    let table = [
        (Method::GET, "/api/hello", 200, 200, 200),
        (Method::POST, "/api/orchestrators/WaitForApproval", 401, 202, 202),
        (Method::GET, "/api/HttpAdminOnly", 401, 401, 200),
        (Method::GET, "/healthz", 200, 200, 200),
        (Method::GET, "/admin/host/status", 401, 401, 200),
        (Method::POST, &*format!("{MANAGEMENT}/orchestrators/WaitForApproval"), 401, 401, 202),
        (Method::GET, &*format!("{MANAGEMENT}/instances"), 401, 401, 200),
        (Method::GET, &*format!("{MANAGEMENT}/nothing"), 401, 401, 404),
    ];
    for (method, path, without, function, admin) in table {
        for (key, status) in
            [("", without), ("wrong", without), (&*keys.function, function), (&*keys.admin, admin)]
        {
            let client =
                if key.is_empty() { stranger.clone() } else { stranger.with_header(KEY_HEADER, key) };
            let reply = client.send(method.clone(), path, WAIT).await;
            assert_eq!(reply.status, status, "{method} {path} with '{key}': {}", reply.text());
            if status == 401 {
                assert!(reply.expect_problem(401).contains("x-functions-key"));
                assert!(reply.header("www-authenticate").is_some());
            }
            let by_query = stranger.send(method.clone(), &format!("{path}?code={key}"), WAIT).await;
            assert_eq!(by_query.status, status, "{method} {path}?code={key}");
        }
    }
}

#[tokio::test]
async fn keys_are_shown_once_and_stay_good() {
    let host = launch().start();
    let keys = keys_of(&host);
    let host = host.stop().start();
    let client = host.client().with_header(KEY_HEADER, &keys.function);
    let _started = client.post("/api/orchestrators/WaitForApproval", WAIT).await.expect(202);
    let _listed = client.get(&format!("{MANAGEMENT}/instances?code={}", keys.admin)).await.expect(401);
    let admin = host.client().with_header(KEY_HEADER, &keys.admin);
    let _listed = admin.get(&format!("{MANAGEMENT}/instances")).await.expect(200);
    for key in [&keys.function, &keys.admin] {
        assert!(!host.said().contains(key));
    }
}

async fn start(client: &Client, id: &str) -> Value {
    client.post(&format!("/api/orchestrators/WaitForApproval/{id}"), WAIT).await.expect(202).json()
}

#[tokio::test]
async fn links_open_their_own_instance_without_a_key() {
    let host = launch().start();
    let keys = keys_of(&host);
    let function = host.client().with_header(KEY_HEADER, &keys.function);
    let links = start(&function, "mine").await;
    start(&function, "other").await;
    let link = |name: &str| links[name].as_str().unwrap().replace("{eventName}", "Approval");
    for secret in [&keys.function, &keys.admin] {
        assert!(!links.to_string().contains(secret));
    }

    let stranger = host.client();
    let _status = stranger.get(&link("statusQueryGetUri")).await.expect(202);
    let _status = stranger.get(&format!("{}&showHistory=true", link("statusQueryGetUri"))).await.expect(202);
    let query = link("statusQueryGetUri").split_once('?').unwrap().1.to_owned();
    let expires = query.split('&').find(|pair| pair.starts_with("expires=")).unwrap();
    for (path, query) in [
        ("/instances/other", &*query),
        ("/instances", &*query),
        ("/instances/mine", ""),
        ("/instances/mine", &*query.replace(expires, "expires=99999999999")),
        ("/instances/mine", &*query.replace("sig=", "sig=A")),
    ] {
        let refused = stranger.get(&format!("{MANAGEMENT}{path}?{query}")).await;
        assert!(!refused.expect_problem(401).is_empty(), "{path}?{query}");
    }
    let path = format!("{MANAGEMENT}/orchestrators/WaitForApproval/mine?{query}");
    let _refused = stranger.post(&path, WAIT).await.expect(401);

    let _raised = stranger.post(&link("sendEventPostUri"), "true").await.expect(202);
    let admin = host.client().with_header(KEY_HEADER, &keys.admin);
    assert_eq!(admin.output("mine").await, "approved");
    let _purged = stranger.delete(&link("purgeHistoryDeleteUri")).await.expect(200);
}

#[tokio::test]
async fn links_expire() {
    let app = AppFolder::temporary("[host]\nlink_lifetime_seconds = 1\nrequire_keys = true\n");
    let host = Launch::of(&app.sample("http_start.wasm").sample("wait_for_approval.wasm")).start();
    let keys = keys_of(&host);
    let links = start(&host.client().with_header(KEY_HEADER, &keys.function), "brief").await;
    let link = links["statusQueryGetUri"].as_str().unwrap();
    let stranger = host.client();
    let refused = eventually(
        || "the link expires",
        async || Some(stranger.get(link).await).filter(|reply| reply.status == 401),
    )
    .await;
    assert!(refused.expect_problem(401).contains("expired"));
    let admin = stranger.with_header(KEY_HEADER, &keys.admin);
    assert_eq!(admin.status("brief").await["input"], json!({ "timeoutSeconds": 300 }));
}

#[tokio::test]
async fn keys_change_while_the_host_runs_and_links_outlive_what_signed_them() {
    let host = launch().start();
    let keys = keys_of(&host);
    let (stranger, admin) = (host.client(), host.client().with_header(KEY_HEADER, &keys.admin));
    let links = start(&admin, "kept").await;
    let link = links["statusQueryGetUri"].as_str().unwrap();
    let value = |reply: Reply| reply.json()["value"].as_str().expect("the value is shown").to_owned();

    let created = admin.post("/admin/host/keys/ci?level=admin", "").await.expect(201);
    assert_eq!(created.header("cache-control"), Some("no-store"));
    let ci = value(created);
    let master = value(admin.post("/admin/host/keys/_master/rotate", "").await.expect(200));
    assert!(!admin.get("/admin/host/keys").await.expect_problem(401).is_empty());
    let admin = stranger.with_header(KEY_HEADER, &ci);
    let _deleted = admin.delete("/admin/host/keys/default").await.expect(204);
    let _rotated = admin.post("/admin/host/keys/_links/rotate", "").await.expect(200);
    let listed = admin.get("/admin/host/keys").await.expect(200);
    for secret in [&ci, &master, &keys.admin] {
        assert!(!listed.text().contains(secret) && !host.said().contains(&ci));
    }

    let host = host.crash().start();
    let (stranger, port) = (host.client(), host.url());
    let moved = |link: &str| format!("{port}{}", &link[link.find("/runtime").unwrap()..]);
    let admin = stranger.with_header(KEY_HEADER, &master);
    let _listed = admin.get("/admin/host/keys").await.expect(200);
    let function = stranger.with_header(KEY_HEADER, &keys.function);
    let _refused = function.post("/api/orchestrators/WaitForApproval", WAIT).await.expect(401);
    let _status = stranger.get(&moved(link)).await.expect(202);
    let _revoked = admin.post("/admin/host/keys/_links/rotate?revoke=true", "").await.expect(200);
    let _refused = stranger.get(&moved(link)).await.expect(401);
}

#[tokio::test]
async fn without_keys_only_local_callers_are_answered() {
    let host = samples();
    let client = host.client();
    let port = host.url().rsplit_once(':').unwrap().1;
    let with_host = |authority: &str| client.with_header("host", authority);
    for authority in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), "[::1]".to_owned()] {
        let _hello = with_host(&authority).get("/api/hello").await.expect(200);
        let origin = format!("http://{authority}");
        let _hello = with_host(&authority).with_header("origin", &origin).get("/api/hello").await.expect(200);
    }
    for authority in ["example.com", "127.0.0.1.example.com", "localhost.example.com:80"] {
        let refused = with_host(authority).get("/api/hello").await;
        assert!(refused.expect_problem(403).contains(authority));
    }
    for origin in ["http://example.com", "https://localhost.example.com", "null"] {
        let web_page = client.with_header("origin", origin);
        for path in [
            "/api/orchestrators/HelloSequence/evil",
            &*format!("{MANAGEMENT}/orchestrators/HelloSequence/evil"),
        ] {
            assert!(!web_page.post(path, "").await.expect_problem(403).is_empty(), "{origin}");
        }
    }
    let _nothing = client.get(&format!("{MANAGEMENT}/instances/evil")).await.expect(404);
}
