//! One call of an HTTP function. Every request to a function comes through here: keep it lean.

use crate::{
    AppFunction, InvokeError,
    bindings::{self, HandleHttpParams, HandleHttpResult},
    call_state::{CallState, Trigger},
    component::call_store,
    error::{Stop, failure_from_guest},
    shared::Shared,
};
use bytes::Bytes;
use durance_taskhub::Idempotency;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use std::sync::Arc;
use uuid::Uuid;

/// A request to an HTTP function, with its whole body.
#[derive(Debug)]
pub struct HttpCall<'a> {
    /// `GET`.
    pub method: &'a str,
    /// The absolute URI that the client asked for.
    pub uri: &'a str,
    /// Scheme and authority of this host as the client knows it, for links: `http://127.0.0.1:7071`.
    pub origin: String,
    /// As received.
    pub headers: &'a HeaderMap,
    /// As received.
    pub body: &'a [u8],
    /// The values of the route template's parameters; none for an optional one that is absent.
    pub route_parameters: Vec<(String, Option<String>)>,
    /// Of a request that may be repeated: what the function changes is changed once.
    pub idempotency: Option<Idempotency>,
    /// Unique for each call.
    pub invocation_id: Uuid,
}

/// What belongs to the connection and not to the response; the host sets them itself.
pub(crate) const CONNECTION_HEADERS: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TRAILER,
    header::TE,
];

pub(crate) async fn call(
    shared: &Arc<Shared>,
    function: &AppFunction,
    call: HttpCall<'_>,
) -> Result<Response<Bytes>, InvokeError> {
    let component = &function.component;
    let export =
        component.exports.handle_http.as_ref().expect("a component with HTTP functions has the export");
    let trigger = Trigger::Http {
        origin: call.origin,
        route_parameters: call.route_parameters,
        idempotency: call.idempotency.map(|request| (request, 0)),
    };
    let state = CallState::new(Arc::clone(shared), Arc::clone(&function.name), call.invocation_id, trigger);
    let mut store = call_store(&component.calls, state);
    let request = bindings::HttpRequest {
        method: call.method,
        uri: call.uri,
        headers: call.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect(),
        body: call.body,
    };
    let answer = async {
        let instance = component.calls.instantiate_async(&mut store).await?;
        let handle = instance.get_typed_func::<HandleHttpParams<'_>, HandleHttpResult>(&mut store, export)?;
        handle.call_async(&mut store, (&*function.name, request)).await
    };
    match answer.await {
        Ok((Ok(answer),)) => response(answer, shared.settings.response_body_bytes_max),
        Ok((Err(failure),)) => Err(InvokeError::Failed(failure_from_guest(failure))),
        Err(error) => {
            let state = store.data();
            let stop = Stop::of(&error, state.limiter.refused(), state.log());
            Err(stop.into_invoke_error(shared.settings.memory_bytes_max))
        }
    }
}

fn response(answer: bindings::HttpResponse, body_bytes_max: usize) -> Result<Response<Bytes>, InvokeError> {
    if answer.body.len() > body_bytes_max {
        let bytes = answer.body.len();
        let text = format!("its body has {bytes} bytes; at most {body_bytes_max} are allowed");
        return Err(InvokeError::BadOutput(text));
    }
    let mut response = Response::new(Bytes::from(answer.body));
    *response.status_mut() = check_status(answer.status)?;
    let headers = response.headers_mut();
    headers.reserve(answer.headers.len());
    for (name, value) in answer.headers {
        let invalid = |what| InvokeError::BadOutput(format!("header {name:?}: {what}"));
        let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
            return Err(invalid("its name is not valid"));
        };
        let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value)) else {
            return Err(invalid("its value has characters that are not allowed"));
        };
        if !CONNECTION_HEADERS.contains(&header) {
            headers.append(header, value);
        }
    }
    Ok(response)
}

/// The status of a final response.
pub(crate) fn check_status(status: u16) -> Result<StatusCode, InvokeError> {
    let code = StatusCode::from_u16(status).ok().filter(|_| (200..600).contains(&status));
    code.ok_or_else(|| InvokeError::BadOutput(format!("its status is {status}; a final one is 200 to 599")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)]) -> Result<Response<Bytes>, InvokeError> {
        let headers =
            headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        response(bindings::HttpResponse { status, headers, body: b"body".to_vec() }, 4)
    }

    #[test]
    fn headers_of_the_connection_are_left_to_the_host() {
        let headers = [("Content-Length", "7"), ("connection", "close"), ("x-a", "1"), ("X-A", "2")];
        let response = answer(200, &headers).unwrap();
        assert_eq!(response.headers().len(), 2);
        assert_eq!(response.headers().get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn what_is_not_a_response_says_why() {
        let check = |result: Result<Response<Bytes>, InvokeError>, expected: &str| {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(answer(99, &[]), "status is 99");
        check(answer(101, &[]), "status is 101");
        check(answer(600, &[]), "status is 600");
        check(answer(200, &[("not a name", "")]), "\"not a name\": its name");
        check(answer(200, &[("x", "a\r\nb: c")]), "\"x\": its value");
        let long = bindings::HttpResponse { status: 200, headers: Vec::new(), body: vec![0; 5] };
        check(response(long, 4), "5 bytes");
    }
}
