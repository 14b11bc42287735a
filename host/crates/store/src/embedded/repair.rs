//! Settling what a crash left at the end of the journal.

use super::{
    acknowledged::Progress,
    folder::{Folder, io_error, sync_folder, write_durably},
    scan::{Journal, Scan, Tail, scan},
    trim::trim,
};
use crate::StoreError;
use std::{
    fs::File,
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
/// [`StoreError::NoStore`]: the folder has none.
/// [`StoreError::Locked`]: a process has the folder open.
/// [`StoreError::Damaged`]: something that was acknowledged is damaged; nothing was changed.
/// [`StoreError::UnsupportedFormat`]: another version wrote it.
/// [`StoreError::Io`]: the system says no.
pub fn repair(path: &Path) -> Result<RepairReport, StoreError> {
    if !path.join("lock").exists() {
        return Err(StoreError::NoStore { path: path.to_owned() });
    }
    let folder = Folder::lock_existing(path)?;
    let acknowledged = folder.prepared()?;
    let scan = checked_scan(&folder, acknowledged.progress())?;
    let (Some(journal), Tail::Torn { end, .. }) = (scan.journals.last(), &scan.tail) else {
        return Ok(RepairReport::NothingToDo);
    };
    let removed = read_range(&journal.path, journal.end..*end)?;
    let next_commit = scan.last.as_ref().map_or(1, |last| last.commit + 1);
    let copy = folder.store().join(format!("removed-commit-{next_commit}"));
    write_durably(&copy, &removed)?;
    sync_folder(&folder.store())?;
    cut(journal)?;
    Ok(RepairReport::Removed { bytes: removed.len(), copy })
}

/// Makes the journals such that fjall reads all of them. Returns the number of the last commit in them.
///
/// # Errors
/// [`StoreError::TornBatch`] or [`StoreError::Damaged`].
pub(super) fn settle(folder: &Folder, progress: Progress) -> Result<Option<u64>, StoreError> {
    let scan = checked_scan(folder, progress)?;
    if let Some(active) = scan.journals.last() {
        match scan.tail {
            Tail::Clean => {}
            Tail::Unfinished => cut(active)?,
            Tail::Torn { why, .. } => {
                return Err(StoreError::TornBatch { path: folder.path().to_owned(), why: why.to_owned() });
            }
        }
        write_again(active)?;
    }
    scan.journals.iter().try_for_each(|journal| trim(folder, journal))?;
    Ok(scan.last.map(|last| last.commit))
}

/// What the journals hold, if it is all that was acknowledged.
fn checked_scan(folder: &Folder, progress: Progress) -> Result<Scan, StoreError> {
    let scan = scan(folder, progress.in_tables_below)?;
    match &scan.last {
        Some(last) if last.commit < progress.commit => Err(folder.damaged(format!(
            "its journals hold commits up to {}, but commit {} was acknowledged",
            last.commit, progress.commit
        ))),
        _ => Ok(scan),
    }
}

/// Cuts off what follows the whole batches of a journal.
fn cut(journal: &Journal) -> Result<(), StoreError> {
    let cut = || {
        let file = File::options().write(true).open(&journal.path)?;
        file.set_len(journal.end as u64)?;
        file.sync_all()
    };
    cut().map_err(|error| io_error("cut", &journal.path, error))
}

/// Writes the last batch over itself and syncs it.
///
/// A batch whose sync failed is still in the system's cache, where it was read from just now; but the system takes it
/// for written, and no later sync would write it. What is shown as durable from here on must be.
fn write_again(journal: &Journal) -> Result<(), StoreError> {
    let batch = read_range(&journal.path, journal.last_from..journal.end)?;
    let write = || {
        let mut file = File::options().write(true).open(&journal.path)?;
        file.seek(SeekFrom::Start(journal.last_from as u64))?;
        file.write_all(&batch)?;
        file.sync_data()
    };
    write().map_err(|error| io_error("sync", &journal.path, error))
}

pub(super) fn read_range(path: &Path, range: Range<usize>) -> Result<Vec<u8>, StoreError> {
    let read = || {
        let mut file = File::open(path)?;
        let mut bytes = vec![0; range.len()];
        file.seek(SeekFrom::Start(range.start as u64))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error| io_error("read", path, error))
}
