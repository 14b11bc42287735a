//! Durable entities: small pieces of state with an id, on which operations run one at a time.

use crate::{
    ExecutionId, INSTANCE_ID_CHARS_MAX, InstanceId, Json, LockRequest, PartitionId, TaskId, Timestamp, Token,
    id::forbidden_char,
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, sync::Arc};

/// Id of an entity, unique within a task hub: the name of the function that is its code, and a key.
///
/// Shape: shown as `@name@key`, at most 256 characters in all. The name is in lower case, because it is compared without
/// regard to case, and has no `@`; the key is case-sensitive and may be empty. Neither has `/`, `\`, `?`, `#` or control
/// characters or is `.` or `..`, because both are segments of URLs. The order of ids is that in which locks are taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntityId(Arc<str>);

/// The texts cannot be an entity's id; says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEntityId {
    /// The name has no characters.
    #[error("the name of an entity must not be empty")]
    EmptyName,
    /// More than [`INSTANCE_ID_CHARS_MAX`] characters.
    #[error("an entity id '@name@key' has at most 256 characters, this one has {0}")]
    TooLong(usize),
    /// A character that cannot be in the name, or in a URL segment.
    #[error(
        "an entity id must not contain '/', '\\', '?', '#' or control characters, nor its name '@'; this one has {0:?}"
    )]
    Character(char),
    /// A name or a key that is `.` or `..`, which URLs take for folders.
    #[error("the name or the key of an entity must not be '.' or '..': they mean something else in a URL")]
    Dots,
    /// Not of the shape `@name@key`.
    #[error("an entity id has the shape '@name@key'")]
    Shape,
}

impl EntityId {
    /// Checks the shape.
    ///
    /// # Errors
    /// A text breaks a rule of the shape.
    pub fn new(name: &str, key: &str) -> Result<Self, InvalidEntityId> {
        let name = name.to_lowercase();
        if name.is_empty() {
            return Err(InvalidEntityId::EmptyName);
        }
        if [&*name, key].iter().any(|part| matches!(*part, "." | "..")) {
            return Err(InvalidEntityId::Dots);
        }
        let forbidden = name.chars().find(|c| *c == '@').or_else(|| forbidden_char(&name));
        if let Some(c) = forbidden.or_else(|| forbidden_char(key)) {
            return Err(InvalidEntityId::Character(c));
        }
        let id = format!("@{name}@{key}");
        match id.chars().count() {
            chars if chars > INSTANCE_ID_CHARS_MAX => Err(InvalidEntityId::TooLong(chars)),
            _ => Ok(Self(id.into())),
        }
    }

    /// The name, in lower case.
    #[must_use]
    pub fn name(&self) -> &str {
        self.parts().0
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        self.parts().1
    }

    /// The text `@name@key`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition that owns this entity; `count` is fixed for the life of a hub.
    ///
    /// # Panics
    /// `count` is 0.
    #[must_use]
    pub fn partition(&self, count: u16) -> PartitionId {
        PartitionId::of(&self.0, count)
    }

    fn parts(&self) -> (&str, &str) {
        self.0.strip_prefix('@').and_then(|rest| rest.split_once('@')).unwrap_or_default()
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EntityId {
    type Err = InvalidEntityId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.strip_prefix('@').and_then(|rest| rest.split_once('@'));
        let (name, key) = parts.ok_or(InvalidEntityId::Shape)?;
        Self::new(name, key)
    }
}

/// The task of an orchestration that waits for an entity's answer, or that holds locks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The orchestration's instance id.
    pub instance: InstanceId,
    /// The execution that waits.
    pub execution: ExecutionId,
    /// The task it waits for.
    pub task: TaskId,
}

/// What is stored about an entity. One without state and lock is not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityRecord {
    /// Changes whenever the record does, and no value is ever used twice in a hub.
    pub version: Token,
    /// As the last operation left it. None: it has none yet, or was deleted.
    pub state: Option<Json>,
    /// When the last operation was.
    pub last_operation: Timestamp,
    /// Who alone may call it at present.
    pub lock: Option<Caller>,
}

impl EntityRecord {
    /// Whether there is nothing to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state.is_none() && self.lock.is_none()
    }

    /// Whether this execution holds the lock.
    #[must_use]
    pub fn is_locked_by(&self, execution: ExecutionId) -> bool {
        self.lock.as_ref().is_some_and(|holder| holder.execution == execution)
    }
}

/// Something for an entity, stored until a turn of it takes it.
///
/// Guarantee: taken exactly once, by the commit of the turn that applied it; in order per sender and entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntityMessage {
    /// Run an operation.
    Operation(EntityOperation),
    /// Lock the entity, and ask for the next lock.
    Lock(LockRequest),
}

/// An operation to be run on an entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityOperation {
    /// Its name; compared without regard to case.
    pub name: Arc<str>,
    /// Its input.
    pub input: Json,
    /// Who waits for the result; none: it was signalled.
    pub caller: Option<Caller>,
}

/// What an operation wants to happen elsewhere. It happens if the operation ends well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntityAction {
    /// Signal an entity.
    Signal(EntitySignal),
    /// Start an orchestration, and do not wait for it. Where a live instance has the id, nothing is started.
    Start {
        /// The orchestrator's name.
        name: Arc<str>,
        /// The instance id.
        instance: InstanceId,
        /// Its input.
        input: Json,
    },
}

/// A one-way message to an entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntitySignal {
    /// The receiver.
    pub entity: EntityId,
    /// The operation's name.
    pub operation: Arc<str>,
    /// Its input.
    pub input: Json,
    /// Not before this time. None: now.
    pub due: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_id_rules() {
        let check = |name: &str, key: &str, expected: Result<&str, InvalidEntityId>| {
            let id = EntityId::new(name, key);
            assert_eq!(
                id.as_ref().map(EntityId::as_str),
                expected.as_ref().map(|id| *id),
                "{name:?} {key:?}"
            );
        };
        check("Counter", "Key", Ok("@counter@Key"));
        check("counter", "", Ok("@counter@"));
        check("c", "a@b", Ok("@c@a@b"));
        check("c", "..", Err(InvalidEntityId::Dots));
        check(".", "k", Err(InvalidEntityId::Dots));
        check("", "k", Err(InvalidEntityId::EmptyName));
        check("a@b", "k", Err(InvalidEntityId::Character('@')));
        check("a/b", "k", Err(InvalidEntityId::Character('/')));
        for c in ['/', '\\', '?', '#', '\n', '\u{85}'] {
            check("a", &format!("k{c}"), Err(InvalidEntityId::Character(c)));
        }
        check("c", &"x".repeat(253), Ok(&format!("@c@{}", "x".repeat(253))));
        check("c", &"x".repeat(254), Err(InvalidEntityId::TooLong(257)));
    }

    #[test]
    fn entity_id_reads_what_it_shows() {
        for (name, key) in [("counter", "Key"), ("c", ""), ("c", "a@b"), ("ä", "ö")] {
            let id = EntityId::new(name, key).expect("valid");
            assert_eq!((id.name(), id.key()), (name, key));
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for text in ["counter", "@counter", ""] {
            assert_eq!(text.parse::<EntityId>(), Err(InvalidEntityId::Shape), "{text:?}");
        }
    }
}
