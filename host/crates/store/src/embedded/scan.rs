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
    /// The oldest first; the last one is the one that is written to.
    pub journals: Vec<Journal>,
    /// What is behind the last journal's whole batches.
    pub tail: Tail,
}

/// What is whole in a journal.
#[derive(Debug)]
pub(super) struct Journal {
    pub path: PathBuf,
    /// Where the first batch begins that is not in tables.
    pub needed_from: usize,
    /// Where the last whole batch begins.
    pub last_from: usize,
    /// Where it ends.
    pub end: usize,
}

/// What follows the last whole batch.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) enum Tail {
    /// Nothing.
    #[default]
    Clean,
    /// The beginning of a batch, and nothing behind it: a crash came before it was all written.
    Unfinished,
    /// A batch that is not whole otherwise, and nothing behind it: a crash came before it was synced.
    Torn {
        /// Where it ends.
        end: usize,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Tail {
    fn of(broken: Broken, end: usize) -> Self {
        match broken {
            Broken::Unfinished => Self::Unfinished,
            Broken::Garbled(why) => Self::Torn { end, why },
        }
    }
}

/// Reads the journals of a store.
///
/// # Errors
/// [`StoreError::Damaged`]: acknowledged data is damaged, or batches are missing.
pub(super) fn scan(folder: &Folder, in_tables_below: u64) -> Result<Scan, StoreError> {
    let mut scan = Scan::default();
    for path in journals(folder)? {
        if scan.tail != Tail::Clean {
            // fjall syncs a journal before it begins the next, so the damage is no crash's.
            let before = scan.journals.last().map(|journal| journal.path.as_path());
            return Err(damaged_batch(folder, before.unwrap_or(&path), scan.last.as_ref()));
        }
        scan.read(folder, path, in_tables_below)?;
    }
    Ok(scan)
}

impl Scan {
    /// Reads one journal to its last whole batch.
    fn read(&mut self, folder: &Folder, path: PathBuf, in_tables_below: u64) -> Result<(), StoreError> {
        let file = fs::read(&path).map_err(|error| io_error("read", &path, error))?;
        let data = file.get(..journal::data_end(&file)).unwrap_or_default();
        let mut whole = Journal { path, needed_from: 0, last_from: 0, end: 0 };
        while whole.end < data.len() {
            match journal::read_batch(data, whole.end).and_then(|batch| self.check_sequence_number(batch)) {
                Ok(batch) => {
                    self.check_number(folder, &whole.path, &batch)?;
                    whole.last_from = batch.place.start;
                    whole.end = batch.place.end;
                    if batch.sequence_number < in_tables_below {
                        whole.needed_from = batch.place.end;
                    }
                    self.last = Some(batch);
                }
                Err(_) if journal::is_followed(data, whole.end) => {
                    return Err(damaged_batch(folder, &whole.path, self.last.as_ref()));
                }
                Err(broken) => {
                    self.tail = Tail::of(broken, data.len());
                    break;
                }
            }
        }
        self.journals.push(whole);
        Ok(())
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
    folder
        .damaged(format!("{} is damaged {place}, and acknowledged commits follow the damage", path.display()))
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
