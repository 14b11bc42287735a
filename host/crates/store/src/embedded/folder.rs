//! The folder of an embedded store: who has it, and what it holds.
//!
//! `lock` is locked by the process that has the folder open. In `store` are `format`, the version of everything else;
//! `acknowledged`, see [`Acknowledged`](super::acknowledged::Acknowledged); and `fjall`, the database.

use super::acknowledged::Acknowledged;
use crate::StoreError;
use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The version of the format that this program reads and writes.
const FORMAT: u32 = 3;

/// What stands before the version in the format file.
const FORMAT_NAME: &str = "durance-store ";

/// A folder that this process has locked.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Unlocks when it is dropped.
    _lock: File,
}

impl Folder {
    /// Makes the folder if need be, and locks it.
    ///
    /// # Errors
    /// [`StoreError::Locked`]: another process has it.
    pub(super) fn lock(path: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(path).map_err(|error| io_error("create", path, error))?;
        Self::lock_existing(path)
    }

    /// Locks a folder that is there.
    ///
    /// # Errors
    /// [`StoreError::Locked`]: another process has it.
    pub(super) fn lock_existing(path: &Path) -> Result<Self, StoreError> {
        let lock_path = path.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(|error| io_error("open", &lock_path, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(io_error("lock", &lock_path, error)),
        }
    }

    /// Checks the format, and lays out an empty store if there is none.
    ///
    /// # Errors
    /// [`StoreError::UnsupportedFormat`] or [`StoreError::Damaged`]: what is there is no store of this version.
    pub(super) fn prepare(&self) -> Result<Acknowledged, StoreError> {
        if self.read_format()?.is_none() {
            self.create()?;
        }
        let acknowledged = Acknowledged::open(self)?;
        if acknowledged.progress().commit == 0 && !self.database().join("version").exists() {
            // What a crash left of a database that was not all made.
            remove_if_there(&self.database())?;
        }
        Ok(acknowledged)
    }

    /// The same for a folder that must hold a store already.
    pub(super) fn prepared(&self) -> Result<Acknowledged, StoreError> {
        match self.read_format()? {
            Some(()) => Acknowledged::open(self),
            None => Err(self.damaged("it holds no store".to_owned())),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn store(&self) -> PathBuf {
        self.path.join("store")
    }

    pub(super) fn database(&self) -> PathBuf {
        self.store().join("fjall")
    }

    pub(super) fn damaged(&self, why: String) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), why }
    }

    fn format(&self) -> PathBuf {
        self.store().join("format")
    }

    /// None: there is no store.
    fn read_format(&self) -> Result<Option<()>, StoreError> {
        let path = self.format();
        let found = match fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).trim_end().to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return if self.database().exists() {
                    Err(self.damaged(format!("{} is missing", path.display())))
                } else {
                    Ok(None)
                };
            }
            Err(error) => return Err(io_error("read", &path, error)),
        };
        let version = found.strip_prefix(FORMAT_NAME).and_then(|version| version.parse().ok());
        if version == Some(FORMAT) {
            return Ok(Some(()));
        }
        let found = found.strip_prefix(FORMAT_NAME).unwrap_or(&found).to_owned();
        Err(StoreError::UnsupportedFormat { path: self.path.clone(), found, supported: FORMAT })
    }

    /// Writes the format last: a crash before that leaves no store.
    fn create(&self) -> Result<(), StoreError> {
        let store = self.store();
        fs::create_dir_all(&store).map_err(|error| io_error("create", &store, error))?;
        Acknowledged::create(self)?;
        let (path, draft) = (self.format(), store.join("format.new"));
        write_durably(&draft, format!("{FORMAT_NAME}{FORMAT}\n").as_bytes())?;
        fs::rename(&draft, &path).map_err(|error| io_error("create", &path, error))?;
        sync_folder(&store)?;
        sync_folder(&self.path)
    }
}

/// Writes a whole file, and returns when its content is durable. Its name is when its folder is synced.
pub(super) fn write_durably(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().map_err(|error| io_error("write", path, error))
}

pub(super) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let sync = || File::open(path)?.sync_all();
    sync().map_err(|error| io_error("sync", path, error))
}

pub(super) fn io_error(verb: &str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { action: format!("{verb} {}", path.display()), source }
}

fn remove_if_there(folder: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", folder, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_that_was_not_all_made_is_made_again() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::lock(data.path()).unwrap();
        folder.prepare().unwrap();
        fs::create_dir_all(folder.database().join("keyspaces")).unwrap();
        fs::write(folder.database().join("0.jnl"), [0; 100]).unwrap();
        folder.prepare().unwrap();
        assert!(!folder.database().exists());
    }
}
