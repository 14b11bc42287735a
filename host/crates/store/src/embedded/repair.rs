//! Settling what a crash left at the end of the journal.

use super::{
    acknowledged::Acknowledged,
    folder::{Folder, io_error, sync_folder, write_durably},
    scan::{Scan, Tail, scan},
};
use crate::StoreError;
use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    ops::Range,
    path::{Path, PathBuf},
};

/// What [`repair`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepairReport {
    /// No batch is torn.
    NothingToDo,
    /// The torn batch was cut off.
    Removed {
        /// How long it was.
        bytes: usize,
        /// Where its bytes are kept.
        copy: PathBuf,
    },
}

/// Removes a last batch that was torn by a crash before it was acknowledged, and keeps a copy of its bytes beside the
/// store.
///
/// # Errors
/// [`StoreError::Locked`]: a process has the folder open.
/// [`StoreError::Damaged`]: something that was acknowledged is damaged; nothing was changed.
/// [`StoreError::UnsupportedFormat`]: another version wrote it.
/// [`StoreError::Io`]: the system says no.
pub fn repair(path: &Path) -> Result<RepairReport, StoreError> {
    let folder = Folder::lock_existing(path)?;
    let acknowledged = folder.prepared()?;
    let scan = checked_scan(&folder, &acknowledged)?;
    let (Some(journal), Tail::Torn { at, end, .. }) = (&scan.active, &scan.tail) else {
        return Ok(RepairReport::NothingToDo);
    };
    let content = fs::read(journal).map_err(|error| io_error("read", journal, error))?;
    let removed = content.get(*at..*end).unwrap_or_default();
    let next_commit = scan.last.as_ref().map_or(1, |last| last.commit + 1);
    let copy = folder.store().join(format!("removed-commit-{next_commit}"));
    write_durably(&copy, removed)?;
    sync_folder(&folder.store())?;
    cut(journal, *at)?;
    Ok(RepairReport::Removed { bytes: removed.len(), copy })
}

/// Makes the journals such that fjall reads all of them. Returns the number of the last commit in them.
///
/// # Errors
/// [`StoreError::TornBatch`] or [`StoreError::Damaged`].
pub(super) fn settle(folder: &Folder, acknowledged: &Acknowledged) -> Result<Option<u64>, StoreError> {
    let t0 = std::time::Instant::now();
    let scan = checked_scan(folder, acknowledged)?;
    if let Some(journal) = &scan.active {
        match scan.tail {
            Tail::Clean => {}
            Tail::Unfinished { at } => cut(journal, at)?,
            Tail::Torn { why, .. } => {
                return Err(StoreError::TornBatch { path: folder.path().to_owned(), why: why.to_owned() });
            }
        }
        if let Some(last) = scan.last.as_ref().filter(|_| scan.last_is_in_active) {
            write_again(journal, &last.place)?;
        }
    }
    eprintln!("settle {:?}", t0.elapsed());
    Ok(scan.last.map(|last| last.commit))
}

/// What the journals hold, if it is all that was acknowledged.
fn checked_scan(folder: &Folder, acknowledged: &Acknowledged) -> Result<Scan, StoreError> {
    let scan = scan(folder)?;
    let acknowledged = acknowledged.commit();
    match &scan.last {
        Some(last) if last.commit < acknowledged => Err(folder.damaged(format!(
            "its journals hold commits up to {}, but commit {acknowledged} was acknowledged",
            last.commit
        ))),
        _ => Ok(scan),
    }
}

fn cut(journal: &Path, length: usize) -> Result<(), StoreError> {
    let cut = || {
        let file = File::options().write(true).open(journal)?;
        file.set_len(length as u64)?;
        file.sync_all()
    };
    cut().map_err(|error| io_error("cut", journal, error))
}

/// Writes the last batch over itself and syncs it.
///
/// A batch whose sync failed is still in the system's cache, where it was read from just now; but the system takes it
/// for written, and no later sync would write it. What is shown as durable from here on must be.
fn write_again(journal: &Path, place: &Range<usize>) -> Result<(), StoreError> {
    let write = || {
        let mut file = File::options().read(true).write(true).open(journal)?;
        let mut batch = vec![0; place.len()];
        file.seek(SeekFrom::Start(place.start as u64))?;
        file.read_exact(&mut batch)?;
        file.seek(SeekFrom::Start(place.start as u64))?;
        file.write_all(&batch)?;
        file.sync_data()
    };
    write().map_err(|error| io_error("sync", journal, error))
}
