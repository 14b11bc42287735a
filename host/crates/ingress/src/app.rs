//! The function app as the gateway sees it: routes, and calls.

use crate::{
    admin::{FunctionCatalog, FunctionEntry},
    functions::{FunctionCall, HttpFunction, HttpFunctions, StreamedCall},
    keys::AccessLevel,
    links::SignedLinks,
    problem::Problem,
    response::{self, HttpResponse},
    routing::{MethodSet, RouteDefinition},
};
use durance_durable::{InstanceId, Json};
use durance_wasm::{
    AppFunction, AuthLevel, FunctionApp, FunctionKind, FunctionManifest, HttpCall, HttpDoor, ManagementLinks,
    StreamedHttpCall,
};
use futures_util::future::BoxFuture;
use http::{Method, Request};
use http_body_util::Either;

/// The routes of an app's HTTP functions.
pub(crate) fn routes(app: &FunctionApp) -> Vec<(RouteDefinition, HttpFunction)> {
    let functions = app.functions().iter();
    let is_http = |function: &&AppFunction| function.manifest().kind == FunctionKind::HttpTrigger;
    functions.filter(is_http).map(|function| route(function.manifest(), function.door())).collect()
}

fn route(manifest: &FunctionManifest, door: HttpDoor) -> (RouteDefinition, HttpFunction) {
    // A component describes methods in lower case; they were checked when it did.
    let methods =
        manifest.methods.iter().filter_map(|method| method.to_ascii_uppercase().parse::<Method>().ok());
    let definition = RouteDefinition {
        function: manifest.name.as_str().into(),
        template: manifest.route.as_ref().unwrap_or(&manifest.name).clone(),
        methods: MethodSet::new(methods),
    };
    let level = match manifest.auth_level {
        AuthLevel::Anonymous => AccessLevel::Anonymous,
        AuthLevel::Function => AccessLevel::Function,
        AuthLevel::Admin => AccessLevel::Admin,
    };
    (definition, HttpFunction { name: manifest.name.as_str().into(), level, door })
}

impl HttpFunctions for FunctionApp {
    fn call<'c>(&'c self, call: FunctionCall<'c>) -> BoxFuture<'c, Result<HttpResponse, Problem>> {
        Box::pin(async move {
            let FunctionCall { function, invocation_id, request, parameters, body, idempotency } = call;
            let http = HttpCall {
                method: request.parts.method.as_str(),
                uri: &request.uri(),
                origin: request.origin(),
                headers: &request.parts.headers,
                body: &body,
                route_parameters: parameters,
                idempotency,
                invocation_id,
            };
            let response = self.call_http(function, http).await;
            let response = response.map_err(|error| Problem::of_function(function, invocation_id, error))?;
            Ok(response.map(response::whole))
        })
    }

    fn stream<'c>(&'c self, call: StreamedCall<'c>) -> BoxFuture<'c, Result<HttpResponse, Problem>> {
        Box::pin(async move {
            let StreamedCall { function, invocation_id, request, parameters, body } = call;
            let mut streamed = Request::new(body);
            *streamed.method_mut() = request.parts.method.clone();
            *streamed.uri_mut() = request.uri().parse().map_err(|_| Problem::malformed_path())?;
            streamed.headers_mut().clone_from(&request.parts.headers);
            let call = StreamedHttpCall {
                request: streamed,
                origin: request.origin(),
                route_parameters: parameters,
                invocation_id,
            };
            let response = self.stream_http(function, call).await;
            let response = response.map_err(|error| Problem::of_function(function, invocation_id, error))?;
            Ok(response.map(Either::Right))
        })
    }
}

impl FunctionCatalog for FunctionApp {
    fn functions(&self) -> Vec<FunctionEntry> {
        let entry = |function: &AppFunction| FunctionEntry {
            manifest: function.manifest().clone(),
            component: function.component_hash(),
        };
        Self::functions(self).iter().map(entry).collect()
    }
}

impl ManagementLinks for SignedLinks {
    fn links(&self, origin: &str, instance: &InstanceId) -> Json {
        Json::of(&self.payload(origin, instance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn description_becomes_a_route() {
        let manifest = |route: Option<&str>, methods: &[&str]| FunctionManifest {
            name: "Hello".to_owned(),
            kind: FunctionKind::HttpTrigger,
            route: route.map(str::to_owned),
            methods: methods.iter().map(ToString::to_string).collect(),
            auth_level: AuthLevel::Admin,
            schedule: None,
            time_zone: None,
            overlap: None,
            catch_up_seconds: None,
        };
        let (definition, function) = route(&manifest(None, &["get", "Post"]), HttpDoor::Sdk);
        assert_eq!((&*definition.function, definition.template.as_str()), ("Hello", "Hello"));
        assert_eq!(definition.methods, MethodSet::new([Method::GET, Method::POST]));
        assert_eq!((&*function.name, function.level), ("Hello", AccessLevel::Admin));
        let (definition, _) = route(&manifest(Some("hello/{name?}"), &[]), HttpDoor::Sdk);
        assert_eq!(definition.template, "hello/{name?}");
        assert_eq!(definition.methods, MethodSet::default());
    }
}
