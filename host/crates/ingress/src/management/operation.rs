//! Which operation a method and a path ask for.

use super::entities::EntityOperation;
use super::schedules::ScheduleOperation;
use crate::problem::Problem;
use durance_durable::InstanceId;
use http::Method;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// Query parameters that every operation takes: what the links of this host and of the model carry. There is one
/// store, so that `connection` means nothing here.
const COMMON: &[&str] = &["taskHub", "connection", "code", "expires", "sig"];

/// An operation of the management API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    Start {
        function: String,
        instance: Option<InstanceId>,
    },
    /// The body has input and event.
    StartAndRaise {
        function: String,
        instance: InstanceId,
        event: String,
    },
    List,
    Counts,
    PurgeMany,
    Instance(InstanceId, InstanceOperation),
    Schedules(ScheduleOperation),
    Entities(EntityOperation),
}

/// An operation on one instance: what its links open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InstanceOperation {
    Status,
    /// A stream of statuses.
    Changes,
    History,
    RaiseEvent(String),
    Restart,
    Command(Command),
}

/// What has no answer of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    Purge,
    Terminate,
    Suspend,
    Resume,
    Rewind,
    DropQueue,
}

impl Operation {
    /// The operation; `path` begins after that of the API.
    pub(crate) fn of(method: &Method, path: &str) -> Result<Self, Problem> {
        let segments = path.strip_prefix('/').unwrap_or(path);
        // A client without an instance id asks for `/instances/`.
        let segments = segments.strip_suffix('/').unwrap_or(segments);
        let segments: Vec<_> = segments.split('/').map(decode).collect();
        match segments.as_slice() {
            [collection, function] if is(collection, "orchestrators") => {
                only_post(method, path)?;
                Ok(Self::Start { function: function.to_string(), instance: None })
            }
            [collection, function, id] if is(collection, "orchestrators") => {
                only_post(method, path)?;
                Ok(Self::Start { function: function.to_string(), instance: Some(InstanceId::new(id)?) })
            }
            [collection, function, id, action, event]
                if is(collection, "orchestrators") && is(action, "raiseEvent") =>
            {
                only_post(method, path)?;
                let (function, event) = (function.to_string(), event.to_string());
                Ok(Self::StartAndRaise { function, instance: InstanceId::new(id)?, event })
            }
            [name] if is(name, "counts") => match *method {
                Method::GET | Method::HEAD => Ok(Self::Counts),
                _ => Err(Problem::wrong_method(path, "GET, HEAD")),
            },
            [collection, id @ ..] if is(collection, "instances") => Self::on_instances(method, path, id),
            [collection, id @ ..] if is(collection, "schedules") => {
                ScheduleOperation::of(method, path, id).map(Self::Schedules)
            }
            [name] if is(name, "makeprimary") => {
                only_post(method, path)?;
                Err(Problem::not_offered("makeprimary: one host drives the whole task hub"))
            }
            [collection, id @ ..] if is(collection, "entities") => {
                EntityOperation::of(method, path, id).map(Self::Entities)
            }
            _ => Err(Problem::no_such_path(path)),
        }
    }

