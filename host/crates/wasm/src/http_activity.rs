//! The activity behind durable HTTP: the host itself sends a request. No component takes part.

use crate::{http_function::CONNECTION_HEADERS, outbound::is_allowed, shared::Shared};
use bytes::Bytes;
use durance_durable::{HttpContent, HttpRequest, HttpResponse, Json, TaskFailureDetails};
use futures_util::future::{Either, select};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header, response::Parts};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use std::{pin::pin, time::Duration};
use url::Url;
use wasmtime_wasi_http::{RequestOptions, WasiBody, default_send_request};

/// How many redirects of one request are followed.
const REDIRECTS_MAX: usize = 10;

/// Whoever does not take a connection within this time is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends the request that `input` is, follows redirects, and gives the last answer: an [`HttpResponse`].
pub(crate) async fn run(shared: &Shared, input: &Json) -> Result<Json, TaskFailureDetails> {
    let mut request: HttpRequest = serde_json::from_str(input.as_str())
        .map_err(|error| TaskFailureDetails::non_retriable("InvalidRequest", error.to_string()))?;
    for _ in 0..=REDIRECTS_MAX {
        let sender = Sender::new(shared, &request)?;
        let (parts, body) = sender.send(&request).await?;
        match redirect(&request, &sender.url, &parts) {
            Some(next) => request = next,
            None => return sender.answer(&request, parts, body),
        }
    }
    let text = format!("{}: more than {REDIRECTS_MAX} redirects, one after the other", name(&request));
    Err(TaskFailureDetails::new("TooManyRedirects", text))
}

/// Method and address for messages: what follows the path may be secret.
fn name(request: &HttpRequest) -> String {
    let uri = request.uri.split(['?', '#']).next().unwrap_or_default();
    format!("{} {uri}", request.method)
}

/// Where an answer sends the request on to; none if it is the last one, or would leave encryption.
fn redirect(request: &HttpRequest, url: &Url, answer: &Parts) -> Option<HttpRequest> {
    let location = answer.headers.get(header::LOCATION)?.to_str().ok()?;
    let next = url.join(location).ok()?;
    if url.scheme() == "https" && next.scheme() != "https" {
        return None;
    }
    let request = request.redirected(next.as_str());
    match answer.status {
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => Some(request),
        StatusCode::SEE_OTHER if request.method == "HEAD" => Some(request),
        StatusCode::SEE_OTHER => Some(request.without_content()),
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND if request.method == "POST" => {
            Some(request.without_content())
        }
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => Some(request),
        _ => None,
    }
}

/// Sends one request to a place that may be reached.
struct Sender {
    name: String,
    url: Url,
    bytes_max: usize,
}

impl Sender {
    fn new(shared: &Shared, request: &HttpRequest) -> Result<Self, TaskFailureDetails> {
        let name = name(request);
        let invalid = |why: &str| invalid(&name, why);
        let mut url = Url::parse(&request.uri).map_err(|error| invalid(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("the URI must begin with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("the URI has a user in it: send credentials in the header authorization"));
        }
        url.set_fragment(None);
        let uri: Uri = url.as_str().parse().map_err(|_| invalid("the URI cannot be sent"))?;
        if !is_allowed(&shared.allowed_hosts, &uri) {
            return Err(refused(&name, &url));
        }
        Ok(Self { name, url, bytes_max: shared.settings.value_bytes_max })
    }

    async fn send(&self, request: &HttpRequest) -> Result<(Parts, Bytes), TaskFailureDetails> {
        let options = RequestOptions { connect_timeout: Some(CONNECT_TIMEOUT), ..RequestOptions::default() };
        let sending = default_send_request(self.outgoing(request)?, Some(options));
        let (response, io) = sending.await.map_err(|error| self.failed(&error))?;
        let (parts, body) = response.into_parts();
        let whole = pin!(Limited::new(body, self.bytes_max).collect());
        let collected = match select(whole, pin!(io)).await {
            Either::Left((collected, _)) => collected,
            // The connection is closed; what came before is still to be read.
            Either::Right((_, whole)) => whole.await,
        };
        match collected {
            Ok(collected) => Ok((parts, collected.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(self.too_large()),
            Err(error) => Err(self.failed(&*error)),
        }
    }

    fn outgoing(&self, request: &HttpRequest) -> Result<http::Request<WasiBody>, TaskFailureDetails> {
        let invalid = |why: &str| invalid(&self.name, why);
        let content = request.content.clone().map(HttpContent::into_bytes).transpose();
        let content = content.map_err(|error| invalid(&error.to_string()))?;
        let has_content = content.is_some();
        let length = content.as_ref().map_or(0, Vec::len);
        let body = Full::new(Bytes::from(content.unwrap_or_default()));
        let mut outgoing = http::Request::new(body.map_err(|never| match never {}).boxed_unsync());
        *outgoing.method_mut() =
            Method::from_bytes(request.method.as_bytes()).map_err(|_| invalid("there is no such method"))?;
        *outgoing.uri_mut() = self.url.as_str().parse().map_err(|_| invalid("the URI cannot be sent"))?;
        let host = outgoing.uri().authority().map_or("", |authority| authority.as_str()).to_owned();
        let headers = outgoing.headers_mut();
        for (name, value) in request.headers.iter() {
            let wrong = |_| invalid(&format!("the header {name:?} cannot be sent"));
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong(()))?;
            let value = HeaderValue::from_str(value).map_err(|_| wrong(()))?;
            if !CONNECTION_HEADERS.contains(&header) && header != header::HOST {
                headers.append(header, value);
            }
        }
        headers.insert(
            header::HOST,
            HeaderValue::from_str(&host).map_err(|_| invalid("there is no such host"))?,
        );
        if has_content {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        Ok(outgoing)
    }

    fn answer(&self, request: &HttpRequest, parts: Parts, body: Bytes) -> Result<Json, TaskFailureDetails> {
        if request.is_failure(parts.status.as_u16()) {
            let text = format!("{}: answered {}", self.name, parts.status);
            return Err(TaskFailureDetails::new("HttpStatus", text));
        }
        let headers = parts.headers.iter();
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let mut response = HttpResponse {
            status_code: parts.status.as_u16(),
            headers: headers.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
            content: HttpContent::of(body.into()),
        };
        let location = response.headers.get("location").and_then(|location| self.url.join(location).ok());
        if let Some(location) = location {
            response.headers.set("location", location.into());
        }
        let answer = Json::of(&response);
        if answer.as_str().len() > self.bytes_max {
            return Err(self.too_large());
        }
        Ok(answer)
    }

    fn failed(&self, error: &(dyn std::error::Error + 'static)) -> TaskFailureDetails {
        let cause = error.source().map_or(String::new(), |cause| format!(": {cause}"));
        TaskFailureDetails::new("HttpRequestFailed", format!("{}: {error}{cause}", self.name))
    }

    fn too_large(&self) -> TaskFailureDetails {
        let text = format!("{}: the answer has more than {} bytes", self.name, self.bytes_max);
        TaskFailureDetails::non_retriable("ResponseTooLarge", text)
    }
}

fn invalid(name: &str, why: &str) -> TaskFailureDetails {
    TaskFailureDetails::non_retriable("InvalidRequest", format!("{name}: {why}"))
}

fn refused(name: &str, url: &Url) -> TaskFailureDetails {
    let origin = url.origin().ascii_serialization();
    let text = format!(
        "{name}: the app may not send requests there; allow it in durance.toml: allowed_outbound_hosts = [\"{origin}\"]"
    );
    TaskFailureDetails::non_retriable("OutboundHostNotAllowed", text)
}
