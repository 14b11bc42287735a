//! Rows in fjall.

use super::{
    acknowledged::{Acknowledged, Progress},
    folder::Folder,
    table_key::{COUNTERS_KEY, behind, from_parts, on_disk},
};
use crate::{
    StoreError,
    hub::Backend,
    rows::{Change, Counters, Direction, Key, Rows, Table, Visit, WriteBatch, counters_row, decode},
};
use fjall::{AbstractTree, Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Snapshot};
use std::{fmt, io};

/// fjall allows no less. Journals that are full are deleted once what they hold is in tables.
const JOURNAL_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Small, so that a start has little to replay; large enough that a busy hub writes few tables.
const MEMTABLE_BYTES: u64 = 16 * 1024 * 1024;

/// For blocks of tables; what was written last is in memtables anyhow.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// One flushes while the other compacts.
const WORKER_THREADS: usize = 2;

/// A database that is open.
pub(crate) struct EmbeddedRows {
    rows: Keyspace,
    database: Database,
    acknowledged: Acknowledged,
    // Last: unlocked when the database is closed.
    folder: Folder,
}

impl fmt::Debug for EmbeddedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedRows").field("path", &self.folder.path()).finish_non_exhaustive()
    }
}

impl EmbeddedRows {
    pub(super) fn open(folder: Folder, acknowledged: Acknowledged) -> Result<Self, StoreError> {
        let open = || {
            let database = Database::builder(folder.database())
                .journal_compression(fjall::CompressionType::None)
                .manual_journal_persist(true)
                .max_journaling_size(JOURNAL_BYTES_MAX)
                .cache_size(CACHE_BYTES)
                .worker_threads(WORKER_THREADS)
                .open()?;
            let rows = database.keyspace("rows", || {
                KeyspaceCreateOptions::default()
                    .max_memtable_size(MEMTABLE_BYTES)
                    .manual_journal_persist(true)
            })?;
            Ok((database, rows))
        };
        let (database, rows) = open().map_err(|error| open_error(&folder, error))?;
        Ok(Self { rows, database, acknowledged, folder })
    }

    /// The number of the last commit that is in the store.
    pub(super) fn last_commit(&self) -> Result<u64, StoreError> {
        let row = self.rows.get(COUNTERS_KEY).map_err(|error| read_error(Table::Meta, error))?;
        let counters: Option<Counters> = row.map(|bytes| decode(Table::Meta, &bytes)).transpose()?;
        Ok(counters.unwrap_or_default().commit)
    }

    /// Every batch with a lower sequence number is in tables: each one has the counters, so this holds for all rows.
    fn in_tables_below(&self) -> u64 {
        self.rows.tree.get_highest_persisted_seqno().map_or(0, |highest| highest + 1)
    }

    pub(super) fn folder(&self) -> &Folder {
        &self.folder
    }

    pub(super) fn acknowledged(&self) -> &Acknowledged {
        &self.acknowledged
    }
}

impl Backend for EmbeddedRows {
    fn view(&self) -> Box<dyn Rows + '_> {
        Box::new(View { rows: &self.rows, snapshot: self.database.snapshot() })
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
        let mut write = self.database.batch().durability(Some(PersistMode::SyncData));
        let (key, value) = counters_row(&batch.counters);
        write.insert(&self.rows, on_disk(&key), value);
        for (key, change) in batch.changes.into_changes() {
            match change {
                Change::Put(value) | Change::Insert(value) => write.insert(&self.rows, on_disk(&key), value),
                Change::Delete => write.remove(&self.rows, on_disk(&key)),
            }
        }
        write.commit().map_err(|error| match error {
            fjall::Error::Poisoned => StoreError::Poisoned,
            error => StoreError::Io { action: "write to the store".to_owned(), source: into_io(error) },
        })?;
        self.acknowledged
            .note(Progress { commit: batch.counters.commit, in_tables_below: self.in_tables_below() })
    }
}

/// The rows at one moment. A commit is seen whole or not at all, and only when it is durable: fjall shows a batch after
/// its sync.
struct View<'a> {
    rows: &'a Keyspace,
    snapshot: Snapshot,
}

impl Rows for View<'_> {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        let row = self.snapshot.get(self.rows, on_disk(key)).map_err(|error| read_error(key.table, error))?;
        Ok(row.map(|bytes| bytes.to_vec()))
    }

    fn scan(&self, prefix: &Key, direction: Direction<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let (mut first, mut end) = (on_disk(prefix), behind(&on_disk(prefix)));
        match direction {
            Direction::Up(from) => first = first.max(from_parts(prefix.table, from)),
            Direction::Down(Some(before)) => end = end.min(from_parts(prefix.table, before)),
            Direction::Down(None) => {}
        }
        if first >= end {
            return Ok(());
        }
        let mut rows = self.snapshot.range(self.rows, first..end);
        let mut next = || if direction.is_up() { rows.next() } else { rows.next_back() };
        while let Some(row) = next() {
            let (key, value) = row.into_inner().map_err(|error| read_error(prefix.table, error))?;
            let (_table, key) = key.split_first().unwrap_or((&0, &[]));
            if visit(key, &value)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

fn read_error(table: Table, error: fjall::Error) -> StoreError {
    match error {
        fjall::Error::Io(source) => StoreError::Io { action: format!("read {}", table.name()), source },
        error => StoreError::Corrupt { table: table.name(), why: error.to_string() },
    }
}

fn open_error(folder: &Folder, error: fjall::Error) -> StoreError {
    match error {
        fjall::Error::Locked => StoreError::Locked { path: folder.path().to_owned() },
        fjall::Error::Io(source) => StoreError::Io { action: "open the store".to_owned(), source },
        error => folder.damaged(error.to_string()),
    }
}

fn into_io(error: fjall::Error) -> io::Error {
    match error {
        fjall::Error::Io(error) => error,
        error => io::Error::other(error),
    }
}
