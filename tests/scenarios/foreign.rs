//! Components of `wasi:http` from any toolchain, as HTTP functions by a table `[[http]]`.

use durance_tests::{AppFolder, Host, Launch, LoopbackServer, repository};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

const LIMITS: &str = "
[limits]
memory_bytes = 33554432
http_timeout_ms = 2000
request_body_bytes = 65536
concurrent_http_functions = 2
";

fn app(settings: &str) -> AppFolder {
    let table = |name: &str, route: &str, auth: &str| {
        format!(
            "[[http]]\nname = \"{name}\"\ncomponent = \"wasi_http.wasm\"\nroute = \"{route}\"\nauth = \"{auth}\"\n"
        )
    };
    let (any, locked) =
        (table("Foreign", "foreign/{what}", "anonymous"), table("Locked", "locked/{what}", "admin"));
    let post = format!("{}methods = [\"post\"]\n", table("OnlyPost", "only-post/{what}", "anonymous"));
    AppFolder::with_manifest(&format!("name = \"foreign\"\n{settings}\n{any}{locked}{post}"))
        .guest("wasi_http.wasm")
}

fn host() -> Host {
    Launch::of(&app(LIMITS)).start()
}

/// How long the compilation of a component may take that holds an interpreter.
const COMPILING: Duration = Duration::from_secs(180);

/// A connection on which a request without its body was sent.
fn connect(host: &Host, head: &str) -> TcpStream {
    let authority = host.url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "{head}\r\nHost: {authority}\r\nConnection: close\r\n").unwrap();
    stream
}

/// Reads until the text is there.
fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(text) {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).unwrap();
        assert!(length > 0, "no '{text}' in {}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&piece[..length]);
    }
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn component_answers_by_the_table_and_is_granted_nothing() {
    let host = host();
    let client = host.client();
    let reply = client.get("/api/foreign/describe?a=b").await.expect(200);
    let authority = host.url().trim_start_matches("http://");
    assert_eq!(
        reply.text(),
        format!(
            "{authority} /api/foreign/describe?a=b environment 0 file false socket Err(PermissionDenied)"
        )
    );
    assert_eq!(reply.header("x-guest"), Some("wasi-http"));
    let _line = host.says(&["described itself", "Foreign"]);
    let _line = host.says(&["Foreign: [ALL]", "/api/foreign/{what}"]);
    let wrong = client.get("/api/only-post/describe").await;
    assert!(wrong.expect_problem(405).contains("GET") && wrong.header("allow") == Some("POST, OPTIONS"));
    let _post = client.post("/api/only-post/describe", "").await.expect(200);
    let listed = client.get("/admin/functions").await.expect(200).json();
    assert!(listed.to_string().contains("\"OnlyPost\""), "{listed}");

    let host = Launch::of(&app("")).argument("--require-keys").start();
    let _refused = host.client().get("/api/locked/describe").await.expect(401);
    let _open = host.client().get("/api/foreign/describe").await.expect(200);
}

#[tokio::test]
async fn bodies_are_streamed_in_both_directions() {
    let host = host();
    let mut stream = connect(&host, "POST /api/foreign/echo HTTP/1.1\r\nTransfer-Encoding: chunked");
    write!(stream, "\r\n5\r\nfirst\r\n").unwrap();
    // The answer to the first part is there before the second part is sent.
    let head = read_until(&mut stream, "first");
    assert!(head.starts_with("HTTP/1.1 201"), "{head}");
    write!(stream, "6\r\nsecond\r\n").unwrap();
    read_until(&mut stream, "second");
    write!(stream, "0\r\n\r\n").unwrap();
    read_until(&mut stream, "0\r\n\r\n");

    let large = "x".repeat(60_000);
    let reply = host.client().post("/api/foreign/echo", large.clone()).await.expect(201);
    assert_eq!(reply.text(), large);
}

