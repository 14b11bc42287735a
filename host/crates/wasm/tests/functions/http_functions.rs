use crate::support::{app, app_with, get, settings};
use durance_wasm::{InvokeError, WasmSettings};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

#[tokio::test]
async fn function_gets_the_whole_request() {
    let app = app(&["misbehaving"]).await;
    let (status, body) =
        get(&app, "HttpEcho", "?a=1", &[("first", Some("x")), ("second", None)]).await.unwrap();
    assert_eq!(status, 200);
    let echo: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(echo["method"], "GET");
    assert_eq!(echo["uri"], "http://localhost:7071/api/HttpEcho?a=1");
    assert_eq!(echo["body"], "the body");
    assert_eq!(echo["headers"][0], serde_json::json!(["accept", "text/plain"]));
    assert!(body.contains("first"), "{body}");
}

#[tokio::test]
async fn function_names_have_no_case() {
    let app = app(&["hello"]).await;
    let (_, body) = get(&app, "hELLO", "", &[("name", Some("Ada"))]).await.unwrap();
    assert_eq!(body, "Hello Ada!");
    let unknown = get(&app, "Nobody", "", &[]).await.unwrap_err();
    assert_eq!(unknown, InvokeError::NotFound("Nobody".to_owned()));
}

#[tokio::test]
async fn each_fault_of_a_guest_has_its_error() {
    let short = WasmSettings { http_timeout: Duration::from_secs(2), ..settings() };
    let app = app_with(&["misbehaving"], short).await;
    let error = async |function: &str, query: &str| get(&app, function, query, &[]).await.unwrap_err();

    let panic = error("HttpPanic", "").await;
    assert!(
        matches!(&panic, InvokeError::Trap { message } if message.contains("this guest panics")),
        "{panic}"
    );
    let unreachable = error("HttpUnreachable", "").await;
    assert!(
        matches!(&unreachable, InvokeError::Trap { message } if message.contains("unreachable")),
        "{unreachable}"
    );
    let recursion = error("HttpRecurse", "").await;
    assert!(matches!(&recursion, InvokeError::Trap { .. }), "{recursion}");
    assert_eq!(error("HttpEatMemory", "").await, InvokeError::MemoryLimit(64 * 1024 * 1024));
    assert_eq!(error("HttpSpin", "").await, InvokeError::Timeout(Duration::from_secs(2)));
    assert_eq!(error("HttpSlow", "?ms=60000").await, InvokeError::Timeout(Duration::from_secs(2)));
    let header = error("HttpInvalidHeaderName", "").await;
    assert!(
        matches!(&header, InvokeError::BadOutput(why) if why.contains("its name is not valid")),
        "{header}"
    );
    let header = error("HttpInvalidHeaderValue", "").await;
    assert!(matches!(&header, InvokeError::BadOutput(why) if why.contains("its value")), "{header}");
    let status = error("HttpStatus", "?status=42").await;
    assert!(matches!(&status, InvokeError::BadOutput(why) if why.contains("status is 42")), "{status}");
    let failed = error("HttpFail", "").await;
    let InvokeError::Failed(failure) = failed else { panic!("{failed}") };
    assert_eq!((failure.error_type.as_str(), failure.causes.len()), ("OrderLost", 2));
}

#[tokio::test]
async fn guest_that_prints_a_lot_ends_well() {
    let app = app(&["misbehaving"]).await;
    assert_eq!(get(&app, "HttpPrintALot", "", &[]).await, Ok((200, "printed".to_owned())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_endless_guests_leave_room_for_others() {
    let short = WasmSettings { http_timeout: Duration::from_secs(3), ..settings() };
    let app = Arc::new(app_with(&["misbehaving", "hello"], short).await);
    let spin = |app: Arc<_>| tokio::spawn(async move { get(&app, "HttpSpin", "", &[]).await });
    let endless = [spin(Arc::clone(&app)), spin(Arc::clone(&app))];
    for _ in 0..20 {
        tokio::task::yield_now().await;
        let hello = {
            let app = Arc::clone(&app);
            tokio::spawn(async move { get(&app, "Hello", "", &[]).await })
        };
        let answer = tokio::time::timeout(Duration::from_secs(1), hello).await.expect("in time").unwrap();
        assert_eq!(answer, Ok((200, "Hello world!".to_owned())));
    }
    for guest in endless {
        assert_eq!(guest.await.unwrap(), Err(InvokeError::Timeout(Duration::from_secs(3))));
    }
}

#[tokio::test]
async fn call_beyond_the_limit_is_told_that_the_host_is_busy() {
    let app = app_with(&["misbehaving"], WasmSettings { http_calls_max: 1, ..settings() }).await;
    let first = get(&app, "HttpSlow", "?ms=200", &[]);
    let second = get(&app, "HttpSlow", "?ms=200", &[]);
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first, Ok((200, "awake".to_owned())));
    assert!(matches!(second, Err(InvokeError::Busy(_))), "{second:?}");
}

#[tokio::test]
async fn requests_go_out_to_allowed_hosts_only() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let length = connection.read(&mut request).await.unwrap();
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\npong";
        connection.write_all(answer).await.unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let query = format!("?url=http://{address}/ping");
    let refusing = app(&["misbehaving"]).await;
    let refused = get(&refusing, "HttpGetUrl", &query, &[]).await;
    assert!(format!("{refused:?}").contains("HttpRequestDenied"), "{refused:?}");

    let allowed_outbound_hosts = vec![format!("http://{address}").parse().unwrap()];
    let allowing = app_with(&["misbehaving"], WasmSettings { allowed_outbound_hosts, ..settings() }).await;
    assert_eq!(get(&allowing, "HttpGetUrl", &query, &[]).await, Ok((200, "pong".to_owned())));
    let request = server.await.unwrap().to_lowercase();
    assert!(request.starts_with("get /ping"), "{request}");
    assert!(request.contains(&format!("host: {address}")), "{request}");
}
