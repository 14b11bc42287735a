//! Tables inside fjall's keyspaces.

use crate::rows::{Key, Table};

/// The key, on disk, of the row that each batch begins with.
pub(super) const COUNTERS_KEY: &[u8] = b"\0counters";

/// A key on disk: the table's number, then the key in the table.
pub(super) fn on_disk(key: &Key) -> Vec<u8> {
    from_parts(key.table, &key.bytes)
}

pub(super) fn from_parts(table: Table, key: &[u8]) -> Vec<u8> {
    [&[table as u8], key].concat()
}

/// The first key behind all that begin with `prefix`, which is a key on disk.
pub(super) fn behind(prefix: &[u8]) -> Vec<u8> {
    let mut key = prefix.to_vec();
    while let Some(last) = key.pop() {
        if let Some(next) = last.checked_add(1) {
            key.push(next);
            return key;
        }
    }
    key
}
