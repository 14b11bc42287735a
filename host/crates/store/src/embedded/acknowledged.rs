//! The side file that says how much was acknowledged.

use super::folder::{Folder, io_error, write_durably};
use crate::StoreError;
use std::{
    fs::{self, File},
    io::{self, Seek, SeekFrom, Write},
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

/// The number of the highest commit that was acknowledged: a store that recovered less has lost data.
///
/// It is written behind each commit and before its acknowledgement, but synced only when the store closes. After the
/// death of the process it is exact, and after a loss of power a lower bound.
///
/// Two slots, written in turn, each a number and its checksum: one that is torn leaves the other.
#[derive(Debug)]
pub(super) struct Acknowledged {
    path: PathBuf,
    file: File,
    commit: AtomicU64,
}

const SLOT_BYTES: usize = 16;

/// Between the slots: more than any disk writes at once.
const SLOT_DISTANCE: u64 = 4096;

impl Acknowledged {
    /// Writes the file of an empty store.
    pub(super) fn create(folder: &Folder) -> Result<(), StoreError> {
        write_durably(&path(folder), &slot(0))
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
        let slots = [0, SLOT_DISTANCE as usize].map(|at| content.get(at..at + SLOT_BYTES).and_then(read_slot));
        let Some(commit) = slots.into_iter().flatten().max() else {
            return Err(folder.damaged(format!("{} cannot be read", path.display())));
        };
        let file = File::options().write(true).open(&path).map_err(|error| io_error("open", &path, error))?;
        Ok(Self { path, file, commit: AtomicU64::new(commit) })
    }

    pub(super) fn commit(&self) -> u64 {
        self.commit.load(Ordering::Relaxed)
    }

    /// Notes that a commit is durable. Called by one thread at a time.
    pub(super) fn note(&self, commit: u64) -> Result<(), StoreError> {
        let mut file = &self.file;
        let write = file.seek(SeekFrom::Start((commit % 2) * SLOT_DISTANCE)).and_then(|_| file.write_all(&slot(commit)));
        write.map_err(|error| io_error("write", &self.path, error))?;
        self.commit.store(commit, Ordering::Relaxed);
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

fn slot(commit: u64) -> [u8; SLOT_BYTES] {
    let number = commit.to_le_bytes();
    let checksum = xxhash_rust::xxh3::xxh3_64(&number).to_le_bytes();
    let mut slot = [0; SLOT_BYTES];
    for (to, from) in slot.iter_mut().zip(number.into_iter().chain(checksum)) {
        *to = from;
    }
    slot
}

fn read_slot(bytes: &[u8]) -> Option<u64> {
    let (number, checksum) = bytes.split_first_chunk()?;
    let is_whole = xxhash_rust::xxh3::xxh3_64(number).to_le_bytes() == checksum;
    is_whole.then(|| u64::from_le_bytes(*number))
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
            acknowledged.note(commit).unwrap();
        }
        assert_eq!(Acknowledged::open(&folder).unwrap().commit(), 5);

        let mut content = fs::read(&acknowledged.path).unwrap();
        content[SLOT_DISTANCE as usize + 1] ^= 1;
        fs::write(&acknowledged.path, &content).unwrap();
        assert_eq!(Acknowledged::open(&folder).unwrap().commit(), 4);

        content[1] ^= 1;
        fs::write(&acknowledged.path, &content).unwrap();
        assert!(matches!(Acknowledged::open(&folder), Err(StoreError::Damaged { .. })));
    }
}
