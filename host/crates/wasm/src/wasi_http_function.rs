//! One call of an HTTP function that is a `wasi:http` component: bodies are streamed in both directions.

use crate::{
    AppFunction, InvokeError,
    call_state::{CallState, Trigger},
    component::{ReadyComponent, call_store},
    error::Stop,
    http_function::{CONNECTION_HEADERS, check_status},
    shared::Shared,
};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    task::JoinHandle,
};
use uuid::Uuid;
use wasmtime::{Store, component::Resource};
use wasmtime_wasi_http::{
    Error, WasiBody, WasiHttpView as _,
    p2::{
        bindings::http::types::{ErrorCode, Scheme},
        types::{HostIncomingRequest, HostResponseOutparam},
    },
};

/// What may be wrong with the body of a request, on its way in.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A request to an HTTP function, with a body that is on its way.
#[derive(Debug)]
pub struct StreamedHttpCall {
    /// With the absolute URI that the client asked for.
    pub request: Request<UnsyncBoxBody<Bytes, BodyError>>,
    /// Scheme and authority of this host as the client knows it, for links: `http://127.0.0.1:7071`.
    pub origin: String,
    /// The values of the route template's parameters; none for an optional one that is absent.
    pub route_parameters: Vec<(String, Option<String>)>,
    /// Unique for each call.
    pub invocation_id: Uuid,
}

/// The body of a response, as the guest writes it. Dropping it before its end stops the guest.
pub struct StreamedBody {
    body: WasiBody,
    /// What is still to come, where the response says how long it is.
    bytes_left: Option<u64>,
    guest: Guest,
}

/// The guest at work; stopped when this is dropped, unless it is let go.
struct Guest(Option<JoinHandle<Result<(), InvokeError>>>);

type Answer = Result<Response<WasiBody>, ErrorCode>;

/// Calls the function; the slot is taken until the guest is done, which may be after its response.
pub(crate) async fn call(
    shared: &Arc<Shared>,
    function: &AppFunction,
    call: StreamedHttpCall,
    slot: OwnedSemaphorePermit,
) -> Result<Response<StreamedBody>, InvokeError> {
    let StreamedHttpCall { request, origin, route_parameters, invocation_id } = call;
    let trigger = Trigger::Http { origin, route_parameters, idempotency: None };
    let state = CallState::new(Arc::clone(shared), Arc::clone(&function.name), invocation_id, trigger);
    let store = call_store(&function.component.calls, state);
    let (sender, receiver) = oneshot::channel();
    let run = run(Arc::clone(&function.component), store, request, sender);
    let timeout = shared.settings.http_timeout;
    let name = Arc::clone(&function.name);
    let guest = tokio::spawn(async move {
        let _slot = slot;
        let ended = tokio::time::timeout(timeout, run).await.unwrap_or(Err(InvokeError::Timeout(timeout)));
        if let Err(error) = &ended {
            tracing::warn!(target: "durance::guest", function = &*name, %invocation_id, %error, "function failed");
        }
        ended
    });
    let mut guest = Guest(Some(guest));
    match receiver.await {
        Ok(answer) => response(answer, guest),
        // The store is gone, and with it the sender.
        Err(_) => Err(guest.failure().await),
    }
}

async fn run(
    component: Arc<ReadyComponent>,
    mut store: Store<CallState>,
    request: Request<UnsyncBoxBody<Bytes, BodyError>>,
    sender: oneshot::Sender<Answer>,
) -> Result<(), InvokeError> {
    let proxy = component.wasi_http.as_ref().expect("the function's component has the export");
    let called = async {
        let (request, response) = resources(&mut store, request, sender)?;
        let proxy = proxy.instantiate_async(&mut store).await?;
        proxy.wasi_http_incoming_handler().call_handle(&mut store, request, response).await
    };
    called.await.map_err(|error| {
        let state = store.data();
        let stop = Stop::of(&error, state.limiter.refused(), state.log());
        stop.into_invoke_error(state.shared.settings.memory_bytes_max)
    })
}

fn resources(
    store: &mut Store<CallState>,
    request: Request<UnsyncBoxBody<Bytes, BodyError>>,
    sender: oneshot::Sender<Answer>,
) -> wasmtime::Result<(Resource<HostIncomingRequest>, Resource<HostResponseOutparam>)> {
    let request = request.map(|body| body.map_err(|error| Error::InternalError(Some(error.to_string()))));
    let request = store.data_mut().http().new_incoming_request(Scheme::Http, request)?;
    let response = store.data_mut().http().new_response_outparam(sender)?;
    Ok((request, response))
}

fn response(answer: Answer, mut guest: Guest) -> Result<Response<StreamedBody>, InvokeError> {
    let answer = answer.map_err(|code| InvokeError::BadOutput(format!("the error {code:?}")))?;
    let (mut parts, body) = answer.into_parts();
    check_status(parts.status.as_u16())?;
    for header in CONNECTION_HEADERS.iter().filter(|header| **header != header::CONTENT_LENGTH) {
        parts.headers.remove(header);
    }
    let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let bytes_left = length.and_then(|length| length.parse().ok());
    if bytes_left == Some(0) || http_body::Body::is_end_stream(&body) {
        guest.let_go();
    }
    Ok(Response::from_parts(parts, StreamedBody { body, bytes_left, guest }))
}

impl Guest {
    /// All of its response was taken: what else it does is its own affair, within its time.
    fn let_go(&mut self) {
        self.0 = None;
    }

    /// Why it gave no response.
    async fn failure(&mut self) -> InvokeError {
        let Some(guest) = &mut self.0 else { return no_response() };
        let ended = guest.await;
        self.let_go();
        match ended {
            Ok(Ok(())) => no_response(),
            Ok(Err(error)) => error,
            Err(panic) => InvokeError::Host(panic.to_string()),
        }
    }
}

fn no_response() -> InvokeError {
    InvokeError::BadOutput("it ended without one".to_owned())
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let Some(guest) = &self.0 {
            guest.abort();
        }
    }
}

impl http_body::Body for StreamedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let bytes = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, |data| data.len() as u64),
            _ => 0,
        };
        self.bytes_left = self.bytes_left.map(|left| left.saturating_sub(bytes));
        if frame.is_none() || self.bytes_left == Some(0) {
            self.guest.let_go();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Debug for StreamedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamedBody").finish_non_exhaustive()
    }
}
