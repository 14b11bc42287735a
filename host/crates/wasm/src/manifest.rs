//! What a component says of itself: its functions.

use durance_durable::{
    CATCH_UP_DEFAULT, ScheduleDefinition, ScheduleId, ScheduleTarget, Timing, UnknownOverlapPolicy,
};
use durance_taskhub::TimerFunction;
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

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
    /// Of a timer-triggered function: when it is called, as a cron expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Of a timer-triggered function: whose calendar that is, by its name in the IANA database; none means UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Of a timer-triggered function: what a tick does while the call before has not ended; none means `skip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<String>,
    /// Of a timer-triggered function: how old a missed tick may be to be made up for; none means 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_up_seconds: Option<u64>,
}

impl FunctionManifest {
    /// An HTTP function.
    ///
    /// # Errors
    /// The name or a method cannot be; the text says why.
    pub fn http(
        name: String,
        route: Option<String>,
        methods: Vec<String>,
        auth_level: AuthLevel,
    ) -> Result<Self, String> {
        let function = Self {
            name,
            kind: FunctionKind::HttpTrigger,
            route,
            methods,
            auth_level,
            schedule: None,
            time_zone: None,
            overlap: None,
            catch_up_seconds: None,
        };
        check(&function)?;
        Ok(function)
    }

    /// The schedule of a timer-triggered function; none of another. The error says what is wrong with its settings.
    pub(crate) fn timer(&self) -> Result<Option<TimerFunction>, String> {
        if self.kind != FunctionKind::TimerTrigger {
            return Ok(None);
        }
        let expression = self.schedule.as_deref().ok_or("it needs a schedule, like \"0 */5 * * * *\"")?;
        let time_zone = self.time_zone.as_deref().unwrap_or("UTC");
        let overlap = self.overlap.as_deref().map(str::parse).transpose();
        let timing = Timing::Cron { expression: expression.into(), time_zone: time_zone.into() };
        timing.check().map_err(|error| error.to_string())?;
        let definition = ScheduleDefinition {
            target: ScheduleTarget::Function,
            timing,
            overlap: overlap.map_err(|error: UnknownOverlapPolicy| error.to_string())?.unwrap_or_default(),
            catch_up: self.catch_up_seconds.map_or(CATCH_UP_DEFAULT, Duration::from_secs),
            start: None,
            end: None,
        };
        let schedule = ScheduleId::new(&self.name).map_err(|error| error.to_string())?;
        Ok(Some(TimerFunction { schedule, definition }))
    }

    fn has_timer_settings(&self) -> bool {
        let texts = [&self.schedule, &self.time_zone, &self.overlap];
        texts.into_iter().any(Option::is_some) || self.catch_up_seconds.is_some()
    }
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
    /// A time.
    TimerTrigger,
    /// An operation of an entity.
    EntityTrigger,
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
    pub const ALL: [Self; 5] = [
        Self::HttpTrigger,
        Self::ActivityTrigger,
        Self::OrchestrationTrigger,
        Self::TimerTrigger,
        Self::EntityTrigger,
    ];

    /// The export of a component that runs functions of this kind.
    #[must_use]
    pub fn export(self) -> &'static str {
        match self {
            Self::HttpTrigger => "handle-http",
            Self::ActivityTrigger => "run-activity",
            Self::OrchestrationTrigger => "run-orchestrator",
            Self::TimerTrigger => "run-timer",
            Self::EntityTrigger => "run-entity",
        }
    }

    /// The name that `describe` uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HttpTrigger => "httpTrigger",
            Self::ActivityTrigger => "activityTrigger",
            Self::OrchestrationTrigger => "orchestrationTrigger",
            Self::TimerTrigger => "timerTrigger",
            Self::EntityTrigger => "entityTrigger",
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
    if function.has_timer_settings() && function.kind != FunctionKind::TimerTrigger {
        return Err(format!("function '{name}' is a {} and has no schedule", function.kind));
    }
    function.timer().map_err(|why| format!("function '{name}': {why}"))?;
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
            {"name":"SayHello","type":"activityTrigger"},
            {"name":"Tick","type":"timerTrigger","schedule":"* * * * * *","timeZone":"Europe/Berlin","overlap":"queue","catchUpSeconds":5}]}"#;
        let functions = parse(text).unwrap();
        assert_eq!(functions[0].route.as_deref(), Some("hello/{name?}"));
        assert_eq!(functions[1].auth_level, AuthLevel::Function);
        assert_eq!(functions[2].kind, FunctionKind::ActivityTrigger);
        assert!(functions[2].timer().unwrap().is_none());
        let timer = functions[3].timer().unwrap().unwrap();
        assert_eq!(timer.schedule.as_str(), "Tick");
        assert_eq!(timer.definition.overlap, durance_durable::OverlapPolicy::Queue);
        assert_eq!(timer.definition.catch_up, Duration::from_secs(5));
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
        check(r#"{"functions":[{"name":"A","type":"activityTrigger","schedule":"@daily"}]}"#, "no schedule");
        check(r#"{"functions":[{"name":"A","type":"timerTrigger"}]}"#, "it needs a schedule");
        check(r#"{"functions":[{"name":"A","type":"timerTrigger","schedule":"* *"}]}"#, "six fields");
        check(
            r#"{"functions":[{"name":"A","type":"timerTrigger","schedule":"@daily","overlap":"maybe"}]}"#,
            "'maybe' is none of skip",
        );
        check(r#"{"functions":[{"name":"A","type":"httpTrigger","methods":["G E T"]}]}"#, "which is none");
        check(r#"{"functions":[{"name":"a/b","type":"activityTrigger"}]}"#, "cannot be the name");
    }
}
