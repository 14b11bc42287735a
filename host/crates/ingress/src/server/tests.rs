use super::*;
use crate::{
    access::KeyRequirement,
    admin::{FunctionCatalog, FunctionEntry},
    functions::{FunctionCall, HttpFunction, HttpFunctions},
    gateway::{Gateway, GatewayParts, GatewaySettings},
    keys::{AccessLevel, KeyRing, NewKeys},
    links::{LINK_LIFETIME_DEFAULT, SignedLinks},
    problem::Problem,
    response::{self, HttpResponse},
    routing::{MethodSet, RouteDefinition},
    served::{AppSwitch, ServedApp},
    testing::{NoVersions, open_task_hub},
};
use bytes::Bytes;
use durance_taskhub::{SystemClock, TaskHub};
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::{Semaphore, oneshot},
    task::JoinHandle,
};

/// Functions in plain Rust.
#[derive(Debug)]
struct Stub {
    /// `Wait` has begun.
    begun: Semaphore,
    /// `Wait` may end.
    gate: Semaphore,
}

impl HttpFunctions for Stub {
    fn call<'c>(&'c self, call: FunctionCall<'c>) -> BoxFuture<'c, Result<HttpResponse, Problem>> {
        Box::pin(async move {
            match &**call.function {
                "Panic" => panic!("a bug in the host"),
                "Wait" => {
                    self.begun.add_permits(1);
                    self.gate.acquire().await.unwrap().forget();
                }
                _ => {}
            }
            let (uri, parameters, body) = (call.request.uri(), &call.parameters, &call.body);
            Ok(response::text(
                StatusCode::OK,
                format!("{} {uri} {parameters:?} {body:?}", call.request.parts.method),
            ))
        })
    }
}

impl FunctionCatalog for Stub {
    fn functions(&self) -> Vec<FunctionEntry> {
        Vec::new()
    }
}

/// A server at work.
struct Fixture {
    address: SocketAddr,
    entrance: Arc<Entrance>,
    stub: Arc<Stub>,
    ring: KeyRing,
    keys: NewKeys,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
    hub: TaskHub,
}

impl Fixture {
    fn start() -> Self {
        Self::with(&GatewaySettings::default(), ServerSettings::default())
    }

    fn with(settings: &GatewaySettings, server: ServerSettings) -> Self {
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), server).unwrap();
        let address = server.local_addr();
        let stub = Arc::new(Stub { begun: Semaphore::new(0), gate: Semaphore::new(0) });
        let (ring, keys) = KeyRing::generate().unwrap();
        let hub = open_task_hub();
        let entrance = Arc::new(Entrance::new(false));
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = server.serve(Arc::clone(&entrance), async { stopped.await.unwrap_or_default() });
        let served = tokio::spawn(serving);
        let fixture = Self { address, entrance, stub, ring, keys, stop, served, hub };
        fixture.entrance.open(fixture.gateway(settings));
        fixture
    }

    fn gateway(&self, settings: &GatewaySettings) -> Gateway {
        let links = SignedLinks::new(&self.ring, "Hub", LINK_LIFETIME_DEFAULT, Arc::new(SystemClock));
        let app = Arc::clone(&self.stub) as Arc<dyn HttpFunctions>;
        let catalog = Arc::clone(&self.stub) as Arc<dyn FunctionCatalog>;
        let parts = GatewayParts {
            app: AppSwitch::new(ServedApp::of(settings, app, catalog, routes()).unwrap()),
            apps: Arc::new(NoVersions),
            client: self.hub.client(),
            keys: self.ring.clone(),
            links: Arc::new(links),
            listen: self.address.ip(),
        };
        Gateway::new(settings, parts)
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends a request on a connection of its own; gives the whole response.
    async fn send(&self, request: &str, headers: &str, body: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(&message(request, headers, body)).await.unwrap();
        read(&mut stream).await
    }

    async fn status(&self, request: &str, headers: &str, body: &str) -> u16 {
        status(&self.send(request, headers, body).await)
    }

    /// A request to `Wait` that is being answered.
    async fn waiting(&self) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(&message("POST /api/wait", "", "")).await.unwrap();
        self.stub.begun.acquire().await.unwrap().forget();
        stream
    }
}

