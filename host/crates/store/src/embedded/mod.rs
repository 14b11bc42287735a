//! The store for real: one folder, one process, every commit synced.
//!
//! [`folder`] says what lies where. Before fjall opens its journals, [`scan`] reads them: fjall itself would silently
//! cut off whatever follows damage. The decision page `0001-store-recovery` says why this is sound.

mod acknowledged;
mod database;
mod folder;
mod journal;
mod repair;
mod scan;
mod table_key;
mod trim;

pub use repair::{RepairReport, repair};

use crate::{
    StoreError,
    hub::{Hub, HubStore},
};
use database::EmbeddedRows;
use folder::Folder;
use std::path::Path;

/// How an [`EmbeddedStore`] is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreOptions {
    /// How many partitions a hub gets when it is created, at least 1; later that is fixed. Default 16.
    pub partition_count: u16,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { partition_count: 16 }
    }
}

/// A task hub in a folder of the local disk.
///
/// Guarantee: what a commit's outcomes say is synced to the disk when they are returned. The folder's lock is the lease
/// of all partitions: opening takes them with a new epoch, and renewing writes nothing.
#[derive(Debug)]
pub struct EmbeddedStore {
    hub: Hub<EmbeddedRows>,
}

impl EmbeddedStore {
    /// Opens the hub in the data folder `path`; makes both if they are not there.
    ///
    /// Guarantee: the store has everything that was ever acknowledged. What was not acknowledged before a crash is
    /// there or not.
    ///
    /// # Errors
    /// [`StoreError::Locked`]: another process has the folder.
    /// [`StoreError::UnsupportedFormat`]: another version wrote it.
    /// [`StoreError::TornBatch`]: [`repair`] it first.
    /// [`StoreError::Damaged`]: something that was acknowledged is missing.
    /// [`StoreError::Io`]: the system says no.
    ///
    /// # Panics
    /// `partition_count` is 0.
    pub fn open(path: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        assert!(options.partition_count > 0, "a hub has at least one partition");
        let folder = Folder::lock(path)?;
        let acknowledged = folder.prepare()?;
        let progress = acknowledged.progress();
        let last_commit = repair::settle(&folder, progress)?;
        let rows = EmbeddedRows::open(folder, acknowledged)?;
        let expected = last_commit.unwrap_or_default().max(progress.commit);
        let recovered = rows.last_commit()?;
        if recovered < expected {
            return Err(rows.folder().damaged(format!(
                "it holds commits up to {recovered}, but commit {expected} was acknowledged"
            )));
        }
        trim::forget_whole_journals(rows.folder())?;
        Ok(Self { hub: Hub::open(rows, options.partition_count)? })
    }

    /// Closes the store, and says whether that went well. Dropping it does the same silently. Nothing is lost if it is
    /// never closed.
    ///
    /// # Errors
    /// [`StoreError::Io`]: the system says no.
    pub fn close(self) -> Result<(), StoreError> {
        self.hub.backend().acknowledged().sync()
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        if let Err(error) = self.hub.backend().acknowledged().sync() {
            tracing::warn!(%error, "the store could not be closed cleanly");
        }
    }
}

impl HubStore for EmbeddedStore {
    type Rows = EmbeddedRows;

    fn hub(&self) -> &Hub<EmbeddedRows> {
        &self.hub
    }
}
