//! The functions of this component: registered by the attribute macros, found by name, described to the host.

use serde::Serialize;

use crate::Failure;
use crate::bindings::{self, EntityRequest, EntityResponse, HttpRequest, HttpResponse};
use crate::error::{Error, Result};
use crate::request::Request;
use crate::response::Response;
use crate::timer::TimerInfo;

/// A function that the host may call.
#[derive(Debug)]
pub struct Function {
    name: &'static str,
    role: Role,
}

#[derive(Debug)]
enum Role {
    Http(HttpTrigger, fn(Request) -> Result<Response>),
    Orchestrator(fn(&str) -> Result<String>),
    Activity(fn(&str) -> Result<String>),
    Timer(TimerTrigger, fn(TimerInfo) -> Result<()>),
    Entity(fn(EntityRequest) -> Result<EntityResponse>),
}

/// The settings of an HTTP trigger, as the host wants them described.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpTrigger {
    /// The route template, without the host's prefix.
    pub route: &'static str,
    /// In lower case; none means all.
    pub methods: &'static [&'static str],
    /// `anonymous`, `function` or `admin`.
    pub auth_level: &'static str,
}

/// The settings of a timer trigger, as the host wants them described.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TimerTrigger {
    /// A cron expression of six fields, or of five.
    pub schedule: &'static str,
    /// In the IANA database; none means UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<&'static str>,
    /// `skip`, `queue`, `allow` or `terminate`; none means `skip`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap: Option<&'static str>,
    /// How old a missed tick may be to be made up for; none means 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catch_up_seconds: Option<u64>,
}

/// The settings of a trigger.
#[derive(Serialize)]
#[serde(untagged)]
enum Trigger {
    Http(&'static HttpTrigger),
    Timer(&'static TimerTrigger),
}

inventory::collect!(Function);

impl Function {
    /// A function that answers HTTP requests.
    pub const fn http(
        name: &'static str,
        trigger: HttpTrigger,
        run: fn(Request) -> Result<Response>,
    ) -> Self {
        let role = Role::Http(trigger, run);
        Self { name, role }
    }

    /// A function from JSON text to JSON text that may use the orchestration context.
    pub const fn orchestrator(name: &'static str, run: fn(&str) -> Result<String>) -> Self {
        let role = Role::Orchestrator(run);
        Self { name, role }
    }

    /// A function from JSON text to JSON text.
    pub const fn activity(name: &'static str, run: fn(&str) -> Result<String>) -> Self {
        let role = Role::Activity(run);
        Self { name, role }
    }

    /// A function that is called at certain times.
    pub const fn timer(name: &'static str, trigger: TimerTrigger, run: fn(TimerInfo) -> Result<()>) -> Self {
        let role = Role::Timer(trigger, run);
        Self { name, role }
    }

    /// Entities of this name.
    pub const fn entity(name: &'static str, run: fn(EntityRequest) -> Result<EntityResponse>) -> Self {
        let role = Role::Entity(run);
        Self { name, role }
    }

    fn describe(&'static self) -> Description {
        let (kind, trigger) = match &self.role {
            Role::Http(trigger, _) => ("httpTrigger", Some(Trigger::Http(trigger))),
            Role::Orchestrator(_) => ("orchestrationTrigger", None),
            Role::Activity(_) => ("activityTrigger", None),
            Role::Timer(trigger, _) => ("timerTrigger", Some(Trigger::Timer(trigger))),
            Role::Entity(_) => ("entityTrigger", None),
        };
        let name = self.name;
        Description { name, kind, trigger }
    }
}

#[derive(Serialize)]
struct Descriptions {
    functions: Vec<Description>,
}

#[derive(Serialize)]
struct Description {
    name: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    trigger: Option<Trigger>,
}

/// Every function of this component in the order of their names, as the contract's JSON.
pub(crate) fn describe() -> String {
    let registered = inventory::iter::<Function>.into_iter();
    let mut functions: Vec<_> = registered.map(Function::describe).collect();
    functions.sort_by_key(|function| function.name);
    serde_json::to_string(&Descriptions { functions }).expect("names and settings are text")
}

pub(crate) fn handle_http(name: &str, request: HttpRequest) -> Result<HttpResponse, Failure> {
    let run = find(name, "HTTP function", |role| match role {
        Role::Http(_, run) => Some(*run),
        _ => None,
    })?;
    let response = run(request.into()).or_else(|error| error.into_problem().map(Response::from))?;
    Ok(response.into())
}

pub(crate) fn run_orchestrator(name: &str, input: &str) -> Result<String, Failure> {
    let run = find(name, "orchestrator", |role| match role {
        Role::Orchestrator(run) => Some(*run),
        _ => None,
    })?;
    Ok(run(input)?)
}

pub(crate) fn run_activity(name: &str, input: &str) -> Result<String, Failure> {
    let run = find(name, "activity", |role| match role {
        Role::Activity(run) => Some(*run),
        _ => None,
    })?;
    Ok(run(input)?)
}

pub(crate) fn run_timer(name: &str, timer: bindings::TimerInfo) -> Result<(), Failure> {
    let run = find(name, "timer-triggered function", |role| match role {
        Role::Timer(_, run) => Some(*run),
        _ => None,
    })?;
    Ok(run(timer.into())?)
}

pub(crate) fn run_entity(name: &str, request: EntityRequest) -> Result<EntityResponse, Failure> {
    let run = find(name, "entity", |role| match role {
        Role::Entity(run) => Some(*run),
        _ => None,
    })?;
    Ok(run(request)?)
}

fn find<F>(name: &str, kind: &str, runner: fn(&Role) -> Option<F>) -> Result<F> {
    inventory::iter::<Function>
        .into_iter()
        .filter(|function| function.name == name)
        .find_map(|function| runner(&function.role))
        .ok_or_else(|| {
            let message = format!("this component has no {kind} '{name}'");
            Error::non_retriable("FunctionNotFound", message)
        })
}

/// The name under which an orchestrator is registered; it is asked for without regard to case.
#[cfg(all(feature = "testing", not(target_family = "wasm")))]
pub(crate) fn orchestrator_named(name: &str) -> Option<&'static str> {
    registered_name(name, |role| matches!(role, Role::Orchestrator(_)))
}

/// The same of an activity.
#[cfg(all(feature = "testing", not(target_family = "wasm")))]
pub(crate) fn activity_named(name: &str) -> Option<&'static str> {
    registered_name(name, |role| matches!(role, Role::Activity(_)))
}

/// The same of an entity.
#[cfg(all(feature = "testing", not(target_family = "wasm")))]
pub(crate) fn entity_named(name: &str) -> Option<&'static str> {
    registered_name(name, |role| matches!(role, Role::Entity(_)))
}

#[cfg(all(feature = "testing", not(target_family = "wasm")))]
fn registered_name(name: &str, is_of_kind: fn(&Role) -> bool) -> Option<&'static str> {
    let mut functions = inventory::iter::<Function>.into_iter();
    let found =
        functions.find(|function| is_of_kind(&function.role) && function.name.eq_ignore_ascii_case(name));
    found.map(|function| function.name)
}