fn routes() -> Vec<(RouteDefinition, HttpFunction)> {
    let route = |name: &str, template: &str, methods: &[Method], level| {
        let methods = MethodSet::new(methods.iter().cloned());
        let definition = RouteDefinition { function: name.into(), template: template.to_owned(), methods };
        (definition, HttpFunction { name: name.into(), level })
    };
    vec![
        route("Hello", "hello/{name?}", &[Method::GET], AccessLevel::Anonymous),
        route("Wait", "wait", &[], AccessLevel::Anonymous),
        route("Panic", "panic", &[], AccessLevel::Anonymous),
        route("Locked", "locked", &[], AccessLevel::Function),
    ]
}

fn message(request: &str, headers: &str, body: &str) -> Vec<u8> {
    let host = if headers.to_ascii_lowercase().contains("host:") { "" } else { "Host: localhost\r\n" };
    let has_length = headers.contains("Transfer-Encoding") || headers.contains("Content-Length");
    let length = if has_length { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("{request} HTTP/1.1\r\n{host}Connection: close\r\n{length}{headers}\r\n{body}").into_bytes()
}

async fn read(stream: &mut TcpStream) -> String {
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.unwrap();
    String::from_utf8(response).unwrap()
}

fn status(response: &str) -> u16 {
    response.split(' ').nth(1).unwrap_or_default().parse().unwrap_or_default()
}

#[tokio::test]
async fn request_reaches_its_function_and_the_answer_comes_back() {
    let fixture = Fixture::start();
    let response = fixture.send("GET /api/hello/J%C3%BCrgen?a=b", "", "x").await;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.contains("\r\ndate: "), "{response}");
    let expected = r#"GET http://localhost/api/hello/J%C3%BCrgen?a=b [("name", Some("Jürgen"))] b"x""#;
    assert!(response.ends_with(expected), "{response}");
    let head = fixture.send("HEAD /api/hello", "", "").await;
    assert!(head.contains("content-length: ") && head.ends_with("\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn wrong_paths_and_methods_are_refused_with_what_is_right() {
    let fixture = Fixture::start();
    let table = [
        ("GET /api/nope", 404, ""),
        ("GET /hello", 404, ""),
        ("POST /api/hello", 405, "allow: GET, HEAD, OPTIONS"),
        ("OPTIONS /api/hello", 204, "allow: GET, HEAD, OPTIONS"),
        ("GET /api/%FF", 400, ""),
        ("GET /runtime/other", 404, ""),
        ("GET /admin/other", 404, ""),
        ("PUT /runtime/webhooks/durabletask/instances", 405, "allow: GET, HEAD, DELETE"),
        ("GET /Runtime/Webhooks/DurableTask/instances/", 200, "[]"),
        ("GET /", 200, "is running"),
        ("POST /", 405, "allow: GET, HEAD"),
        ("GET /healthz", 200, "ok"),
        ("POST /healthz", 405, "allow: GET, HEAD"),
        ("GET /readyz", 200, "ok"),
        ("PUT /readyz", 405, "allow: GET, HEAD"),
        ("POST /admin/host/ping", 200, "no-store"),
        ("GET /admin/host/status", 200, r#""state":"Running""#),
        ("DELETE /admin/host/status", 405, "allow: GET, HEAD"),
        ("GET /admin/host/status?verbose=true", 400, "there is no query parameter 'verbose'"),
        ("GET /admin/functions", 200, "[]"),
        ("GET /admin/functions/none", 404, "there is no function 'none'"),
        ("POST /admin/functions", 405, "allow: GET, HEAD"),
    ];
    for (request, expected, text) in table {
        let response = fixture.send(request, "", "").await;
        assert_eq!(status(&response), expected, "{request}");
        assert!(response.contains(text), "{request}: {response}");
    }
}

#[tokio::test]
async fn requests_that_are_too_large_are_refused() {
    let settings = GatewaySettings { body_bytes_max: 100, uri_bytes_max: 200, ..GatewaySettings::default() };
    let fixture = Fixture::with(&settings, ServerSettings::default());
    let body = |bytes| "x".repeat(bytes);
    let chunked = |bytes| format!("{bytes:x}\r\n{}\r\n0\r\n\r\n", body(bytes));
    let chunked_header = "Transfer-Encoding: chunked\r\n";
    assert_eq!(
        fixture.status("POST /api/wait", "Content-Length: 101\r\nExpect: 100-continue\r\n", "").await,
        413
    );
    assert_eq!(fixture.status("GET /api/hello", "", &body(100)).await, 200);
    assert_eq!(fixture.status("GET /api/hello", "", &body(101)).await, 413);
    assert_eq!(fixture.status("GET /api/hello", chunked_header, &chunked(100)).await, 200);
    assert_eq!(fixture.status("GET /api/hello", chunked_header, &chunked(101)).await, 413);
    assert_eq!(
        fixture.status("POST /runtime/webhooks/durabletask/orchestrators/Echo", "", &body(101)).await,
        413
    );
    assert_eq!(fixture.status(&format!("GET /api/hello/{}", body(200)), "", "").await, 414);
    assert_eq!(fixture.status("GET /api/hello", &format!("a: {}\r\n", body(1_000_000)), "").await, 431);
}

#[tokio::test]
async fn requests_over_the_limit_are_told_to_come_later() {
    let settings = GatewaySettings { requests_in_flight_max: 1, ..GatewaySettings::default() };
    let fixture = Fixture::with(&settings, ServerSettings::default());
    let mut first = fixture.waiting().await;
    let second = fixture.send("GET /api/hello", "", "").await;
    assert!(status(&second) == 429 && second.contains("retry-after: 1\r\n"), "{second}");
    assert_eq!(fixture.status("GET /healthz", "", "").await, 200);
    fixture.stub.gate.add_permits(1);
    assert_eq!(status(&read(&mut first).await), 200);
    assert_eq!(fixture.status("GET /api/hello", "", "").await, 200);
}

#[tokio::test]
async fn panic_is_answered_and_the_server_goes_on() {
    let fixture = Fixture::start();
    let response = fixture.send("GET /api/panic", "", "").await;
    assert!(status(&response) == 500 && !response.contains("a bug"), "{response}");
    assert_eq!(fixture.status("GET /api/hello", "", "").await, 200);
}

#[tokio::test]
async fn foreign_pages_cannot_drive_a_host_without_keys() {
    let fixture = Fixture::start();
    let table = [
        ("Host: evil.example\r\n", 403),
        ("Host: localhost:7071\r\nOrigin: http://evil.example\r\n", 403),
        ("Host: 127.0.0.1\r\nOrigin: http://localhost:3000\r\n", 200),
        ("Host: [::1]:7071\r\n", 200),
        ("Host: a b\r\n", 400),
    ];
    for (headers, expected) in table {
        assert_eq!(fixture.status("GET /api/hello", headers, "").await, expected, "{headers}");
        let management = "GET /runtime/webhooks/durabletask/instances";
        assert_eq!(fixture.status(management, headers, "").await, expected, "{headers}");
    }
    assert_eq!(fixture.status("GET /api/locked", "", "").await, 200);
}

#[tokio::test]
async fn functions_ask_for_their_keys_when_keys_are_required() {
    let settings = GatewaySettings { key_requirement: KeyRequirement::Always, ..GatewaySettings::default() };
    let fixture = Fixture::with(&settings, ServerSettings::default());
    let refused = fixture.send("GET /api/locked", "x-functions-key: wrong\r\n", "").await;
    assert!(status(&refused) == 401 && refused.contains("key of level 'function'"), "{refused}");
    let function_key = format!("x-functions-key: {}\r\n", fixture.keys.function);
    assert_eq!(fixture.status("GET /api/locked", &function_key, "").await, 200);
    assert_eq!(fixture.status(&format!("GET /api/locked?code={}", fixture.keys.admin), "", "").await, 200);
    assert_eq!(fixture.status("GET /api/hello", "Host: example.org\r\n", "").await, 200);
    assert_eq!(fixture.status("GET /admin/host/status", &function_key, "").await, 401);
    assert_eq!(fixture.status("GET /admin/host/ping", "", "").await, 200);
}

#[tokio::test]
async fn http2_is_spoken_too() {
    let fixture = Fixture::start();
    let stream = TokioIo::new(fixture.connect().await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let uri = format!("http://{}/api/hello/you", fixture.address);
    let request = http::Request::builder().uri(&uri).body(Empty::<Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert!(body.starts_with(&format!("GET {uri} ")), "{body}");
    drop(sender);
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn connections_over_the_limit_wait() {
    let server = ServerSettings { connections_max: 1, ..ServerSettings::default() };
    let fixture = Fixture::with(&GatewaySettings::default(), server);
    let mut first = fixture.waiting().await;
    let mut second = fixture.connect().await;
    second.write_all(&message("POST /api/wait", "", "")).await.unwrap();
    fixture.stub.gate.add_permits(2);
    assert_eq!(status(&read(&mut first).await), 200);
    assert_eq!(status(&read(&mut second).await), 200);
}

#[tokio::test]
async fn silent_and_slow_connections_are_closed() {
    let server =
        ServerSettings { header_read_timeout: Duration::from_millis(50), ..ServerSettings::default() };
    let settings =
        GatewaySettings { body_read_timeout: Duration::from_millis(50), ..GatewaySettings::default() };
    let fixture = Fixture::with(&settings, server);
    for begin in ["", "P", "GET /api/hello HTTP/1.1\r\nHost: "] {
        let mut stream = fixture.connect().await;
        stream.write_all(begin.as_bytes()).await.unwrap();
        assert_eq!(read(&mut stream).await, "", "{begin}");
    }
    let mut stream = fixture.connect().await;
    stream
        .write_all(b"POST /api/wait HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab")
        .await
        .unwrap();
    assert_eq!(status(&read(&mut stream).await), 408);
}

#[tokio::test]
async fn requests_wait_for_a_host_that_is_starting_and_probes_do_not() {
    let starting = Server::bind("127.0.0.1:0".parse().unwrap(), ServerSettings::default()).unwrap();
    let (address, entrance) = (starting.local_addr(), Arc::new(Entrance::new(false)));
    tokio::spawn(starting.serve(Arc::clone(&entrance), std::future::pending()));
    let send = async |request: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&message(request, "", "")).await.unwrap();
        stream
    };
    let mut early = send("GET /api/hello").await;
    assert_eq!(status(&read(&mut send("GET /healthz").await).await), 200);
    let unready = read(&mut send("GET /readyz").await).await;
    assert!(status(&unready) == 503 && unready.contains("the host is starting"), "{unready}");
    assert!(unready.contains("retry-after: 1\r\n"), "{unready}");

    let fixture = Fixture::start();
    entrance.open(fixture.gateway(&GatewaySettings::default()));
    assert_eq!(status(&read(&mut early).await), 200);
    assert_eq!(status(&read(&mut send("GET /readyz").await).await), 200);
}

#[tokio::test]
async fn host_that_is_about_to_stop_answers_and_is_not_ready() {
    let fixture = Fixture::start();
    fixture.entrance.begin_draining();
    let unready = fixture.send("GET /readyz", "", "").await;
    assert!(status(&unready) == 503 && unready.contains("the host is stopping"), "{unready}");
    assert_eq!(fixture.status("GET /healthz", "", "").await, 200);
    assert_eq!(fixture.status("GET /api/hello", "", "").await, 200);
}

#[tokio::test]
async fn answers_carry_the_id_of_their_request() {
    let fixture = Fixture::start();
    for request in ["GET /api/hello", "GET /healthz", "GET /api/panic", "GET /api/nope"] {
        let response = fixture.send(request, "X-Request-Id: from-caller.1\r\n", "").await;
        assert!(response.contains("x-request-id: from-caller.1\r\n"), "{request}: {response}");
        let is_problem = response.contains(r#""requestId":"from-caller.1""#);
        assert_eq!(is_problem, status(&response) >= 400, "{request}: {response}");
    }
    let response = fixture.send("GET /api/hello", "X-Request-Id: a\"b\r\n", "").await;
    let (_, id) = response.split_once("x-request-id: ").unwrap();
    assert_eq!(id.split_once("\r\n").unwrap().0.len(), 32, "{response}");
}

#[tokio::test]
async fn stopping_server_finishes_what_it_began() {
    let fixture = Fixture::start();
    let mut waiting = fixture.waiting().await;
    let Fixture { address, stub, stop, served, .. } = fixture;
    stop.send(()).unwrap();
    // Refused once the listener is closed.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    stub.gate.add_permits(1);
    assert_eq!(status(&read(&mut waiting).await), 200);
    served.await.unwrap();
}

#[tokio::test]
async fn stopping_server_breaks_off_what_takes_too_long() {
    let server = ServerSettings { drain_timeout: Duration::from_millis(10), ..ServerSettings::default() };
    let fixture = Fixture::with(&GatewaySettings::default(), server);
    let mut waiting = fixture.waiting().await;
    let Fixture { stop, served, .. } = fixture;
    stop.send(()).unwrap();
    served.await.unwrap();
    let mut rest = Vec::new();
    assert_eq!(waiting.read_to_end(&mut rest).await.unwrap_or_default(), 0);
}

#[tokio::test]
async fn address_in_use_is_an_error_that_says_what_to_do() {
    let first = Server::bind("127.0.0.1:0".parse().unwrap(), ServerSettings::default()).unwrap();
    let error = Server::bind(first.local_addr(), ServerSettings::default()).expect_err("in use").to_string();
    assert!(error.contains("Choose another address with --listen"), "{error}");
}
