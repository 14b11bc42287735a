//! Which operation a method and a path ask for.

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
}

/// An operation on one instance: what its links open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InstanceOperation {
    Status,
    Purge,
    RaiseEvent(String),
    Terminate,
    Suspend,
    Resume,
    Rewind,
    Restart,
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
            [name] if is(name, "makeprimary") => {
                only_post(method, path)?;
                Err(Problem::not_offered("makeprimary: one host drives the whole task hub"))
            }
            [collection, ..] if is(collection, "entities") => Err(Problem::not_offered("entities")),
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
                    Method::DELETE => on(InstanceOperation::Purge),
                    _ => Err(Problem::wrong_method(path, "GET, HEAD, DELETE")),
                };
            }
            [action] => (action.to_ascii_lowercase(), None),
            [action, argument] => (action.to_ascii_lowercase(), Some(argument)),
            _ => return Err(Problem::no_such_path(path)),
        };
        let operation = match (action.as_str(), argument) {
            ("raiseevent", Some(event)) => on(InstanceOperation::RaiseEvent(event.to_string())),
            ("terminate", None) => on(InstanceOperation::Terminate),
            ("suspend", None) => on(InstanceOperation::Suspend),
            ("resume", None) => on(InstanceOperation::Resume),
            ("rewind", None) => on(InstanceOperation::Rewind),
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
            Self::Start { .. } | Self::StartAndRaise { .. } | Self::List | Self::Counts | Self::PurgeMany => {
                None
            }
        }
    }

    /// The query parameters that it takes.
    pub(crate) fn parameters(&self) -> (&'static [&'static str], &'static [&'static str]) {
        let own: &[&str] = match self {
            Self::Start { .. } => &["timeout", "pollingInterval", "ifExists", "tag", "version"],
            Self::StartAndRaise { .. } => &["timeout", "pollingInterval", "tag", "version"],
            Self::Counts => &[],
            Self::PurgeMany => &["createdTimeFrom", "createdTimeTo", "runtimeStatus", "dryRun"],
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
            Self::Instance(_, InstanceOperation::RaiseEvent(_)) => &[],
            Self::Instance(_, InstanceOperation::Purge) => &["recursive"],
            Self::Instance(_, InstanceOperation::Terminate) => &["reason", "recursive"],
            Self::Instance(_, InstanceOperation::Restart) => {
                &["restartWithNewInstanceId", "timeout", "pollingInterval"]
            }
            Self::Instance(_, _) => &["reason"],
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

fn only_post(method: &Method, path: &str) -> Result<(), Problem> {
    if method == Method::POST { Ok(()) } else { Err(Problem::wrong_method(path, "POST")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_methods_name_operations() {
        let on = |operation| Operation::Instance(InstanceId::new("a b").unwrap(), operation);
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
            ("DELETE", "/INSTANCES/a%20b", Ok(on(InstanceOperation::Purge))),
            ("POST", "/instances/a%20b", Err(405)),
            (
                "POST",
                "/instances/a%20b/RaiseEvent/Go%21",
                Ok(on(InstanceOperation::RaiseEvent("Go!".to_owned()))),
            ),
            ("POST", "/instances/a%20b/raiseEvent", Err(404)),
            ("POST", "/instances/a%20b/terminate", Ok(on(InstanceOperation::Terminate))),
            ("POST", "/instances/a%20b/suspend", Ok(on(InstanceOperation::Suspend))),
            ("POST", "/instances/a%20b/resume", Ok(on(InstanceOperation::Resume))),
            ("GET", "/instances/a%20b/resume", Err(405)),
            ("POST", "/instances/a%20b/resume/x", Err(404)),
            ("POST", "/instances/a%20b/rewind", Ok(on(InstanceOperation::Rewind))),
            ("POST", "/instances/a%20b/restart", Ok(on(InstanceOperation::Restart))),
            ("GET", "/instances/a%20b/restart", Err(405)),
            ("POST", "/instances/a%20b/dance", Err(404)),
            ("GET", "/counts", Ok(Operation::Counts)),
            ("POST", "/counts", Err(405)),
            ("POST", "/orchestrators/F/@x/raiseEvent/e", Err(400)),
            ("POST", "/makeprimary", Err(501)),
            ("GET", "/makeprimary", Err(405)),
            ("GET", "/entities/counter/1", Err(501)),
            ("GET", "/", Err(404)),
            ("GET", "", Err(404)),
        ];
        for (method, path, expected) in table {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let found = Operation::of(&method, path);
            let found = found.map_err(|problem| problem.into_response("", "").status().as_u16());
            assert_eq!(found, expected, "{method} {path}");
        }
    }
}
