//! The keys that open functions and the management API, and the file they are in.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    fmt,
    fs::{self, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
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

impl fmt::Display for AccessLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "anonymous",
            Self::Function => "function",
            Self::Admin => "admin",
        })
    }
}

/// The keys of one host, as SHA-256 hashes, and the secret that signs its links.
#[derive(Clone)]
pub struct KeyRing {
    keys: Vec<HashedKey>,
    link_secret: [u8; SECRET_BYTES],
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

const FORMAT_VERSION: u32 = 1;

#[derive(Clone, Copy)]
struct HashedKey {
    level: AccessLevel,
    hash: [u8; 32],
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeyFile {
    version: u32,
    keys: Vec<StoredKey>,
    /// Base64 for URLs.
    link_secret: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StoredKey {
    level: AccessLevel,
    /// Hexadecimal.
    sha256: String,
}

impl KeyRing {
    /// Reads the key file, or makes keys if there is none: they are to be saved when they are shown.
    ///
    /// # Errors
    /// The file cannot be read, or is malformed.
    pub fn open(path: &Path) -> Result<(Self, Option<NewKeys>), KeyError> {
        match fs::read(path) {
            Ok(bytes) => {
                warn_if_open_to_others(path);
                let malformed = |why| KeyError::Malformed { path: path.to_owned(), why };
                Ok((Self::decode(&bytes).map_err(malformed)?, None))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let (ring, keys) = Self::generate()?;
                Ok((ring, Some(keys)))
            }
            Err(source) => Err(KeyError::Io { action: "read", path: path.to_owned(), source }),
        }
    }

    /// Writes the key file.
    ///
    /// Guarantee: when this returns the keys are durable, in a file that only its owner can read.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), KeyError> {
        self.write(path).map_err(|source| KeyError::Io { action: "write", path: path.to_owned(), source })
    }

    /// New keys that are stored nowhere.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn generate() -> Result<(Self, NewKeys), KeyError> {
        let keys = NewKeys { function: random_key()?, admin: random_key()? };
        let hashed = [(AccessLevel::Function, &keys.function), (AccessLevel::Admin, &keys.admin)];
        let hashed = hashed.map(|(level, key)| HashedKey { level, hash: hash(key) });
        Ok((Self { keys: hashed.to_vec(), link_secret: random_bytes()? }, keys))
    }

    /// What the holder of this key may do: anonymous for an unknown one.
    ///
    /// Takes the same time whatever the key is.
    #[must_use]
    pub fn level_of(&self, key: &str) -> AccessLevel {
        let presented = hash(key);
        let mut level = AccessLevel::Anonymous as u8;
        for key in &self.keys {
            level.conditional_assign(&(key.level as u8), presented.ct_eq(&key.hash));
        }
        match level {
            l if l == AccessLevel::Admin as u8 => AccessLevel::Admin,
            l if l == AccessLevel::Function as u8 => AccessLevel::Function,
            _ => AccessLevel::Anonymous,
        }
    }

    pub(crate) fn link_secret(&self) -> &[u8] {
        &self.link_secret
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let file: KeyFile = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if file.version != FORMAT_VERSION {
            return Err(format!("it has version {}, this program reads {FORMAT_VERSION}", file.version));
        }
        let decode_key = |key: StoredKey| {
            let mut hash = [0; 32];
            hex::decode_to_slice(&key.sha256, &mut hash).map_err(|error| format!("sha256: {error}"))?;
            Ok(HashedKey { level: key.level, hash })
        };
        let keys = file.keys.into_iter().map(decode_key).collect::<Result<_, String>>()?;
        let secret = BASE64_URL_SAFE_NO_PAD.decode(file.link_secret).map_err(|error| error.to_string())?;
        let link_secret =
            secret.try_into().map_err(|_| format!("linkSecret must have {SECRET_BYTES} bytes"))?;
        Ok(Self { keys, link_secret })
    }

    /// Writes beside the file and renames, so that a crash leaves a whole file or none.
    fn write(&self, path: &Path) -> io::Result<()> {
        let keys = self.keys.iter().map(|key| StoredKey { level: key.level, sha256: hex::encode(key.hash) });
        let link_secret = BASE64_URL_SAFE_NO_PAD.encode(self.link_secret);
        let file = KeyFile { version: FORMAT_VERSION, keys: keys.collect(), link_secret };
        let text = serde_json::to_vec_pretty(&file)?;

        let temporary = path.with_extension("new");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        // The mode above is only for a new file.
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::File::open(folder)?.sync_all()
    }
}

/// Shows no secrets.
impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

/// Shows no secrets.
impl fmt::Debug for NewKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKeys").finish_non_exhaustive()
    }
}

fn warn_if_open_to_others(path: &Path) {
    let mode = fs::metadata(path).map(|metadata| metadata.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o077 != 0) {
        tracing::warn!(path = %path.display(), "others can read the key file; run `chmod 600` on it");
    }
}

fn hash(key: &str) -> [u8; 32] {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_kept_hashed_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let (made, new) = KeyRing::open(&path).unwrap();
        let new = new.unwrap();
        assert!(!path.exists(), "nobody has seen the keys yet");
        made.save(&path).unwrap();
        let (read, none) = KeyRing::open(&path).unwrap();
        assert_eq!(none, None);
        assert_eq!(made.link_secret, read.link_secret);
        for ring in [made, read] {
            assert_eq!(ring.level_of(&new.function), AccessLevel::Function);
            assert_eq!(ring.level_of(&new.admin), AccessLevel::Admin);
            assert_eq!(ring.level_of(""), AccessLevel::Anonymous);
            assert_eq!(ring.level_of(&new.admin[1..]), AccessLevel::Anonymous);
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&new.function) && !text.contains(&new.admin));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn malformed_key_files_are_refused() {
        let secret = BASE64_URL_SAFE_NO_PAD.encode([7; SECRET_BYTES]);
        let table = [
            (String::new(), "EOF"),
            (format!(r#"{{"version":2,"keys":[],"linkSecret":"{secret}"}}"#), "version 2"),
            (r#"{"version":1,"keys":[],"linkSecret":"AAAA"}"#.to_owned(), "32 bytes"),
            (
                format!(
                    r#"{{"version":1,"keys":[{{"level":"admin","sha256":"00"}}],"linkSecret":"{secret}"}}"#
                ),
                "sha256",
            ),
            (
                format!(r#"{{"version":1,"keys":[],"linkSecret":"{secret}","more":1}}"#),
                "unknown field `more`",
            ),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        for (text, why) in table {
            fs::write(&path, &text).unwrap();
            let error = KeyRing::open(&path).expect_err(&text).to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
