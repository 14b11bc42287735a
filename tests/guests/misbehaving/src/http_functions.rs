//! HTTP functions for tests.

use durance_sdk::http;
use durance_sdk::prelude::*;

/// Everything that the host tells of a request.
#[http_trigger(name = "HttpEcho", auth = "anonymous", route = "echo/{first}/{second?}")]
fn http_echo(request: Request) -> Result<Response> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = request.headers().iter();
    let headers: Vec<_> = headers.map(|(name, value)| (name, text(value))).collect();
    Response::json(&json!({
        "method": request.method(),
        "uri": request.uri(),
        "headers": headers,
        "params": request.params(),
        "body": text(request.body()),
    }))
}

/// Takes `?ms=` milliseconds.
#[http_trigger(name = "HttpSlow", auth = "anonymous")]
fn http_slow(request: Request) -> Result<Response> {
    let duration_ms = request.query("ms").unwrap_or_default().parse()?;
    std::thread::sleep(Duration::from_millis(duration_ms));
    Ok(Response::text("awake"))
}

/// Gets `?url=` and answers what it got.
#[http_trigger(name = "HttpGetUrl", auth = "anonymous")]
async fn http_get_url(request: Request) -> Result<Response> {
    let url = request.query("url").unwrap_or_default();
    let response = http::send(Request::new("GET", url))?;
    Ok(Response::new(response.status()).body(response.bytes()))
}

/// Answers the status `?status=`, which need not be one.
#[http_trigger(name = "HttpStatus", auth = "anonymous")]
fn http_status(request: Request) -> Result<Response> {
    Ok(Response::new(request.query("status").unwrap_or_default().parse()?))
}

/// A header name that is none.
#[http_trigger(name = "HttpInvalidHeaderName", auth = "anonymous")]
fn http_invalid_header_name() -> Response {
    Response::text("").header("not a name", "value")
}

/// A header value that would begin another header.
#[http_trigger(name = "HttpInvalidHeaderValue", auth = "anonymous")]
fn http_invalid_header_value() -> Response {
    Response::text("").header("x-split", "value\r\nx-injected: yes")
}

/// Needs the admin key.
#[http_trigger(name = "HttpAdminOnly", auth = "admin", methods("get"))]
fn http_admin_only() -> Response {
    Response::text("admin")
}