    fn on_instances(method: &Method, path: &str, segments: &[Cow<'_, str>]) -> Result<Self, Problem> {
        let [id, action @ ..] = segments else {
            return match *method {
                Method::GET | Method::HEAD => Ok(Self::List),
                Method::DELETE => Ok(Self::PurgeMany),
                _ => Err(Problem::wrong_method(path, "GET, HEAD, DELETE")),
            };
        };
        let on = |operation| Ok(Self::Instance(InstanceId::new(id)?, operation));
        let (action, argument) = match action {
            [] => {
                return match *method {
                    Method::GET | Method::HEAD => on(InstanceOperation::Status),
                    Method::DELETE => on(InstanceOperation::Command(Command::Purge)),
                    _ => Err(Problem::wrong_method(path, "GET, HEAD, DELETE")),
                };
            }
            [action] => (action.to_ascii_lowercase(), None),
            [action, argument] => (action.to_ascii_lowercase(), Some(argument)),
            _ => return Err(Problem::no_such_path(path)),
        };
        let operation = match (action.as_str(), argument) {
            ("history", None) => {
                return match *method {
                    Method::GET | Method::HEAD => on(InstanceOperation::History),
                    _ => Err(Problem::wrong_method(path, "GET, HEAD")),
                };
            }
            ("changes", None) => {
                return match *method {
                    Method::GET => on(InstanceOperation::Changes),
                    _ => Err(Problem::wrong_method(path, "GET")),
                };
            }
            ("queue", None) => {
                return match *method {
                    Method::DELETE => on(InstanceOperation::Command(Command::DropQueue)),
                    _ => Err(Problem::wrong_method(path, "DELETE")),
                };
            }
            ("raiseevent", Some(event)) => on(InstanceOperation::RaiseEvent(event.to_string())),
            ("terminate", None) => on(InstanceOperation::Command(Command::Terminate)),
            ("suspend", None) => on(InstanceOperation::Command(Command::Suspend)),
            ("resume", None) => on(InstanceOperation::Command(Command::Resume)),
            ("rewind", None) => on(InstanceOperation::Command(Command::Rewind)),
            ("restart", None) => on(InstanceOperation::Restart),
            _ => return Err(Problem::no_such_path(path)),
        };
        only_post(method, path).and(operation)
    }

    /// The instance whose links open this.
    pub(crate) fn instance(&self) -> Option<&InstanceId> {
        match self {
            Self::Instance(instance, _) => Some(instance),
            // No link starts anything.
            Self::Start { .. }
            | Self::StartAndRaise { .. }
            | Self::List
            | Self::Counts
            | Self::PurgeMany
            | Self::Schedules(_)
            | Self::Entities(_) => None,
        }
    }

    /// The query parameters that it takes.
    pub(crate) fn parameters(&self) -> (&'static [&'static str], &'static [&'static str]) {
        let own: &[&str] = match self {
            Self::Entities(operation) => operation.parameters(),
            Self::Start { .. } => {
                &["timeout", "pollingInterval", "ifExists", "retentionSeconds", "startAt", "tag", "version"]
            }
            Self::StartAndRaise { .. } => {
                &["timeout", "pollingInterval", "retentionSeconds", "startAt", "tag", "version"]
            }
            Self::Counts => &[],
            Self::PurgeMany => {
                &["instanceId", "createdTimeFrom", "createdTimeTo", "runtimeStatus", "recursive", "dryRun"]
            }
            Self::List => &[
                "createdTimeFrom",
                "createdTimeTo",
                "lastUpdatedTimeFrom",
                "lastUpdatedTimeTo",
                "completedTimeFrom",
                "completedTimeTo",
                "runtimeStatus",
                "instanceId",
                "instanceIdPrefix",
                "name",
                "tag",
                "parentInstanceId",
                "customStatus",
                "stuck",
                "sort",
                "order",
                "showInput",
                "top",
            ],
            Self::Instance(_, InstanceOperation::Status) => &[
                "showHistory",
                "showHistoryOutput",
                "showInput",
                "returnInternalServerErrorOnFailure",
                "executionId",
                "wait",
            ],
            Self::Instance(_, InstanceOperation::History) => &["executionId"],
            Self::Instance(_, InstanceOperation::Changes) => &["showInput"],
            Self::Instance(
                _,
                InstanceOperation::RaiseEvent(_) | InstanceOperation::Command(Command::DropQueue),
            ) => &[],
            Self::Instance(_, InstanceOperation::Command(Command::Purge)) => &["recursive"],
            Self::Instance(_, InstanceOperation::Command(Command::Terminate)) => &["reason", "recursive"],
            Self::Instance(_, InstanceOperation::Restart) => {
                &["restartWithNewInstanceId", "timeout", "pollingInterval"]
            }
            Self::Instance(_, InstanceOperation::Command(_)) => &["reason"],
            Self::Schedules(operation) => operation.parameters(),
        };
        (COMMON, own)
    }
}

fn decode(segment: &str) -> Cow<'_, str> {
    percent_decode_str(segment).decode_utf8_lossy()
}

fn is(segment: &str, name: &str) -> bool {
    segment.eq_ignore_ascii_case(name)
}

