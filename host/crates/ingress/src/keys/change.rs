//! Keys are listed, made, rotated and deleted while the host runs.

use super::{
    AccessLevel, HashedKey, KeyError, KeyRing, Keys, LINKS, LinkSecret, MASTER, PreviousSecret, random_key,
};
use jiff::Timestamp;
use serde::Serialize;
use std::sync::PoisonError;

/// The longest name of a key. Unit: bytes.
const NAME_BYTES_MAX: usize = 64;

/// A key as it is listed: without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyInfo {
    pub(crate) name: String,
    /// `admin`, `function`, or `links` for the secret that signs links.
    pub(crate) level: &'static str,
    pub(crate) created_time: Timestamp,
}

/// A key that was just made.
#[derive(Serialize)]
pub(crate) struct MadeKey {
    #[serde(flatten)]
    pub(crate) key: KeyInfo,
    /// Shown only now. The secret that signs links is never shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<String>,
}

/// What becomes of the links that the old secret has signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OldLinks {
    /// They stay good until this time, when the last of them expires. Unit: seconds since the Unix epoch.
    GoodUntil(u64),
    /// They open nothing from now on.
    Revoked,
}

/// Why keys were not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyChangeError {
    #[error("there is no key '{0}'")]
    NotFound(String),
    #[error("there is a key '{0}' already; rotate it to get a new value")]
    Exists(String),
    #[error("the key '{0}' is the host's own and stays; rotate it to get a new value")]
    Reserved(String),
    #[error(
        "'{0}' cannot be the name of a key: 1 to {NAME_BYTES_MAX} letters, digits, '-', '_' and '.', the first no '_'"
    )]
    Name(String),
    #[error(transparent)]
    Keys(#[from] KeyError),
}

impl KeyRing {
    /// Every key, and the secret that signs links.
    pub(crate) fn list(&self) -> Vec<KeyInfo> {
        let keys = self.keys();
        keys.keys.iter().map(HashedKey::info).chain([keys.signing.info()]).collect()
    }

    /// Makes a key. It is durable when this returns.
    pub(crate) fn create(&self, name: &str, level: AccessLevel) -> Result<MadeKey, KeyChangeError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.starts_with('_') || !name.bytes().all(fits)
        {
            return Err(KeyChangeError::Name(name.to_owned()));
        }
        self.change(|keys| {
            if keys.find(name).is_ok() {
                return Err(KeyChangeError::Exists(name.to_owned()));
            }
            let value = random_key().map_err(KeyError::from)?;
            let key = HashedKey::new(name, level, &value);
            let made = MadeKey { key: key.info(), value: Some(value) };
            keys.keys.push(key);
            Ok(made)
        })
    }

    /// Gives a key another value: the old one opens nothing from then on.
    pub(crate) fn rotate(&self, name: &str) -> Result<MadeKey, KeyChangeError> {
        self.change(|keys| {
            let key = keys.find(name)?;
            let value = random_key().map_err(KeyError::from)?;
            *key = HashedKey::new(&key.name, key.level, &value);
            Ok(MadeKey { key: key.info(), value: Some(value) })
        })
    }

    /// Signs links with another secret from now on.
    pub(crate) fn rotate_links(&self, now: u64, old: OldLinks) -> Result<MadeKey, KeyChangeError> {
        self.change(|keys| {
            let previous = std::mem::replace(&mut keys.signing, LinkSecret::generate()?);
            match old {
                OldLinks::GoodUntil(until) => {
                    keys.previous.retain(|previous| now < previous.until);
                    keys.previous.push(PreviousSecret { secret: previous.secret, until });
                }
                OldLinks::Revoked => keys.previous.clear(),
            }
            Ok(MadeKey { key: keys.signing.info(), value: None })
        })
    }

    /// Deletes a key: it opens nothing from then on.
    pub(crate) fn delete(&self, name: &str) -> Result<(), KeyChangeError> {
        if [MASTER, LINKS].iter().any(|own| own.eq_ignore_ascii_case(name)) {
            return Err(KeyChangeError::Reserved(name.to_owned()));
        }
        self.change(|keys| {
            keys.find(name)?;
            keys.keys.retain(|key| !key.name.eq_ignore_ascii_case(name));
            Ok(())
        })
    }

    /// Whether this is the name of the secret that signs links.
    pub(crate) fn is_links(name: &str) -> bool {
        name.eq_ignore_ascii_case(LINKS)
    }

    /// Changes a copy, makes it durable, and puts it in the place of the keys; if it fails nothing has changed.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Keys) -> Result<T, KeyChangeError>,
    ) -> Result<T, KeyChangeError> {
        let _one_at_a_time = self.shared.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys = self.keys().clone();
        let changed = change(&mut keys)?;
        self.write(&keys)?;
        *self.shared.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(changed)
    }
}

