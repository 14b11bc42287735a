//! fjall's journal files, as far as recovery must understand them: which batches are whole, and what follows them.
//!
//! A batch is a start (tag 1, number of items, sequence number), its items (tag 2, type, compression, keyspace,
//! lengths, key, value) and an end (tag 3, XXH3 of the items, trailer). A file is a row of batches and then zeros, which
//! were allocated ahead, or nothing. Ours begin with the row of the hub's counters, which numbers them.
//!
//! Source: `journal/entry.rs` and `journal/writer.rs` of fjall 3.1.

use super::table_key::COUNTERS_KEY;
use crate::rows::{Counters, Table, decode};
use std::ops::Range;

const TAG_START: u8 = 1;
const TAG_ITEM: u8 = 2;
const TAG_END: u8 = 3;
const TRAILER: &[u8] = b"FJL\x03";

/// Between the tag of an end and its trailer.
const CHECKSUM_BYTES: usize = 8;

/// Between the lengths of an item and its tag: type, compression and keyspace.
const ITEM_KIND_BYTES: usize = 10;

/// Values are written as they are.
const NOT_COMPRESSED: u8 = 0;

/// How much of a file is looked at in one step for bytes that are not zero.
const BLOCK_BYTES: usize = 4096;

/// A batch that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    /// Its number.
    pub commit: u64,
    /// fjall's number of it. No checksum covers this one.
    pub sequence_number: u64,
    /// Where it lies in the file.
    pub place: Range<usize>,
}

/// Why there is no whole batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Broken {
    /// What is there is the beginning of one.
    Unfinished,
    /// It cannot be one.
    Garbled(&'static str),
}

/// Where the data of a file ends: behind it are only zeros.
pub(super) fn data_end(file: &[u8]) -> usize {
    let mut end = file.len();
    for block in file.rchunks(BLOCK_BYTES) {
        // Without branches, so that it runs at the speed of memory.
        if block.iter().fold(0, |all, byte| all | byte) != 0 {
            return end - block.iter().rev().take_while(|byte| **byte == 0).count();
        }
        end -= block.len();
    }
    0
}

/// Reads the batch that begins at `start`.
pub(super) fn read_batch(data: &[u8], start: usize) -> Result<Batch, Broken> {
    let mut bytes = Bytes { data, position: start };
    let head = read_head(&mut bytes)?;
    for _ in 1..head.item_count {
        if bytes.byte()? != TAG_ITEM {
            return Err(Broken::Garbled("one of its items is missing"));
        }
        read_item(&mut bytes)?;
    }
    let items = data.get(head.items_begin..bytes.position).unwrap_or_default();
    if bytes.byte()? != TAG_END {
        return Err(Broken::Garbled("its end is missing"));
    }
    let checksum = u64::from_le_bytes(bytes.array()?);
    if bytes.take(TRAILER.len())? != TRAILER {
        return Err(Broken::Garbled("its trailer is wrong"));
    }
    if checksum != xxhash_rust::xxh3::xxh3_64(items) {
        return Err(Broken::Garbled("its checksum is wrong"));
    }
    Ok(Batch { commit: head.commit, sequence_number: head.sequence_number, place: start..bytes.position })
}

/// Whether anything says that a batch follows the broken one at `broken`: its head, or data behind an end.
///
/// A batch is written only when the one before it is durable. So what this finds proves that the broken batch was
/// acknowledged.
pub(super) fn is_followed(data: &[u8], broken: usize) -> bool {
    let rest = data.get(broken..).unwrap_or_default();
    let head_follows = positions(rest, TAG_START)
        .filter(|at| *at > 0)
        .any(|at| read_head(&mut Bytes { data: rest, position: at }).is_ok());
    let end_bytes = 1 + CHECKSUM_BYTES + TRAILER.len();
    let data_follows_end = positions(rest, TAG_END).any(|at| {
        let end = rest.get(at..at + end_bytes);
        end.is_some_and(|end| end.ends_with(TRAILER)) && at + end_bytes < rest.len()
    });
    head_follows || data_follows_end
}

fn positions(data: &[u8], tag: u8) -> impl Iterator<Item = usize> {
    data.iter().enumerate().filter(move |(_, byte)| **byte == tag).map(|(at, _)| at)
}

/// The beginning of a batch.
struct Head {
    commit: u64,
    sequence_number: u64,
    item_count: u32,
    items_begin: usize,
}

/// Reads a start and the item of the counters.
fn read_head(bytes: &mut Bytes<'_>) -> Result<Head, Broken> {
    if bytes.byte()? != TAG_START {
        return Err(Broken::Garbled("its start is missing"));
    }
    let item_count = u32::from_le_bytes(bytes.array()?);
    let sequence_number = u64::from_le_bytes(bytes.array()?);
    let items_begin = bytes.position;
    if bytes.byte()? != TAG_ITEM {
        return Err(Broken::Garbled("its first item is missing"));
    }
    let (key, value) = read_item(bytes)?;
    if key != COUNTERS_KEY {
        return Err(Broken::Garbled("its counters are missing"));
    }
    match decode::<Counters>(Table::Meta, value) {
        Ok(counters) => Ok(Head { commit: counters.commit, sequence_number, item_count, items_begin }),
        Err(_) => Err(Broken::Garbled("its counters cannot be read")),
    }
}

/// Reads an item behind its tag: key and value.
fn read_item<'a>(bytes: &mut Bytes<'a>) -> Result<(&'a [u8], &'a [u8]), Broken> {
    let kind = bytes.take(ITEM_KIND_BYTES)?;
    let key_length = u16::from_le_bytes(bytes.array()?);
    let value_length = u32::from_le_bytes(bytes.array()?);
    let stored_length = u32::from_le_bytes(bytes.array()?);
    if kind.get(1) != Some(&NOT_COMPRESSED) || value_length != stored_length {
        return Err(Broken::Garbled("one of its items has a wrong length"));
    }
    Ok((bytes.take(usize::from(key_length))?, bytes.take(value_length as usize)?))
}

/// Bytes that are read from the front.
struct Bytes<'a> {
    data: &'a [u8],
    position: usize,
}

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Broken> {
        let end = self.position.checked_add(count).ok_or(Broken::Unfinished)?;
        let taken = self.data.get(self.position..end).ok_or(Broken::Unfinished)?;
        self.position = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        self.take(N)?.try_into().map_err(|_| Broken::Unfinished)
    }

    fn byte(&mut self) -> Result<u8, Broken> {
        self.array().map(|[byte]| byte)
    }
}
