//! Identifiers.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};
use uuid::Uuid;

/// The longest instance id, in characters.
///
/// Source: `MaxInstanceIdLength` of the Durable Functions extension.
pub const INSTANCE_ID_CHARS_MAX: usize = 256;

/// Id of an orchestration instance, unique within a task hub.
///
/// Shape: 1 to 256 characters; does not start with `@`, which is for entities; no `/`, `\`, `?`, `#` or control
/// characters and neither `.` nor `..`, because the id is a segment of URLs. Case-sensitive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(Arc<str>);

/// The text cannot be an instance id; says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInstanceId {
    /// No characters.
    #[error("an instance id must not be empty")]
    Empty,
    /// More than [`INSTANCE_ID_CHARS_MAX`] characters.
    #[error("an instance id has at most 256 characters, this one has {0}")]
    TooLong(usize),
    /// Starts with `@`.
    #[error("an instance id must not start with '@', which is reserved for entities")]
    Reserved,
    /// `.` or `..`, which URLs take for folders.
    #[error("an instance id must not be '.' or '..': they mean something else in a URL")]
    Dots,
    /// A character that cannot be in a URL segment.
    #[error("an instance id must not contain '/', '\\', '?', '#' or control characters, this one has {0:?}")]
    Character(char),
}

impl InstanceId {
    /// Checks the shape.
    ///
    /// # Errors
    /// The text breaks a rule of the shape.
    pub fn new(text: &str) -> Result<Self, InvalidInstanceId> {
        let chars = text.chars().count();
        if chars == 0 {
            return Err(InvalidInstanceId::Empty);
        }
        if chars > INSTANCE_ID_CHARS_MAX {
            return Err(InvalidInstanceId::TooLong(chars));
        }
        if text.starts_with('@') {
            return Err(InvalidInstanceId::Reserved);
        }
        if matches!(text, "." | "..") {
            return Err(InvalidInstanceId::Dots);
        }
        match forbidden_char(text) {
            Some(c) => Err(InvalidInstanceId::Character(c)),
            None => Ok(Self(text.into())),
        }
    }

    /// The id that a UUID gives: its 32 hexadecimal digits.
    #[must_use]
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid.simple().to_string().into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition that owns this instance; `count` is fixed for the life of a hub.
    ///
    /// # Panics
    /// `count` is 0.
    #[must_use]
    pub fn partition(&self, count: u16) -> PartitionId {
        PartitionId::of(&self.0, count)
    }
}

/// The first character that cannot be in a segment of a URL.
pub(crate) fn forbidden_char(text: &str) -> Option<char> {
    text.chars().find(|c| matches!(c, '/' | '\\' | '?' | '#') || c.is_control())
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for InstanceId {
    type Err = InvalidInstanceId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

/// Id of one execution of an instance: a new one at each start and at each continue-as-new.
///
/// Shown as 32 hexadecimal digits, in JSON too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(transparent)]
pub struct ExecutionId(pub Uuid);

impl ExecutionId {
    /// The `counter`-th UUID (version 5) that this execution makes: the same at every replay.
    #[must_use]
    pub fn derive_uuid(self, counter: u64) -> Uuid {
        Uuid::new_v5(&self.0, &counter.to_be_bytes())
    }
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl Serialize for ExecutionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl FromStr for ExecutionId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self)
    }
}

/// Index of a partition of a task hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartitionId(pub u16);

impl PartitionId {
    /// The partition of an id; `count` must not be 0.
    pub(crate) fn of(id: &str, count: u16) -> Self {
        let index = xxhash_rust::xxh3::xxh3_64(id.as_bytes()) % u64::from(count);
        Self(u16::try_from(index).expect("a remainder is less than its divisor"))
    }
}

/// The content of a component: the SHA-256 of its bytes.
///
/// Shown as 64 hexadecimal digits, in JSON too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleHash(pub [u8; 32]);

/// The text is not 64 hexadecimal digits.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a module hash has 64 hexadecimal digits")]
pub struct InvalidModuleHash;

impl fmt::Display for ModuleHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ModuleHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ModuleHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for ModuleHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = Cow::<'de, str>::deserialize(deserializer)?;
            text.parse().map_err(D::Error::custom)
        } else {
            <[u8; 32]>::deserialize(deserializer).map(Self)
        }
    }
}

impl FromStr for ModuleHash {
    type Err = InvalidModuleHash;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut hash = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(InvalidModuleHash);
        }
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| InvalidModuleHash)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| InvalidModuleHash)?;
        }
        Ok(Self(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instance_id_rules() {
        let check = |text: &str, expected: Result<(), InvalidInstanceId>| {
            assert_eq!(InstanceId::new(text).map(|_| ()), expected, "{text:?}");
        };
        check("a", Ok(()));
        check("order-17 äöü @home", Ok(()));
        check(&"x".repeat(256), Ok(()));
        check(&"ä".repeat(256), Ok(()));
        check("", Err(InvalidInstanceId::Empty));
        check(&"x".repeat(257), Err(InvalidInstanceId::TooLong(257)));
        check("@counter@1", Err(InvalidInstanceId::Reserved));
        check(".", Err(InvalidInstanceId::Dots));
        check("..", Err(InvalidInstanceId::Dots));
        check("...", Ok(()));
        for c in ['/', '\\', '?', '#', '\n', '\u{7f}', '\u{85}'] {
            check(&format!("a{c}b"), Err(InvalidInstanceId::Character(c)));
        }
    }

    #[test]
    fn partition_of_an_id_never_changes() {
        // Written to disk by every version: these values must stay.
        let partition = |text: &str| InstanceId::new(text).expect("valid").partition(16).0;
        assert_eq!([partition("a"), partition("job-1"), partition("job-2")], [15, 12, 14]);
    }

    #[test]
    fn module_hash_reads_what_it_shows() {
        let hash = ModuleHash(std::array::from_fn(|i| u8::try_from(i * 8).expect("small")));
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!("abc".parse::<ModuleHash>(), Err(InvalidModuleHash));
        assert_eq!("zz".repeat(32).parse::<ModuleHash>(), Err(InvalidModuleHash));
    }
}
