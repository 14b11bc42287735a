//! What a crash left of the journals, found out before fjall opens them.

use super::{
    folder::{Folder, io_error},
    journal::{self, Batch, Broken},
};
use crate::StoreError;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// fjall numbers batches, files and flushes in one row, so some numbers are left out between batches; not so many.
const SEQUENCE_NUMBER_STEP_MAX: u64 = u32::MAX as u64;

/// All journals, read to the end of what is whole.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The last whole batch of all. None: there is no batch.
    pub last: Option<Batch>,
    /// The journal that is written to. None: there is no journal.
    pub active: Option<PathBuf>,
    /// Whether `last` is in the active journal.
    pub last_is_in_active: bool,
    /// What is behind `last` in the active journal.
    pub tail: Tail,
}

/// What follows the last whole batch.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) enum Tail {
    /// Nothing.
    #[default]
    Clean,
    /// The beginning of a batch, and nothing behind it: a crash came before it was all written.
    Unfinished {
        /// Where it begins.
        at: usize,
    },
    /// A batch that is not whole otherwise, and nothing behind it: the crash came before it was synced.
    Torn {
        /// Where it begins.
        at: usize,
        /// Where the data of the journal ends.
        end: usize,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Reads the journals of a store.
///
/// # Errors
/// [`StoreError::Damaged`]: acknowledged data is damaged, or batches are missing.
pub(super) fn scan(folder: &Folder) -> Result<Scan, StoreError> {
    let mut journals = journals(folder)?;
    let active = journals.pop();
    let mut scan = Scan { active: active.clone(), ..Scan::default() };
    for path in &journals {
        let tail = scan.read(folder, path)?;
        if tail != Tail::Clean {
            // fjall syncs a journal before it begins the next.
            return Err(damaged_batch(folder, path, scan.last.as_ref()));
        }
    }
    let last_of_sealed = scan.last.clone();
    if let Some(active) = &active {
        scan.tail = scan.read(folder, active)?;
    }
    scan.last_is_in_active = scan.last != last_of_sealed;
    Ok(scan)
}

impl Scan {
    /// Reads one journal to its last whole batch.
    fn read(&mut self, folder: &Folder, path: &Path) -> Result<Tail, StoreError> {
        let file = fs::read(path).map_err(|error| io_error("read", path, error))?;
        let data = file.get(..journal::data_end(&file)).unwrap_or_default();
        let mut at = 0;
        while at < data.len() {
            match journal::read_batch(data, at).and_then(|batch| self.check_sequence_number(batch)) {
                Ok(batch) => {
                    self.check_number(folder, path, &batch)?;
                    at = batch.place.end;
                    self.last = Some(batch);
                }
                Err(_) if journal::is_followed(data, at) => {
                    return Err(damaged_batch(folder, path, self.last.as_ref()));
                }
                Err(Broken::Unfinished) => return Ok(Tail::Unfinished { at }),
                Err(Broken::Garbled(why)) => return Ok(Tail::Torn { at, end: data.len(), why }),
            }
        }
        Ok(Tail::Clean)
    }

    fn check_sequence_number(&self, batch: Batch) -> Result<Batch, Broken> {
        let Some(last) = &self.last else { return Ok(batch) };
        let step = batch.sequence_number.checked_sub(last.sequence_number);
        match step {
            Some(1..=SEQUENCE_NUMBER_STEP_MAX) => Ok(batch),
            _ => Err(Broken::Garbled("its sequence number is wrong")),
        }
    }

    /// Batches are numbered without gaps, from one journal to the next too.
    fn check_number(&self, folder: &Folder, path: &Path, batch: &Batch) -> Result<(), StoreError> {
        match &self.last {
            Some(last) if batch.commit != last.commit + 1 => Err(folder.damaged(format!(
                "commit {} follows commit {} in {}: what was between them is missing",
                batch.commit,
                last.commit,
                path.display()
            ))),
            _ => Ok(()),
        }
    }
}

fn damaged_batch(folder: &Folder, path: &Path, last: Option<&Batch>) -> StoreError {
    let place = match last {
        Some(last) => format!("behind commit {}", last.commit),
        None => "at its beginning".to_owned(),
    };
    folder.damaged(format!("{} is damaged {place}, and acknowledged commits follow the damage", path.display()))
}

/// The journals, the oldest first.
fn journals(folder: &Folder) -> Result<Vec<PathBuf>, StoreError> {
    let database = folder.database();
    let entries = match fs::read_dir(&database) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| io_error("read", &database, error))?,
    };
    let mut journals = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| io_error("read", &database, error))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".jnl"));
        if let Some(number) = name.and_then(|number| number.parse::<u64>().ok()) {
            journals.push((number, path));
        }
    }
    journals.sort();
    Ok(journals.into_iter().map(|(_, path)| path).collect())
}
