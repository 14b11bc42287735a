//! What a component says of itself: its functions.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A function as its component describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FunctionManifest {
    /// Unique in the app, without regard to case.
    pub name: String,
    /// What calls it.
    #[serde(rename = "type")]
    pub kind: FunctionKind,
    /// Of an HTTP function: its route template; none means its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Of an HTTP function: the methods that it takes; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// Of an HTTP function: who may call it.
    #[serde(default)]
    pub auth_level: AuthLevel,
}

/// What calls a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::enum_variant_names, reason = "the words that components and people use")]
pub enum FunctionKind {
    /// An HTTP request.
    HttpTrigger,
    /// An orchestrator.
    ActivityTrigger,
    /// A start of an orchestration.
    OrchestrationTrigger,
}

/// Who may call an HTTP function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AuthLevel {
    /// Everybody.
    Anonymous,
    /// Whoever has the function's key, or an admin key.
    #[default]
    Function,
    /// Whoever has an admin key.
    Admin,
}

impl FunctionKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::HttpTrigger, Self::ActivityTrigger, Self::OrchestrationTrigger];

    /// The export of a component that runs functions of this kind.
    #[must_use]
    pub fn export(self) -> &'static str {
        match self {
            Self::HttpTrigger => "handle-http",
            Self::ActivityTrigger => "run-activity",
            Self::OrchestrationTrigger => "run-orchestrator",
        }
    }

    /// The name that `describe` uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HttpTrigger => "httpTrigger",
            Self::ActivityTrigger => "activityTrigger",
            Self::OrchestrationTrigger => "orchestrationTrigger",
        }
    }
}

impl fmt::Display for FunctionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The answer of `describe`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    functions: Vec<FunctionManifest>,
}

/// Reads the answer of `describe`; the error says what is wrong with it and where.
pub(crate) fn parse(text: &str) -> Result<Vec<FunctionManifest>, String> {
    let description: Description = serde_json::from_str(text).map_err(|error| error.to_string())?;
    description.functions.iter().try_for_each(check)?;
    Ok(description.functions)
}

fn check(function: &FunctionManifest) -> Result<(), String> {
    let name = &function.name;
    if name.is_empty() || name.chars().any(|c| c.is_control() || matches!(c, '/' | '\\' | '?' | '#')) {
        return Err(format!("{name:?} cannot be the name of a function"));
    }
    let has_http_settings = function.route.is_some() || !function.methods.is_empty();
    if has_http_settings && function.kind != FunctionKind::HttpTrigger {
        return Err(format!("function '{name}' is a {} and has no route or methods", function.kind));
    }
    match function.methods.iter().find(|method| http::Method::from_bytes(method.as_bytes()).is_err()) {
        Some(method) => Err(format!("function '{name}' has the method {method:?}, which is none")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn description_is_read_with_its_defaults() {
        let text = r#"{"functions":[
            {"name":"Hello","type":"httpTrigger","route":"hello/{name?}","methods":["get"],"authLevel":"anonymous"},
            {"name":"Plain","type":"httpTrigger"},
            {"name":"SayHello","type":"activityTrigger"}]}"#;
        let functions = parse(text).unwrap();
        assert_eq!(functions[0].route.as_deref(), Some("hello/{name?}"));
        assert_eq!(functions[1].auth_level, AuthLevel::Function);
        assert_eq!(functions[2].kind, FunctionKind::ActivityTrigger);
    }

    #[test]
    fn description_that_breaks_a_rule_is_refused_and_says_which() {
        let check = |text: &str, expected: &str| {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check("{", "line 1");
        check(r#"{"functions":[{"name":"A"}]}"#, "missing field `type`");
        check(r#"{"functions":[{"name":"A","type":"queueTrigger"}]}"#, "unknown variant `queueTrigger`");
        check(r#"{"functions":[{"name":"A","type":"activityTrigger","retry":1}]}"#, "unknown field `retry`");
        check(r#"{"functions":[{"name":"A","type":"activityTrigger","route":"a"}]}"#, "no route");
        check(r#"{"functions":[{"name":"A","type":"httpTrigger","methods":["G E T"]}]}"#, "which is none");
        check(r#"{"functions":[{"name":"a/b","type":"activityTrigger"}]}"#, "cannot be the name");
    }
}
