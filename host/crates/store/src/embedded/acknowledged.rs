//! The side file that says how much was acknowledged.

use super::folder::{Folder, io_error, write_durably};
use crate::StoreError;
use parking_lot::Mutex;
use std::{
    fs::{self, File},
    io::{self, Seek, SeekFrom, Write},
    path::PathBuf,
};

/// How far a store had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Progress {
    /// The highest commit that was acknowledged: a store that recovers less has lost data.
    pub commit: u64,
    /// Batches with lower sequence numbers are in tables, and needed in a journal no more.
    pub in_tables_below: u64,
}

/// The file with the [`Progress`].
///
/// It is written behind each commit and before its acknowledgement, but synced only when the store closes. After the
/// death of the process it is exact, and after a loss of power a lower bound.
///
/// Two slots, written in turn, each with a checksum: one that is torn leaves the other.
#[derive(Debug)]
pub(super) struct Acknowledged {
    path: PathBuf,
    file: File,
    progress: Mutex<Progress>,
}

const SLOT_BYTES: usize = 24;

/// Between the slots: more than any disk writes at once.
const SLOT_DISTANCE: usize = 4096;

impl Acknowledged {
    /// Writes the file of an empty store.
    pub(super) fn create(folder: &Folder) -> Result<(), StoreError> {
        write_durably(&path(folder), &slot(Progress::default()))
    }

    /// # Errors
    /// [`StoreError::Damaged`]: the file is missing, or neither slot can be read.
    pub(super) fn open(folder: &Folder) -> Result<Self, StoreError> {
        let path = path(folder);
        let content = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(folder.damaged(format!("{} is missing", path.display())));
            }
            content => content.map_err(|error| io_error("read", &path, error))?,
        };
        let slots = [0, SLOT_DISTANCE].map(|at| content.get(at..at + SLOT_BYTES).and_then(read_slot));
        let Some(progress) = slots.into_iter().flatten().max_by_key(|progress| progress.commit) else {
            return Err(folder.damaged(format!("{} cannot be read", path.display())));
        };
        let file = File::options().write(true).open(&path).map_err(|error| io_error("open", &path, error))?;
        Ok(Self { path, file, progress: Mutex::new(progress) })
    }

    pub(super) fn progress(&self) -> Progress {
        *self.progress.lock()
    }

    /// Notes that a commit is durable.
    pub(super) fn note(&self, progress: Progress) -> Result<(), StoreError> {
        let mut noted = self.progress.lock();
        let at = if progress.commit.is_multiple_of(2) { 0 } else { SLOT_DISTANCE };
        let mut file = &self.file;
        let write = file.seek(SeekFrom::Start(at as u64)).and_then(|_| file.write_all(&slot(progress)));
        write.map_err(|error| io_error("write", &self.path, error))?;
        *noted = progress;
        Ok(())
    }

    /// Makes the bound exact, whatever happens to the machine.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_all().map_err(|error| io_error("sync", &self.path, error))
    }
}

fn path(folder: &Folder) -> PathBuf {
    folder.store().join("acknowledged")
}

fn slot(progress: Progress) -> Vec<u8> {
    let mut slot = [progress.commit.to_le_bytes(), progress.in_tables_below.to_le_bytes()].concat();
    let checksum = xxhash_rust::xxh3::xxh3_64(&slot);
    slot.extend(checksum.to_le_bytes());
    slot
}

fn read_slot(bytes: &[u8]) -> Option<Progress> {
    let (commit, rest) = bytes.split_first_chunk()?;
    let (in_tables_below, _) = rest.split_first_chunk()?;
    let [commit, in_tables_below] = [*commit, *in_tables_below].map(u64::from_le_bytes);
    let progress = Progress { commit, in_tables_below };
    (slot(progress) == bytes).then_some(progress)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torn_slot_leaves_the_number_before() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::lock(data.path()).unwrap();
        let acknowledged = folder.prepare().unwrap();
        for commit in 1..=5 {
            acknowledged.note(Progress { commit, in_tables_below: 0 }).unwrap();
        }
        assert_eq!(Acknowledged::open(&folder).unwrap().progress().commit, 5);

        let mut content = fs::read(&acknowledged.path).unwrap();
        content[SLOT_DISTANCE + 1] ^= 1;
        fs::write(&acknowledged.path, &content).unwrap();
        assert_eq!(Acknowledged::open(&folder).unwrap().progress().commit, 4);

        content[1] ^= 1;
        fs::write(&acknowledged.path, &content).unwrap();
        assert!(matches!(Acknowledged::open(&folder), Err(StoreError::Damaged { .. })));
    }
}
