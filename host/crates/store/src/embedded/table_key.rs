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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Counters, counters_row};

    #[test]
    fn counters_are_found_by_their_key() {
        let (key, _) = counters_row(&Counters::default());
        assert_eq!(on_disk(&key), COUNTERS_KEY);
    }

    #[test]
    fn key_behind_a_prefix_is_the_next_that_does_not_begin_with_it() {
        assert_eq!(behind(b"ab"), b"ac");
        assert_eq!(behind(b"a\xff\xff"), b"b");
        assert_eq!(behind(b"\xff"), b"");
    }
}