#[tokio::test]
async fn faults_of_the_guest_are_answered_and_harm_nobody() {
    let host = host();
    let client = host.client();
    for (path, status, detail) in [
        ("silent", 500, "it ended without one"),
        ("panic", 500, "crashed"),
        ("spin", 504, "within 2 s"),
        ("memory", 500, "more memory"),
    ] {
        let reply = client.get(&format!("/api/foreign/{path}")).await;
        let text = reply.expect_problem(status);
        assert!(text.contains(detail), "{path}: {text}");
    }
    let _line = host.says(&["a guest of wasi:http panics", "Foreign"]);
    // A response that has begun can only be broken off.
    let mut stream = connect(&host, "GET /api/foreign/break-off HTTP/1.1");
    write!(stream, "\r\n").unwrap();
    let mut read = Vec::new();
    let _broken = stream.read_to_end(&mut read);
    let read = String::from_utf8(read).unwrap();
    assert!(read.contains("part") && !read.ends_with("0\r\n\r\n"), "{read}");
    let _line = host.says(&["a guest of wasi:http panics in its body"]);
    let large = client.post("/api/foreign/echo", "x".repeat(70_000)).await;
    assert!(large.expect_problem(413).contains("65536"));
    let _alive = client.get("/api/foreign/describe").await.expect(200);
}

#[tokio::test]
async fn guest_without_a_taker_stops_and_frees_its_place() {
    let host = host();
    let drips: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = connect(&host, "GET /api/foreign/drip HTTP/1.1");
            write!(stream, "\r\n").unwrap();
            read_until(&mut stream, "...");
            stream
        })
        .collect();
    let client = host.client();
    let busy = client.get("/api/foreign/describe").await;
    assert!(busy.expect_problem(429).contains("2 HTTP functions are running"));
    drop(drips);
    durance_tests::eventually(
        || "a place is free again",
        async || (client.get("/api/foreign/describe").await.status == 200).then_some(()),
    )
    .await;
}

#[tokio::test]
async fn outbound_requests_reach_allowed_hosts_only() {
    let (allowed, other) = (LoopbackServer::start("yes"), LoopbackServer::start("no"));
    let host = Launch::of(&app(&format!("allowed_outbound_hosts = [\"{}\"]", allowed.url()))).start();
    let get = |server: &LoopbackServer| {
        format!("/api/foreign/get?{}/a", server.url().trim_start_matches("http://"))
    };
    assert_eq!(host.client().get(&get(&allowed)).await.expect(200).text(), "status 200");
    let refused = host.client().get(&get(&other)).await.expect(200).text();
    assert!(refused.contains("HttpRequestDenied"), "{refused}");
    assert_eq!((allowed.requests(), other.requests()), (1, 0));
}

#[test]
fn table_that_does_not_fit_its_component_is_refused() {
    let refuses = |app: &AppFolder, expected: &[&str]| {
        let failed = Launch::of(app).start_fails();
        assert_eq!(failed.status.code(), Some(2), "{}", failed.text);
        assert!(expected.iter().all(|part| failed.text.contains(part)), "{expected:?}\n{}", failed.text);
    };
    let table = "name = \"a\"\n[[http]]\nname = \"H\"\ncomponent = \"hello.wasm\"\n";
    refuses(&AppFolder::with_manifest(table), &["'hello.wasm'", "build it first"]);
    refuses(
        &AppFolder::with_manifest(table).sample("hello.wasm"),
        &["hello.wasm", "'H'", "incoming-handler@0.2"],
    );
    refuses(&AppFolder::temporary("").guest("wasi_http.wasm"), &["wasi_http.wasm", "table [[http]]"]);
}

/// The host of a sample in another language; none if it was not built: `make foreign`.
fn sample_in(language: &str) -> Option<Host> {
    let folder = repository().join("functions").join(format!("hello-{language}"));
    let manifest = std::fs::read_to_string(folder.join("durance.toml")).unwrap();
    let component = folder.join("hello.wasm");
    let app = AppFolder::with_manifest(&manifest);
    let launch = || Launch::of(&app.put("hello.wasm", &component)).patience(COMPILING);
    component.is_file().then(|| launch().start())
}

#[tokio::test]
async fn sample_in_javascript_greets_and_streams() {
    let Some(host) = sample_in("js") else { return };
    let reply = host.client().get("/api/hello-js/Ada%20L").await.expect(200);
    assert_eq!(reply.text(), "Hello Ada L from JavaScript!");
    assert_eq!(host.client().post("/api/hello-js", "back again").await.expect(200).text(), "back again");
}

#[tokio::test]
async fn sample_in_python_greets() {
    let Some(host) = sample_in("python") else { return };
    let reply = host.client().get("/api/hello-python/Ada%20L").await.expect(200);
    assert_eq!(reply.text(), "Hello Ada L from Python!");
}