impl Keys {
    fn find(&mut self, name: &str) -> Result<&mut HashedKey, KeyChangeError> {
        let found = self.keys.iter_mut().find(|key| key.name.eq_ignore_ascii_case(name));
        found.ok_or_else(|| KeyChangeError::NotFound(name.to_owned()))
    }
}

impl HashedKey {
    fn info(&self) -> KeyInfo {
        KeyInfo { name: self.name.clone(), level: self.level.as_str(), created_time: self.created }
    }
}

impl LinkSecret {
    fn info(&self) -> KeyInfo {
        KeyInfo { name: LINKS.to_owned(), level: "links", created_time: self.created }
    }
}

/// Shows no secret.
impl std::fmt::Debug for MadeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadeKey").field("key", &self.key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_kept_and_old_values_open_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let (ring, new) = KeyRing::open(&path).unwrap();
        let new = new.unwrap();
        let made = ring.create("ci", AccessLevel::Function).unwrap().value.unwrap();
        let rotated = ring.rotate("CI").unwrap().value.unwrap();
        let admin = ring.rotate("_master").unwrap().value.unwrap();
        ring.delete("default").unwrap();
        let (read, _) = KeyRing::open(&path).unwrap();
        for ring in [ring, read] {
            assert_eq!(ring.level_of(&made), AccessLevel::Anonymous);
            assert_eq!(ring.level_of(&rotated), AccessLevel::Function);
            assert_eq!(ring.level_of(&new.function), AccessLevel::Anonymous);
            assert_eq!(ring.level_of(&new.admin), AccessLevel::Anonymous);
            assert_eq!(ring.level_of(&admin), AccessLevel::Admin);
            let names: Vec<_> = ring.list().into_iter().map(|key| (key.name, key.level)).collect();
            let expected = [("_master", "admin"), ("ci", "function"), ("_links", "links")];
            assert_eq!(names, expected.map(|(name, level)| (name.to_owned(), level)));
        }
    }

    #[test]
    fn what_cannot_be_changed_is_told_apart() {
        let (ring, _) = KeyRing::generate().unwrap();
        let create = |name: &str| ring.create(name, AccessLevel::Function);
        assert!(matches!(create("default"), Err(KeyChangeError::Exists(_))));
        for name in ["", "_own", "a b", "ä", &"x".repeat(65)] {
            assert!(matches!(create(name), Err(KeyChangeError::Name(_))), "{name}");
        }
        assert!(matches!(ring.rotate("nobody"), Err(KeyChangeError::NotFound(_))));
        assert!(matches!(ring.delete("nobody"), Err(KeyChangeError::NotFound(_))));
        for name in ["_master", "_links"] {
            assert!(matches!(ring.delete(name), Err(KeyChangeError::Reserved(_))), "{name}");
        }
    }

    #[test]
    fn old_link_secrets_are_good_until_their_links_expire() {
        let (ring, _) = KeyRing::generate().unwrap();
        let first = ring.signing_secret();
        ring.rotate_links(100, OldLinks::GoodUntil(160)).unwrap();
        let second = ring.signing_secret();
        assert_ne!(first, second);
        assert_eq!(ring.link_secrets(159), [second, first]);
        assert_eq!(ring.link_secrets(160), [second]);
        ring.rotate_links(170, OldLinks::GoodUntil(230)).unwrap();
        assert_eq!(ring.link_secrets(170), [ring.signing_secret(), second]);
        ring.rotate_links(180, OldLinks::Revoked).unwrap();
        assert_eq!(ring.link_secrets(180), [ring.signing_secret()]);
    }
}
