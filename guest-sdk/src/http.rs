//! Requests to other servers, for activities and HTTP functions.
//!
//! The host lets them through to the hosts that `allowed_outbound_hosts` in `durance.toml` names.

use crate::error::{Error, Result};
use crate::request::Request;
use crate::response::Response;

/// Sends a request and waits for the whole response; its status, whatever it is, is the caller's affair.
///
/// # Errors
/// `InvalidRequest`, final, for a URI, method or header that cannot be; `OutboundHttp` when there is no whole response.
pub fn send(request: Request) -> Result<Response> {
    let uri: http::Uri = request.uri.parse().map_err(|error| invalid(&request, &error))?;
    transport::send(request, &uri)
}

fn invalid(request: &Request, why: &dyn std::fmt::Display) -> Error {
    Error::non_retriable("InvalidRequest", describe(request, why))
}

fn failed(request: &Request, why: &dyn std::fmt::Display) -> Error {
    Error::new("OutboundHttp", describe(request, why))
}

fn describe(request: &Request, why: &dyn std::fmt::Display) -> String {
    format!("{} {}: {why}", request.method, request.uri)
}

#[cfg(all(target_os = "wasi", target_env = "p2"))]
mod transport {
    //! wasi:http, imported only by components that send.

    use wasip2::http::outgoing_handler;
    use wasip2::http::types::{Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme};
    use wasip2::io::streams::StreamError;

    use super::{failed, invalid};
    use crate::error::{Error, Result};
    use crate::request::Request;
    use crate::response::Response;

    /// What `blocking-write-and-flush` takes at once.
    const WRITE_BYTES_MAX: usize = 4096;
    const READ_BYTES_MAX: u64 = 64 * 1024;

    pub(super) fn send(request: Request, uri: &http::Uri) -> Result<Response> {
        let outgoing = outgoing_request(&request, uri)?;
        let body = outgoing.body().expect("a new request has its body");
        let response = outgoing_handler::handle(outgoing, None).map_err(|error| failed(&request, &error))?;
        write_body(&request, body)?;
        response.subscribe().block();
        let response = response
            .get()
            .and_then(Result::ok)
            .expect("the response is ready and was not taken")
            .map_err(|error| failed(&request, &error))?;
        read_response(&request, &response)
    }

    fn outgoing_request(request: &Request, uri: &http::Uri) -> Result<OutgoingRequest> {
        let mut headers = request.headers.clone();
        if !request.body.is_empty() && request.header("content-length").is_none() {
            let length = request.body.len().to_string();
            headers.push(("content-length".to_owned(), length.into_bytes()));
        }
        let fields = Fields::from_list(&headers).map_err(|error| invalid(request, &error))?;
        let outgoing = OutgoingRequest::new(fields);
        let refuse = |what: &'static str| move |()| invalid(request, &what);
        let path = uri.path_and_query().map(http::uri::PathAndQuery::as_str);
        let authority = uri.authority().map(http::uri::Authority::as_str);
        outgoing.set_method(&method(&request.method)).map_err(refuse("no such method"))?;
        outgoing.set_scheme(Some(&scheme(request, uri)?)).map_err(refuse("no such scheme"))?;
        outgoing.set_authority(authority).map_err(refuse("no such host"))?;
        outgoing.set_path_with_query(path).map_err(refuse("no such path"))?;
        Ok(outgoing)
    }

    fn method(method: &str) -> Method {
        match method {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            "CONNECT" => Method::Connect,
            "OPTIONS" => Method::Options,
            "TRACE" => Method::Trace,
            "PATCH" => Method::Patch,
            other => Method::Other(other.to_owned()),
        }
    }

    fn scheme(request: &Request, uri: &http::Uri) -> Result<Scheme> {
        match uri.scheme_str() {
            Some("http") => Ok(Scheme::Http),
            Some("https") => Ok(Scheme::Https),
            _ => Err(invalid(request, &"the URI must begin with http:// or https://")),
        }
    }

    fn write_body(request: &Request, body: OutgoingBody) -> Result<()> {
        let stream = body.write().expect("a new body has its stream");
        for chunk in request.body.chunks(WRITE_BYTES_MAX) {
            stream.blocking_write_and_flush(chunk).map_err(|error| failed(request, &error))?;
        }
        drop(stream);
        OutgoingBody::finish(body, None).map_err(|error| failed(request, &error))
    }

    fn read_response(request: &Request, response: &IncomingResponse) -> Result<Response> {
        let headers = response.headers().entries();
        let incoming = response.consume().expect("the body was not taken");
        let stream = incoming.stream().expect("the stream was not taken");
        let mut body = Vec::new();
        loop {
            match stream.blocking_read(READ_BYTES_MAX) {
                Ok(bytes) => body.extend(bytes),
                Err(StreamError::Closed) => break,
                Err(error) => return Err::<_, Error>(failed(request, &error)),
            }
        }
        Ok(Response { status: response.status(), headers, body })
    }
}

#[cfg(not(all(target_os = "wasi", target_env = "p2")))]
mod transport {
    use super::failed;
    use crate::error::Result;
    use crate::request::Request;
    use crate::response::Response;

    pub(super) fn send(request: Request, _uri: &http::Uri) -> Result<Response> {
        Err(failed(&request, &"requests go out only from a component, built for wasm32-wasip2"))
    }
}
