//! A component of `wasi:http`, without the SDK: what it does is said by the last segment of the path.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingRequest, OutgoingResponse, ResponseOutparam, Scheme,
};
use wasip2::io::streams::StreamError;

struct Handler;

wasip2::http::proxy::export!(Handler);

impl wasip2::exports::http::incoming_handler::Guest for Handler {
    fn handle(request: IncomingRequest, response: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match path.rsplit('/').next().unwrap_or_default() {
            "echo" => echo(&request, response),
            "describe" => text(response, &describe(&request)),
            "get" => text(response, &get(query)),
            "silent" => drop(response),
            "panic" => panic!("a guest of wasi:http panics"),
            "break-off" => break_off(response),
            "spin" => loop {
                std::hint::spin_loop();
            },
            "memory" => text(response, &vec!["x".repeat(1 << 20); 1 << 10].concat()),
            "drip" => drip(response),
            other => panic!("nothing is done at '{other}'"),
        }
    }
}

fn begin(response: ResponseOutparam, status: u16) -> OutgoingBody {
    let headers = Fields::from_list(&[("x-guest".to_owned(), b"wasi-http".to_vec())]).expect("a header");
    let outgoing = OutgoingResponse::new(headers);
    outgoing.set_status_code(status).expect("a status");
    let body = outgoing.body().expect("a new response has its body");
    ResponseOutparam::set(response, Ok(outgoing));
    body
}

fn text(response: ResponseOutparam, text: &str) {
    let body = begin(response, 200);
    let stream = body.write().expect("a new body has its stream");
    for chunk in text.as_bytes().chunks(4096) {
        stream.blocking_write_and_flush(chunk).expect("the client is there");
    }
    drop(stream);
    OutgoingBody::finish(body, None).expect("the body is whole");
}

/// What comes in goes out at once.
fn echo(request: &IncomingRequest, response: ResponseOutparam) {
    let incoming = request.consume().expect("the body was not taken");
    let input = incoming.stream().expect("the stream was not taken");
    let body = begin(response, 201);
    let output = body.write().expect("a new body has its stream");
    loop {
        match input.blocking_read(4096) {
            Ok(bytes) => output.blocking_write_and_flush(&bytes).expect("the client is there"),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => panic!("{}", error.to_debug_string()),
        }
    }
    drop(output);
    OutgoingBody::finish(body, None).expect("the body is whole");
}

/// What the host tells, and what it grants.
fn describe(request: &IncomingRequest) -> String {
    let authority = request.authority().unwrap_or_default();
    let target = request.path_with_query().unwrap_or_default();
    let environment = std::env::vars().count() + std::env::args().count();
    let file = std::fs::read_to_string("/etc/hostname").is_ok();
    let socket = std::net::TcpStream::connect("127.0.0.1:9").map_err(|error| error.kind());
    println!("described itself");
    format!("{authority} {target} environment {environment} file {file} socket {socket:?}")
}

/// Gets `authority/path` of plain HTTP.
fn get(address: &str) -> String {
    let (authority, path) = address.split_once('/').unwrap_or((address, ""));
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&Scheme::Http)).expect("a scheme");
    request.set_authority(Some(authority)).expect("an authority");
    request.set_path_with_query(Some(&format!("/{path}"))).expect("a path");
    let response = match outgoing_handler::handle(request, None) {
        Ok(response) => response,
        Err(error) => return format!("{error:?}"),
    };
    response.subscribe().block();
    match response.get().and_then(Result::ok).expect("it is ready") {
        Ok(response) => format!("status {}", response.status()),
        Err(error) => format!("{error:?}"),
    }
}

fn break_off(response: ResponseOutparam) {
    let body = begin(response, 200);
    let stream = body.write().expect("a new body has its stream");
    stream.blocking_write_and_flush(b"part").expect("the client is there");
    panic!("a guest of wasi:http panics in its body");
}

/// Writes for ever.
fn drip(response: ResponseOutparam) {
    let body = begin(response, 200);
    let stream = body.write().expect("a new body has its stream");
    while stream.blocking_write_and_flush(&[b'.'; 4096]).is_ok() {}
    println!("nobody takes the drip any more");
}
