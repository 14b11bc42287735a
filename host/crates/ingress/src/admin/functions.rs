//! `/admin/functions`: which functions there are and what calls them.

use super::AdminCall;
use crate::{
    links::encode,
    problem::Problem,
    response::{self, HttpResponse},
};
use durance_durable::ModuleHash;
use durance_wasm::{FunctionKind, FunctionManifest};
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::{fmt, sync::Arc};

/// Who knows the functions that are served now; tests have a stand-in.
pub(crate) trait FunctionCatalog: Send + Sync + fmt::Debug {
    /// All of them, in the order in which they are shown.
    fn functions(&self) -> Vec<FunctionEntry>;
}

/// One function.
#[derive(Debug, Clone)]
pub(crate) struct FunctionEntry {
    pub(crate) manifest: FunctionManifest,
    /// The hash of its component.
    pub(crate) component: ModuleHash,
}

/// Answers requests for functions.
#[derive(Debug)]
pub(crate) struct FunctionList {
    pub(crate) catalog: Arc<dyn FunctionCatalog>,
    /// Stands before every route.
    pub(crate) route_prefix: String,
}

impl FunctionList {
    /// The answer to a request; `path` is below `/admin/functions`.
    pub(super) fn answer(&self, call: &AdminCall<'_>, path: &[&str]) -> Result<HttpResponse, Problem> {
        let origin = call.request.origin();
        match path {
            [] | [""] => {
                call.read(&[])?;
                let functions = self.catalog.functions();
                let shown: Vec<_> = functions.iter().map(|function| self.show(function, &origin)).collect();
                Ok(response::json(StatusCode::OK, &shown))
            }
            [name] => {
                call.read(&[])?;
                let functions = self.catalog.functions();
                let found =
                    functions.iter().find(|function| function.manifest.name.eq_ignore_ascii_case(name));
                let function = found.ok_or_else(|| Problem::no_such_function(name))?;
                Ok(response::json(StatusCode::OK, &self.show(function, &origin)))
            }
            _ => Err(call.no_such_path()),
        }
    }

    /// The model's fields, as far as they mean something here, and `component`.
    fn show(&self, function: &FunctionEntry, origin: &str) -> Value {
        let manifest = &function.manifest;
        json!({
            "name": manifest.name,
            "href": format!("{origin}/admin/functions/{}", encode(&manifest.name)),
            "invoke_url_template": self.url_template(manifest, origin),
            "language": "wasm",
            "isDisabled": false,
            "config": { "bindings": [binding(manifest)] },
            "component": function.component.to_string(),
        })
    }

    /// Where an HTTP function is called, with its parameters in braces.
    fn url_template(&self, manifest: &FunctionManifest, origin: &str) -> Option<String> {
        let prefix = self.route_prefix.trim_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        let route = manifest.route.as_ref().unwrap_or(&manifest.name);
        (manifest.kind == FunctionKind::HttpTrigger).then(|| format!("{origin}{slash}{prefix}/{route}"))
    }
}

/// What calls the function, as the model writes it: the trigger with its settings.
fn binding(manifest: &FunctionManifest) -> Map<String, Value> {
    let Ok(Value::Object(mut binding)) = serde_json::to_value(manifest) else { return Map::new() };
    binding.remove("name");
    if manifest.kind != FunctionKind::HttpTrigger {
        binding.remove("authLevel");
    }
    binding.insert("direction".to_owned(), "in".into());
    binding
}

#[cfg(test)]
mod tests {
    use super::*;
    use durance_wasm::AuthLevel;

    fn shown(manifest: FunctionManifest, route_prefix: &str) -> Value {
        #[derive(Debug)]
        struct Nothing;
        impl FunctionCatalog for Nothing {
            fn functions(&self) -> Vec<FunctionEntry> {
                Vec::new()
            }
        }
        let list = FunctionList { catalog: Arc::new(Nothing), route_prefix: route_prefix.to_owned() };
        list.show(&FunctionEntry { manifest, component: ModuleHash([7; 32]) }, "http://h:1")
    }

    fn manifest(kind: FunctionKind) -> FunctionManifest {
        FunctionManifest {
            name: "F".to_owned(),
            kind,
            route: None,
            methods: Vec::new(),
            auth_level: AuthLevel::Function,
            schedule: None,
            time_zone: None,
            overlap: None,
            catch_up_seconds: None,
        }
    }

    #[test]
    fn http_function_has_its_address_and_settings() {
        let function = FunctionManifest {
            route: Some("f/{id?}".to_owned()),
            methods: vec!["get".to_owned()],
            ..manifest(FunctionKind::HttpTrigger)
        };
        let shown = shown(function.clone(), "api");
        assert_eq!(shown["href"], "http://h:1/admin/functions/F");
        assert_eq!(shown["invoke_url_template"], "http://h:1/api/f/{id?}");
        assert_eq!(shown["component"], "07".repeat(32));
        let binding = json!({
            "type": "httpTrigger", "direction": "in", "authLevel": "function", "methods": ["get"], "route": "f/{id?}",
        });
        assert_eq!(shown["config"]["bindings"], json!([binding]));
        let bare = self::shown(FunctionManifest { route: None, ..function }, "");
        assert_eq!(bare["invoke_url_template"], "http://h:1/F");
    }

    #[test]
    fn other_functions_have_none() {
        let shown = shown(manifest(FunctionKind::ActivityTrigger), "api");
        assert_eq!(shown["invoke_url_template"], Value::Null);
        assert_eq!(shown["config"]["bindings"], json!([{ "type": "activityTrigger", "direction": "in" }]));
    }
}
