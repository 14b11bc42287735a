//! HTTP functions: which one a request reaches, whether the caller may call it, and what it answers.

use crate::{
    access::Access,
    body::{BodyLimits, RequestBody},
    keys::AccessLevel,
    problem::Problem,
    repeated::{RepeatedRequests, idempotency_of},
    request::Admitted,
    response::{self, HttpResponse},
    routing::{RouteMatch, RouteParameters, Router},
};
use bytes::Bytes;
use durance_taskhub::Idempotency;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, StatusCode, header::ALLOW};
use std::{fmt, sync::Arc, time::Instant};
use uuid::Uuid;

/// What runs HTTP functions; tests have a stand-in.
pub(crate) trait HttpFunctions: Send + Sync + fmt::Debug {
    /// Calls a function once.
    fn call<'c>(&'c self, call: FunctionCall<'c>) -> BoxFuture<'c, Result<HttpResponse, Problem>>;
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

/// A function at the end of a route.
#[derive(Debug)]
pub(crate) struct HttpFunction {
    pub(crate) name: Arc<str>,
    pub(crate) level: AccessLevel,
}

/// The HTTP functions of an app and their routes.
#[derive(Debug)]
pub(crate) struct Functions {
    pub(crate) app: Arc<dyn HttpFunctions>,
    pub(crate) router: Router<HttpFunction>,
    pub(crate) body_limits: BodyLimits,
}

impl Functions {
    /// What the function at this path answers; none if there is no function.
    pub(crate) async fn answer(
        &self,
        access: &Access,
        repeated: &RepeatedRequests,
        request: Admitted<'_>,
        body: impl RequestBody,
    ) -> Option<Result<HttpResponse, Problem>> {
        let (method, path) = (&request.parts.method, request.parts.uri.path());
        match self.router.find(method, path) {
            RouteMatch::Found(function, parameters) => {
                let called = async {
                    access.require(function.level, request.parts)?;
                    let body = self.body_limits.read(body).await?;
                    let idempotency = idempotency_of(&function.name, request.parts, &body)?;
                    let call = self.call(FunctionCall {
                        function: &function.name,
                        invocation_id: Uuid::new_v4(),
                        request,
                        parameters,
                        body,
                        idempotency: idempotency.clone(),
                    });
                    match &idempotency {
                        Some(key) => repeated.answer(&function.name, key, call).await,
                        None => call.await,
                    }
                };
                Some(called.await)
            }
            RouteMatch::WrongMethod(allow) if method == Method::OPTIONS => Some(Ok(options(&allow))),
            RouteMatch::WrongMethod(allow) => Some(Err(Problem::wrong_method(path, &allow))),
            RouteMatch::NoRoute => None,
        }
    }

    async fn call(&self, call: FunctionCall<'_>) -> Result<HttpResponse, Problem> {
        let (function, invocation_id, request_id) = (call.function, call.invocation_id, call.request.id);
        let started = Instant::now();
        let answer = self.app.call(call).await;
        let status = answer.as_ref().map_or_else(Problem::status, |response| response.status());
        tracing::info!(
            target: "durance::invocation",
            function = &**function,
            %invocation_id,
            request_id = request_id.as_str(),
            status = status.as_u16(),
            elapsed_ms = started.elapsed().as_micros() as f64 / 1e3,
            "executed"
        );
        answer
    }
}

fn options(allow: &str) -> HttpResponse {
    let mut response = response::empty(StatusCode::NO_CONTENT);
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}
