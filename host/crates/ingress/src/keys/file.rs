//! The file that keys are kept in.

use super::{AccessLevel, HashedKey, KeyError, Keys, LinkSecret, PreviousSecret, SECRET_BYTES};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

const FORMAT_VERSION: u32 = 2;

/// What is in the file. Secrets are base64 for URLs.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct KeyFile {
    keys: Vec<StoredKey>,
    link_secret: String,
    link_secret_created: Timestamp,
    previous_link_secrets: Vec<StoredSecret>,
    version: u32,
}

/// Read first: a file of another version has other fields.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StoredKey {
    name: String,
    level: AccessLevel,
    /// Hexadecimal.
    sha256: String,
    created: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredSecret {
    secret: String,
    /// Unit: seconds since the Unix epoch.
    until: u64,
}

impl KeyFile {
    /// The keys in the file; none if there is no file.
    pub(super) fn read(path: &Path) -> Result<Option<Keys>, KeyError> {
        match fs::read(path) {
            Ok(bytes) => {
                warn_if_open_to_others(path);
                let malformed = |why| KeyError::Malformed { path: path.to_owned(), why };
                decode(&bytes).map(Some).map_err(malformed)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(KeyError::Io { action: "read", path: path.to_owned(), source }),
        }
    }

    /// Writes them durably.
    pub(super) fn write(keys: &Keys, path: &Path) -> Result<(), KeyError> {
        let written = serde_json::to_vec_pretty(&encode(keys)).map_err(io::Error::from);
        let written = written.and_then(|text| replace(path, &text));
        written.map_err(|source| KeyError::Io { action: "write", path: path.to_owned(), source })
    }
}

fn encode(keys: &Keys) -> KeyFile {
    let stored = keys.keys.iter().map(|key| StoredKey {
        name: key.name.clone(),
        level: key.level,
        sha256: hex::encode(key.hash),
        created: key.created,
    });
    let secret = |secret: &[u8; SECRET_BYTES]| BASE64_URL_SAFE_NO_PAD.encode(secret);
    let previous = keys.previous.iter();
    KeyFile {
        keys: stored.collect(),
        link_secret: secret(&keys.signing.secret),
        link_secret_created: keys.signing.created,
        previous_link_secrets: previous
            .map(|previous| StoredSecret { secret: secret(&previous.secret), until: previous.until })
            .collect(),
        version: FORMAT_VERSION,
    }
}

fn decode(bytes: &[u8]) -> Result<Keys, String> {
    let Version { version } = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if version != FORMAT_VERSION {
        return Err(format!("it has version {version}, this program reads {FORMAT_VERSION}"));
    }
    let file: KeyFile = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let decode_key = |key: StoredKey| {
        let mut hash = [0; SECRET_BYTES];
        hex::decode_to_slice(&key.sha256, &mut hash).map_err(|error| format!("sha256: {error}"))?;
        Ok(HashedKey { name: key.name, level: key.level, hash, created: key.created })
    };
    let previous = file.previous_link_secrets.into_iter().map(|previous| {
        Ok(PreviousSecret { secret: decode_secret(&previous.secret)?, until: previous.until })
    });
    Ok(Keys {
        keys: file.keys.into_iter().map(decode_key).collect::<Result<_, String>>()?,
        signing: LinkSecret { secret: decode_secret(&file.link_secret)?, created: file.link_secret_created },
        previous: previous.collect::<Result<_, String>>()?,
    })
}

fn decode_secret(text: &str) -> Result<[u8; SECRET_BYTES], String> {
    let secret = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|error| error.to_string())?;
    secret.try_into().map_err(|_| format!("a link secret must have {SECRET_BYTES} bytes"))
}

/// Writes beside the file and renames, so that a crash leaves a whole file or none.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    // The mode above is only for a new file.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()
}

fn warn_if_open_to_others(path: &Path) {
    let mode = fs::metadata(path).map(|metadata| metadata.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o077 != 0) {
        tracing::warn!(path = %path.display(), "others can read the key file; run `chmod 600` on it");
    }
}

#[cfg(test)]
mod tests {
    use super::super::KeyRing;
    use super::*;

    #[test]
    fn keys_are_made_once_and_kept_hashed_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let (made, new) = KeyRing::open(&path).unwrap();
        let new = new.unwrap();
        assert!(!path.exists(), "nobody has seen the keys yet");
        made.save().unwrap();
        let (read, none) = KeyRing::open(&path).unwrap();
        assert_eq!(none, None);
        assert_eq!(made.signing_secret(), read.signing_secret());
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
        let file = |keys: &str, secret: &str, more: &str| {
            format!(
                r#"{{"version":2,"keys":[{keys}],"linkSecret":"{secret}",
                "linkSecretCreated":"2026-01-02T03:04:05Z","previousLinkSecrets":[]{more}}}"#
            )
        };
        let key = r#"{"name":"a","level":"admin","sha256":"00","created":"2026-01-02T03:04:05Z"}"#;
        let table = [
            (String::new(), "EOF"),
            (format!(r#"{{"version":1,"keys":[],"linkSecret":"{secret}"}}"#), "version 1"),
            (file("", "AAAA", ""), "32 bytes"),
            (file(key, &secret, ""), "sha256"),
            (file("", &secret, r#","more":1"#), "unknown field `more`"),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        for (text, why) in table {
            fs::write(&path, &text).unwrap();
            let error = KeyRing::open(&path).expect_err(&text).to_string();
            assert!(error.contains(why), "{error}");
        }
        fs::write(&path, file("", &secret, "")).unwrap();
        KeyRing::open(&path).unwrap();
    }
}
