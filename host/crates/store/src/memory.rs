//! The store for tests: nothing outlives the process.

use crate::{
    StoreError,
    hub::{Backend, Hub, HubStore},
    rows::{Change, Direction, Key, Rows, Table, Visit, WriteBatch, counters_row, keys},
};
use durance_durable::InstanceId;
use parking_lot::RwLock;
use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::Arc,
};

/// A task hub in memory, with the rules of the real one. It is the model that other stores are compared with.
#[derive(Debug)]
pub struct MemoryStore {
    hub: Hub<MemoryRows>,
}

impl MemoryStore {
    /// An empty hub, opened.
    ///
    /// # Panics
    /// `partition_count` is 0.
    #[must_use]
    pub fn new(partition_count: u16) -> Self {
        assert!(partition_count > 0, "a hub has at least one partition");
        let hub = Hub::open(MemoryRows::default(), partition_count);
        Self { hub: hub.expect("an empty hub in memory can be opened") }
    }

    /// Does what closing and opening a store does: whoever held leases has lost them, and tokens of ids that are not
    /// in use change. Nothing else is lost.
    ///
    /// # Errors
    /// A row cannot be read.
    pub fn reopen(&self) -> Result<(), StoreError> {
        self.hub.reopen().map(|_| ())
    }
}

impl MemoryStore {
    /// Damages the rows of an instance whose keys begin with its id, and what waits in its inbox: for tests of what
    /// happens then.
    #[doc(hidden)]
    pub fn damage(&self, id: &InstanceId) {
        let inbox = keys::of_instance(Table::Inbox, id.partition(self.hub.partition_count()), id);
        let tables = &mut *self.hub.backend().tables.write();
        for prefix in [keys::instance(id), inbox] {
            let rows = Arc::make_mut(tables).entry(prefix.table).or_default();
            let damaged =
                rows.range_mut(prefix.bytes.clone()..).take_while(|(key, _)| key.starts_with(&prefix.bytes));
            damaged.for_each(|(_, value)| value.truncate(1));
        }
    }
}

impl HubStore for MemoryStore {
    type Rows = MemoryRows;

    fn hub(&self) -> &Hub<MemoryRows> {
        &self.hub
    }
}

type Tables = HashMap<Table, BTreeMap<Vec<u8>, Vec<u8>>>;

/// Rows in memory. A view keeps the tables as they are; whoever writes meanwhile writes to a copy.
#[derive(Debug, Default)]
pub(crate) struct MemoryRows {
    tables: RwLock<Arc<Tables>>,
}

impl Backend for MemoryRows {
    fn view(&self) -> Box<dyn Rows + '_> {
        Box::new(Arc::clone(&self.tables.read()))
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
        let mut tables = self.tables.write();
        let tables = Arc::make_mut(&mut tables);
        let (key, value) = counters_row(&batch.counters);
        let counters = (key, Change::Put(value));
        for (key, change) in std::iter::once(counters).chain(batch.changes.into_changes()) {
            let table = tables.entry(key.table).or_default();
            match change {
                Change::Put(value) | Change::Insert(value) => table.insert(key.bytes, value),
                Change::Delete => table.remove(&key.bytes),
            };
        }
        Ok(())
    }
}

impl Rows for Arc<Tables> {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(HashMap::get(self, &key.table).and_then(|table| table.get(&key.bytes)).cloned())
    }

    fn scan(&self, prefix: &Key, direction: Direction<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let Some(table) = HashMap::get(self, &prefix.table) else { return Ok(()) };
        let has_prefix = |(key, _): &(&Vec<u8>, &Vec<u8>)| key.starts_with(&prefix.bytes);
        let rows: Box<dyn Iterator<Item = _>> = match direction {
            Direction::Up(from) => {
                let from = from.max(prefix.bytes.as_slice());
                let rows = table.range::<[u8], _>((Bound::Included(from), Bound::Unbounded));
                Box::new(rows.take_while(has_prefix))
            }
            Direction::Down(before) => {
                let before = before.map_or(Bound::Unbounded, Bound::Excluded);
                let rows = table.range::<[u8], _>((Bound::Unbounded, before)).rev();
                // Keys behind those with the prefix come first here.
                Box::new(
                    rows.skip_while(move |row| !has_prefix(row) && row.0 > &prefix.bytes)
                        .take_while(has_prefix),
                )
            }
        };
        for (key, value) in rows {
            if visit(key, value)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}
