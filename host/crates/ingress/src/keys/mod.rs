//! The keys that open functions and the management API, and the secrets that sign links.

mod change;
mod file;

pub(crate) use change::{KeyChangeError, KeyInfo, MadeKey, OldLinks};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use file::KeyFile;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

/// What a caller may do, and what an endpoint asks for; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AccessLevel {
    /// Anybody.
    Anonymous,
    /// Call functions: a function key.
    Function,
    /// Everything: the admin key.
    Admin,
}

impl AccessLevel {
    fn as_str(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Function => "function",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for AccessLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The keys of one host, as SHA-256 hashes, and the secrets that sign its links. Clones share them.
#[derive(Clone)]
pub struct KeyRing {
    shared: Arc<Shared>,
}

struct Shared {
    keys: RwLock<Keys>,
    /// Where they are kept; none: nowhere.
    file: Option<PathBuf>,
    /// One change at a time.
    changing: Mutex<()>,
}

#[derive(Clone)]
struct Keys {
    keys: Vec<HashedKey>,
    /// The one that signs, and those that did.
    signing: LinkSecret,
    previous: Vec<PreviousSecret>,
}

#[derive(Clone)]
struct HashedKey {
    name: String,
    level: AccessLevel,
    hash: [u8; SECRET_BYTES],
    created: Timestamp,
}

#[derive(Clone)]
struct LinkSecret {
    secret: [u8; SECRET_BYTES],
    created: Timestamp,
}

#[derive(Clone)]
struct PreviousSecret {
    secret: [u8; SECRET_BYTES],
    /// When the last link that it signed expires. Unit: seconds since the Unix epoch.
    until: u64,
}

/// Keys in the clear: shown once, when they are made, and never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct NewKeys {
    /// Opens functions of level `function`.
    pub function: String,
    /// Opens everything.
    pub admin: String,
}

/// Why the keys cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Reading or writing the file failed.
    #[error("cannot {action} the key file {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not a key file, or another version's.
    #[error("the key file {path} cannot be read: {why}; restore it, or delete it to get new keys")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The system has no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
}

/// 256 bits: nobody guesses a key, so that a fast hash is good enough.
const SECRET_BYTES: usize = 32;

/// The admin key that there always is; the model's name for it.
const MASTER: &str = "_master";

/// The function key of a new host; the model's name for it.
const DEFAULT: &str = "default";

/// What signs links, among the names of keys.
const LINKS: &str = "_links";

impl KeyRing {
    /// Reads the key file, or makes keys if there is none: they are to be saved when they are shown.
    ///
    /// # Errors
    /// The file cannot be read, or is malformed.
    pub fn open(path: &Path) -> Result<(Self, Option<NewKeys>), KeyError> {
        let file = Some(path.to_owned());
        match KeyFile::read(path)? {
            Some(keys) => Ok((Self::new(keys, file), None)),
            None => {
                let (keys, new) = Keys::generate()?;
                Ok((Self::new(keys, file), Some(new)))
            }
        }
    }

    /// New keys that are stored nowhere.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn generate() -> Result<(Self, NewKeys), KeyError> {
        let (keys, new) = Keys::generate()?;
        Ok((Self::new(keys, None), new))
    }

    fn new(keys: Keys, file: Option<PathBuf>) -> Self {
        Self { shared: Arc::new(Shared { keys: RwLock::new(keys), file, changing: Mutex::default() }) }
    }

    /// Writes the key file.
    ///
    /// Guarantee: when this returns the keys are durable, in a file that only its owner can read.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self) -> Result<(), KeyError> {
        let _one_at_a_time = self.shared.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(&self.keys())
    }

    fn write(&self, keys: &Keys) -> Result<(), KeyError> {
        self.shared.file.as_ref().map_or(Ok(()), |path| KeyFile::write(keys, path))
    }

    /// What the holder of this key may do: anonymous for an unknown one.
    ///
    /// Takes the same time whatever the key is.
    #[must_use]
    pub fn level_of(&self, key: &str) -> AccessLevel {
        let presented = hash(key);
        let mut level = AccessLevel::Anonymous as u8;
        for key in &self.keys().keys {
            level.conditional_assign(&(key.level as u8), presented.ct_eq(&key.hash));
        }
        match level {
            l if l == AccessLevel::Admin as u8 => AccessLevel::Admin,
            l if l == AccessLevel::Function as u8 => AccessLevel::Function,
            _ => AccessLevel::Anonymous,
        }
    }

    /// The secret that signs links now.
    pub(crate) fn signing_secret(&self) -> [u8; SECRET_BYTES] {
        self.keys().signing.secret
    }

    /// The secrets whose links are still good at this time, in seconds since the Unix epoch.
    pub(crate) fn link_secrets(&self, now: u64) -> Vec<[u8; SECRET_BYTES]> {
        let keys = self.keys();
        let previous = keys.previous.iter().filter(|previous| now < previous.until);
        std::iter::once(keys.signing.secret).chain(previous.map(|previous| previous.secret)).collect()
    }

    fn keys(&self) -> impl std::ops::Deref<Target = Keys> + '_ {
        self.shared.keys.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    fn generate() -> Result<(Self, NewKeys), KeyError> {
        let new = NewKeys { function: random_key()?, admin: random_key()? };
        let keys = vec![
            HashedKey::new(MASTER, AccessLevel::Admin, &new.admin),
            HashedKey::new(DEFAULT, AccessLevel::Function, &new.function),
        ];
        Ok((Self { keys, signing: LinkSecret::generate()?, previous: Vec::new() }, new))
    }
}

impl HashedKey {
    fn new(name: &str, level: AccessLevel, key: &str) -> Self {
        Self { name: name.to_owned(), level, hash: hash(key), created: Timestamp::now() }
    }
}

impl LinkSecret {
    fn generate() -> Result<Self, KeyError> {
        Ok(Self { secret: random_bytes()?, created: Timestamp::now() })
    }
}

/// Shows no secrets.
impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("keys", &self.keys().keys.len()).finish_non_exhaustive()
    }
}

/// Shows no secrets.
impl fmt::Debug for NewKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKeys").finish_non_exhaustive()
    }
}

fn hash(key: &str) -> [u8; SECRET_BYTES] {
    Sha256::digest(key.as_bytes()).into()
}

fn random_bytes() -> Result<[u8; SECRET_BYTES], getrandom::Error> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

fn random_key() -> Result<String, getrandom::Error> {
    Ok(BASE64_URL_SAFE_NO_PAD.encode(random_bytes()?))
}
