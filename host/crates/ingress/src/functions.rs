//! HTTP functions: which one a request reaches, whether the caller may call it, and what it answers.

use crate::{
    access::Access,
    body::{BodyLimits, RequestBody, StreamedRequestBody},
    keys::AccessLevel,
    problem::Problem,
    repeated::{RepeatedRequests, idempotency_of},
    request::Admitted,
    response::{self, HttpResponse},
    routing::{RouteMatch, RouteParameters, Router},
};
use bytes::Bytes;
use durance_taskhub::Idempotency;
use durance_wasm::HttpDoor;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, StatusCode, header::ALLOW};
use std::{fmt, sync::Arc, time::Instant};
use uuid::Uuid;

/// What runs HTTP functions; tests have a stand-in.
pub(crate) trait HttpFunctions: Send + Sync + fmt::Debug {
    /// Calls a function once.
    fn call<'c>(&'c self, call: FunctionCall<'c>) -> BoxFuture<'c, Result<HttpResponse, Problem>>;

    /// Calls a function once that takes and gives bodies piece by piece.
    fn stream<'c>(&'c self, call: StreamedCall<'c>) -> BoxFuture<'c, Result<HttpResponse, Problem>>;
}

/// One call of an HTTP function.
#[derive(Debug)]
pub(crate) struct FunctionCall<'c> {
    pub(crate) function: &'c Arc<str>,
    pub(crate) invocation_id: Uuid,
    pub(crate) request: Admitted<'c>,
    pub(crate) parameters: RouteParameters,
    pub(crate) body: Bytes,
    pub(crate) idempotency: Option<Idempotency>,
}

/// One call of an HTTP function with streamed bodies.
#[derive(Debug)]
pub(crate) struct StreamedCall<'c> {
    pub(crate) function: &'c Arc<str>,
    pub(crate) invocation_id: Uuid,
    pub(crate) request: Admitted<'c>,
    pub(crate) parameters: RouteParameters,
    pub(crate) body: StreamedRequestBody,
}

/// A function at the end of a route.
#[derive(Debug)]
pub(crate) struct HttpFunction {
    pub(crate) name: Arc<str>,
    pub(crate) level: AccessLevel,
    pub(crate) door: HttpDoor,
}

/// The HTTP functions of an app and their routes.
#[derive(Debug)]
pub(crate) struct Functions {
    pub(crate) app: Arc<dyn HttpFunctions>,
    pub(crate) router: Router<HttpFunction>,
    pub(crate) body_limits: BodyLimits,
    pub(crate) repeated: RepeatedRequests,
}

impl Functions {
    /// What the function at this path answers; none if there is no function.
    pub(crate) async fn answer(
        &self,
        access: &Access,
        request: Admitted<'_>,
        body: impl RequestBody,
    ) -> Option<Result<HttpResponse, Problem>> {
        let (method, path) = (&request.parts.method, request.parts.uri.path());
        match self.router.find(method, path) {
            RouteMatch::Found(function, parameters) => {
                let called = async {
                    access.require(function.level, request.parts)?;
                    match function.door {
                        HttpDoor::Sdk => self.call(&function.name, request, parameters, body).await,
                        HttpDoor::WasiHttp => self.stream(&function.name, request, parameters, body).await,
                    }
                };
                Some(called.await)
            }
            RouteMatch::WrongMethod(allow) if method == Method::OPTIONS => Some(Ok(options(&allow))),
            RouteMatch::WrongMethod(allow) => Some(Err(Problem::wrong_method(path, &allow))),
            RouteMatch::NoRoute => None,
        }
    }

    async fn call(
        &self,
        function: &Arc<str>,
        request: Admitted<'_>,
        parameters: RouteParameters,
        body: impl RequestBody,
    ) -> Result<HttpResponse, Problem> {
        let body = self.body_limits.read(body).await?;
        let invocation_id = Uuid::new_v4();
        let idempotency = idempotency_of(function, request.parts, &body)?;
        let call = FunctionCall {
            function,
            invocation_id,
            request,
            parameters,
            body,
            idempotency: idempotency.clone(),
        };
        let call = logged(function, invocation_id, self.app.call(call));
        match &idempotency {
            Some(key) => self.repeated.answer(function, key, call).await,
            None => call.await,
        }
    }

    async fn stream(
        &self,
        function: &Arc<str>,
        request: Admitted<'_>,
        parameters: RouteParameters,
        body: impl RequestBody,
    ) -> Result<HttpResponse, Problem> {
        let body = self.body_limits.stream(body)?;
        let invocation_id = Uuid::new_v4();
        let call = StreamedCall { function, invocation_id, request, parameters, body };
        logged(function, invocation_id, self.app.stream(call)).await
    }
}

/// Says in the log how a call was answered.
async fn logged(
    function: &str,
    invocation_id: Uuid,
    call: impl Future<Output = Result<HttpResponse, Problem>>,
) -> Result<HttpResponse, Problem> {
    let started = Instant::now();
    let answer = call.await;
    let status = answer.as_ref().map_or_else(Problem::status, |response| response.status());
    tracing::info!(
        target: "durance::invocation",
        function,
        %invocation_id,
        status = status.as_u16(),
        elapsed_ms = started.elapsed().as_micros() as f64 / 1e3,
        "executed"
    );
    answer
}

fn options(allow: &str) -> HttpResponse {
    let mut response = response::empty(StatusCode::NO_CONTENT);
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}
