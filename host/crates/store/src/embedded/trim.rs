//! Shortening journals before fjall replays them.
//!
//! fjall replays every batch of its journals, also those that are in tables already; of a full journal that is most of
//! them, and most of the time that a start takes.

use super::{
    folder::{Folder, io_error, sync_folder, write_durably},
    repair::read_range,
    scan::Journal,
};
use crate::StoreError;
use std::{fs, io, path::Path};

/// Not worth the trouble below this.
const TRIMMED_BYTES_MIN: usize = 4 * 1024 * 1024;

/// The whole journal is kept under this extension until fjall has recovered everything.
const WHOLE: &str = "whole";

/// Drops the batches from the front of a journal that are in tables.
pub(super) fn trim(folder: &Folder, journal: &Journal) -> Result<(), StoreError> {
    if journal.needed_from < TRIMMED_BYTES_MIN {
        return Ok(());
    }
    let path = &journal.path;
    let trimmed = path.with_extension("trimmed");
    let whole = path.with_extension(WHOLE);
    write_durably(&trimmed, &read_range(path, journal.needed_from..journal.end)?)?;
    remove(&whole)?;
    fs::hard_link(path, &whole).map_err(|error| io_error("keep", path, error))?;
    fs::rename(&trimmed, path).map_err(|error| io_error("trim", path, error))?;
    sync_folder(&folder.database())
}

/// Deletes what was kept in case that fjall had not recovered everything.
pub(super) fn forget_whole_journals(folder: &Folder) -> Result<(), StoreError> {
    let database = folder.database();
    let entries = fs::read_dir(&database).map_err(|error| io_error("read", &database, error))?;
    for entry in entries {
        let path = entry.map_err(|error| io_error("read", &database, error))?.path();
        if path.extension().is_some_and(|extension| extension == WHOLE) {
            remove(&path)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path, error)),
        _ => Ok(()),
    }
}
