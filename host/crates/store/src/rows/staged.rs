//! The changes of one commit, before they are written.

use super::{Key, Table};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Bound,
};

/// What becomes of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// It has this value.
    Put(Vec<u8>),
    /// It has this value, and did not exist before the commit: deleting it again leaves nothing to write.
    Insert(Vec<u8>),
    /// It is gone.
    Delete,
}

impl Change {
    /// The row's value after the change.
    pub(crate) fn value(&self) -> Option<&Vec<u8>> {
        match self {
            Self::Put(value) | Self::Insert(value) => Some(value),
            Self::Delete => None,
        }
    }
}

/// Changes by table and key: the last one of each row.
#[derive(Debug, Default)]
pub(crate) struct Staged {
    tables: BTreeMap<Table, BTreeMap<Vec<u8>, Change>>,
    /// What the rows had that changed since [`Staged::begin`], in order.
    undo: Vec<(Key, Option<Change>)>,
}

impl Staged {
    pub(crate) fn is_empty(&self) -> bool {
        self.tables.values().all(BTreeMap::is_empty)
    }

    pub(crate) fn change(&self, key: &Key) -> Option<&Change> {
        self.tables.get(&key.table)?.get(&key.bytes)
    }

    /// Begins changes that can be taken back together.
    pub(crate) fn begin(&mut self) {
        self.undo.clear();
    }

    /// Takes back the changes since [`Staged::begin`].
    pub(crate) fn take_back(&mut self) {
        for (key, before) in std::mem::take(&mut self.undo).into_iter().rev() {
            let table = self.tables.entry(key.table).or_default();
            match before {
                Some(change) => table.insert(key.bytes, change),
                None => table.remove(&key.bytes),
            };
        }
    }

    pub(crate) fn put(&mut self, key: Key, value: Vec<u8>) {
        match self.entry(key) {
            Entry::Occupied(mut row) => {
                let is_new = matches!(row.get(), Change::Insert(_));
                row.insert(if is_new { Change::Insert(value) } else { Change::Put(value) });
            }
            Entry::Vacant(row) => {
                row.insert(Change::Put(value));
            }
        }
    }

    /// Puts a row that is known not to exist, unless this commit deleted it.
    pub(crate) fn insert(&mut self, key: Key, value: Vec<u8>) {
        match self.entry(key) {
            Entry::Occupied(mut row) => {
                let existed = matches!(row.get(), Change::Put(_) | Change::Delete);
                row.insert(if existed { Change::Put(value) } else { Change::Insert(value) });
            }
            Entry::Vacant(row) => {
                row.insert(Change::Insert(value));
            }
        }
    }

    pub(crate) fn delete(&mut self, key: Key) {
        match self.entry(key) {
            Entry::Occupied(row) if matches!(row.get(), Change::Insert(_)) => {
                row.remove();
            }
            Entry::Occupied(mut row) => {
                row.insert(Change::Delete);
            }
            Entry::Vacant(row) => {
                row.insert(Change::Delete);
            }
        }
    }

    /// The changed rows whose keys begin with `prefix`.
    pub(crate) fn under<'a>(&'a self, prefix: &'a Key) -> impl Iterator<Item = (&'a Vec<u8>, &'a Change)> {
        let from = (Bound::Included(prefix.bytes.as_slice()), Bound::Unbounded);
        let rows =
            self.tables.get(&prefix.table).into_iter().flat_map(move |table| table.range::<[u8], _>(from));
        rows.take_while(|(key, _)| key.starts_with(&prefix.bytes))
    }

    /// All changes, in the order of tables and keys.
    pub(crate) fn into_changes(self) -> impl Iterator<Item = (Key, Change)> {
        self.tables.into_iter().flat_map(|(table, rows)| {
            rows.into_iter().map(move |(bytes, change)| (Key { table, bytes }, change))
        })
    }

    /// The place of a row that is about to change.
    fn entry(&mut self, key: Key) -> Entry<'_, Vec<u8>, Change> {
        let table = self.tables.entry(key.table).or_default();
        self.undo.push((key.clone(), table.get(&key.bytes).cloned()));
        table.entry(key.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::new(Table::Inbox, &[text.as_bytes()])
    }

    #[test]
    fn new_row_that_is_deleted_again_leaves_nothing() {
        let mut staged = Staged::default();
        staged.insert(key("a"), vec![1]);
        staged.put(key("a"), vec![2]);
        staged.delete(key("a"));
        assert!(staged.is_empty());
    }

    #[test]
    fn row_that_may_exist_is_deleted_for_real() {
        for first in [Staged::put, |staged: &mut Staged, key, _| staged.delete(key)] {
            let mut staged = Staged::default();
            first(&mut staged, key("a"), vec![1]);
            staged.insert(key("a"), vec![2]);
            staged.delete(key("a"));
            assert_eq!(staged.change(&key("a")), Some(&Change::Delete));
        }
    }

    #[test]
    fn changes_since_the_beginning_are_taken_back_and_those_before_stay() {
        let mut staged = Staged::default();
        staged.put(key("a"), vec![1]);
        staged.insert(key("b"), vec![2]);
        staged.begin();
        staged.put(key("a"), vec![3]);
        staged.delete(key("a"));
        staged.delete(key("b"));
        staged.put(key("c"), vec![4]);
        staged.take_back();
        assert_eq!(staged.change(&key("a")), Some(&Change::Put(vec![1])));
        assert_eq!(staged.change(&key("b")), Some(&Change::Insert(vec![2])));
        assert_eq!(staged.change(&key("c")), None);
    }

    #[test]
    fn changes_under_a_prefix_are_of_its_table_and_in_order() {
        let mut staged = Staged::default();
        for text in ["b2", "b1", "c", "a"] {
            staged.put(key(text), Vec::new());
        }
        staged.put(Key::new(Table::Tasks, &[b"b3"]), Vec::new());
        let prefix = key("b");
        let found: Vec<_> = staged.under(&prefix).map(|(key, _)| key.as_slice()).collect();
        assert_eq!(found, [b"b1", b"b2"]);
    }
}