pub(super) fn only_post(method: &Method, path: &str) -> Result<(), Problem> {
    if method == Method::POST { Ok(()) } else { Err(Problem::wrong_method(path, "POST")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use durance_durable::EntityId;

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn paths_and_methods_name_operations() {
        let on = |operation| Operation::Instance(InstanceId::new("a b").unwrap(), operation);
        let entity = |key: &str| EntityId::new("counter", key).unwrap();
        let start = |instance: Option<&str>| Operation::Start {
            function: "F".to_owned(),
            instance: instance.map(|id| InstanceId::new(id).unwrap()),
        };
        let table = [
            ("POST", "/orchestrators/F", Ok(start(None))),
            ("POST", "/Orchestrators/F/", Ok(start(None))),
            ("POST", "/orchestrators/F/x%20y", Ok(start(Some("x y")))),
            ("GET", "/orchestrators/F", Err(405)),
            ("POST", "/orchestrators/F/@x", Err(400)),
            ("POST", "/orchestrators/F/x%2Fy", Err(400)),
            ("POST", "/orchestrators", Err(404)),
            ("GET", "/instances", Ok(Operation::List)),
            ("HEAD", "/instances/", Ok(Operation::List)),
            ("DELETE", "/instances", Ok(Operation::PurgeMany)),
            ("PUT", "/instances", Err(405)),
            ("GET", "/instances/a%20b", Ok(on(InstanceOperation::Status))),
            ("HEAD", "/instances/a b/", Ok(on(InstanceOperation::Status))),
            ("DELETE", "/INSTANCES/a%20b", Ok(on(InstanceOperation::Command(Command::Purge)))),
            ("GET", "/instances/a%20b/History", Ok(on(InstanceOperation::History))),
            ("HEAD", "/instances/a%20b/history", Ok(on(InstanceOperation::History))),
            ("POST", "/instances/a%20b/history", Err(405)),
            ("GET", "/instances/a%20b/changes", Ok(on(InstanceOperation::Changes))),
            ("POST", "/instances/a%20b/changes", Err(405)),
            ("GET", "/instances/a%20b/history/1", Err(404)),
            ("POST", "/instances/a%20b", Err(405)),
            (
                "POST",
                "/instances/a%20b/RaiseEvent/Go%21",
                Ok(on(InstanceOperation::RaiseEvent("Go!".to_owned()))),
            ),
            ("POST", "/instances/a%20b/raiseEvent", Err(404)),
            ("POST", "/instances/a%20b/terminate", Ok(on(InstanceOperation::Command(Command::Terminate)))),
            ("POST", "/instances/a%20b/suspend", Ok(on(InstanceOperation::Command(Command::Suspend)))),
            ("POST", "/instances/a%20b/resume", Ok(on(InstanceOperation::Command(Command::Resume)))),
            ("GET", "/instances/a%20b/resume", Err(405)),
            ("POST", "/instances/a%20b/resume/x", Err(404)),
            ("POST", "/instances/a%20b/rewind", Ok(on(InstanceOperation::Command(Command::Rewind)))),
            ("POST", "/instances/a%20b/restart", Ok(on(InstanceOperation::Restart))),
            ("GET", "/instances/a%20b/restart", Err(405)),
            ("DELETE", "/instances/a%20b/queue", Ok(on(InstanceOperation::Command(Command::DropQueue)))),
            ("GET", "/instances/a%20b/queue", Err(405)),
            ("POST", "/instances/a%20b/dance", Err(404)),
            ("GET", "/counts", Ok(Operation::Counts)),
            ("POST", "/counts", Err(405)),
            ("POST", "/orchestrators/F/@x/raiseEvent/e", Err(400)),
            ("POST", "/makeprimary", Err(501)),
            ("GET", "/makeprimary", Err(405)),
            ("GET", "/entities", Ok(Operation::Entities(EntityOperation::List(None)))),
            (
                "GET",
                "/entities/Counter/",
                Ok(Operation::Entities(EntityOperation::List(Some("Counter".to_owned())))),
            ),
            ("POST", "/entities/Counter", Err(405)),
            ("GET", "/Entities/Counter/A%20b", Ok(Operation::Entities(EntityOperation::Read(entity("A b"))))),
            ("POST", "/entities/counter/$", Ok(Operation::Entities(EntityOperation::Signal(entity(""))))),
            ("DELETE", "/entities/counter/$", Ok(Operation::Entities(EntityOperation::Delete(entity(""))))),
            ("PUT", "/entities/counter/1", Err(405)),
            ("GET", "/entities/coun@ter/1", Err(400)),
            ("GET", "/entities/counter/1/2", Err(404)),
            ("GET", "/", Err(404)),
            ("GET", "", Err(404)),
        ];
        for (method, path, expected) in table {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let found = Operation::of(&method, path);
            let found = found.map_err(|problem| problem.into_response("", "", "").status().as_u16());
            assert_eq!(found, expected, "{method} {path}");
        }
    }
}
