//! Rows, read through the changes of a commit that is being decided.

use super::{
    Change, Direction, Key, Rows, Staged, codec, keys,
    stored::{Counters, Opening, StoredMessage},
};
use crate::StoreError;
use durance_durable::{
    EntityId, HistoryEvent, InstanceId, InstanceRecord, Message, MessageTarget, PartitionId, RuntimeStatus,
    Timestamp, Token,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

/// What a backend is to write, atomically, as one commit.
#[derive(Debug)]
pub(crate) struct WriteBatch {
    /// Written with the rest, before it. Its commit number is one more than that of the batch before.
    pub counters: Counters,
    /// Everything else.
    pub changes: Staged,
}

/// What the counts and the index of a record are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listed {
    status: RuntimeStatus,
    created: Timestamp,
}

impl Listed {
    pub(super) fn of(record: &InstanceRecord) -> Self {
        Self { status: record.status, created: record.created }
    }
}

/// One commit while it is being decided.
pub(crate) struct Transaction<'a> {
    rows: &'a dyn Rows,
    staged: Staged,
    counters: Counters,
    opening: Opening,
    woken: BTreeSet<EntityId>,
}

impl<'a> Transaction<'a> {
    /// A commit on top of these rows, of a hub that was opened.
    pub(super) fn begin(rows: &'a dyn Rows) -> Result<Self, StoreError> {
        Ok(Self::new(rows, read(rows, &keys::counters())?.unwrap_or_default(), read_opening(rows)?))
    }

    pub(super) fn new(rows: &'a dyn Rows, counters: Counters, opening: Opening) -> Self {
        Self { rows, staged: Staged::default(), counters, opening, woken: BTreeSet::new() }
    }

    /// None: there is nothing to write.
    pub(crate) fn into_batch(self) -> Option<WriteBatch> {
        let Self { staged, mut counters, .. } = self;
        counters.commit += 1;
        (!staged.is_empty()).then_some(WriteBatch { counters, changes: staged })
    }

    /// Decides one operation. If a row that it needs cannot be read, it changes nothing: the others of the commit are not
    /// to suffer from that.
    pub(super) fn whole<T>(
        &mut self,
        decide: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let (counters, opening) = (self.counters, self.opening);
        self.staged.begin();
        let decided = decide(self);
        if decided.is_err() {
            self.staged.take_back();
            self.counters = counters;
            self.opening = opening;
        }
        decided
    }

    /// The entities that may have something to take after the commit.
    pub(super) fn take_woken(&mut self) -> Vec<EntityId> {
        std::mem::take(&mut self.woken).into_iter().collect()
    }

    pub(super) fn wake(&mut self, entity: &EntityId) {
        self.woken.insert(entity.clone());
    }

    pub(super) fn next_sequence(&mut self) -> u64 {
        self.counters.sequence += 1;
        self.counters.sequence
    }

    pub(super) fn opening(&self) -> &Opening {
        &self.opening
    }

    /// Changes what was settled when the hub was opened.
    pub(super) fn set_opening(&mut self, opening: Opening) {
        self.put(keys::opening(), &opening);
        self.opening = opening;
    }

    /// Changes the number of tombstones; gives it.
    pub(super) fn count_tombstones(&mut self, count: impl FnOnce(u64) -> u64) -> u64 {
        self.counters.tombstones = count(self.counters.tombstones);
        self.counters.tombstones
    }

    pub(super) fn partition(&self, id: &InstanceId) -> PartitionId {
        id.partition(self.opening.partition_count)
    }

    pub(super) fn next_token(&mut self) -> Token {
        self.counters.token += 1;
        Token(self.counters.token)
    }

    pub(super) fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, StoreError> {
        match self.staged.change(key) {
            Some(change) => change.value().map(|bytes| codec::decode(key.table, bytes)).transpose(),
            None => read(self.rows, key),
        }
    }

    pub(super) fn put<T: Serialize>(&mut self, key: Key, row: &T) {
        self.staged.put(key, codec::encode(row));
    }

    /// Puts a row that cannot exist before this commit.
    pub(super) fn insert<T: Serialize>(&mut self, key: Key, row: &T) {
        self.staged.insert(key, codec::encode(row));
    }

    pub(super) fn delete(&mut self, key: Key) {
        self.staged.delete(key);
    }

    /// Puts an instance's record in place of one that was listed as `before`.
    pub(super) fn put_record(&mut self, id: &InstanceId, before: Option<Listed>, record: &InstanceRecord) {
        self.put(keys::instance(id), record);
        self.relist(id, before, Some(Listed::of(record)));
    }

    /// Deletes an instance's record.
    pub(super) fn delete_record(&mut self, id: &InstanceId, record: &InstanceRecord) {
        self.delete(keys::instance(id));
        self.relist(id, Some(Listed::of(record)), None);
    }

    fn relist(&mut self, id: &InstanceId, before: Option<Listed>, after: Option<Listed>) {
        let status = |listed: Option<Listed>| listed.map(|listed| listed.status);
        self.counters.statuses.change(status(before), status(after));
        let created = |listed: Option<Listed>| listed.map(|listed| listed.created);
        if created(before) == created(after) {
            return;
        }
        if let Some(time) = created(before) {
            self.delete(keys::created(time, id));
        }
        if let Some(time) = created(after) {
            self.put(keys::created(time, id), &());
        }
    }

    /// The rows whose keys begin with `prefix`, in the order of keys.
    pub(super) fn under(&self, prefix: &Key) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, StoreError> {
        self.first_under(prefix, usize::MAX)
    }

    /// The same, but no more than about `limit` rows.
    pub(super) fn first_under(
        &self,
        prefix: &Key,
        limit: usize,
    ) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, StoreError> {
        let mut found = BTreeMap::new();
        self.rows.scan(prefix, Direction::Up(&[]), &mut |key, value| {
            found.insert(key.to_vec(), value.to_vec());
            Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        for (key, change) in self.staged.under(prefix) {
            match change {
                Change::Put(value) | Change::Insert(value) => found.insert(key.clone(), value.clone()),
                Change::Delete => found.remove(key),
            };
        }
        Ok(found)
    }

    /// Deletes every row whose key begins with `prefix`.
    pub(super) fn delete_under(&mut self, prefix: &Key) -> Result<(), StoreError> {
        for bytes in self.under(prefix)?.into_keys() {
            self.delete(Key { table: prefix.table, bytes });
        }
        Ok(())
    }

    /// Puts a message in its receiver's inbox, behind all others.
    pub(super) fn send(
        &mut self,
        instance: InstanceId,
        target: MessageTarget,
        event: HistoryEvent,
    ) -> Message {
        let sequence = self.next_sequence();
        self.deliver(Message { instance, sequence, target, event })
    }

    /// Puts a message in its receiver's inbox.
    pub(super) fn deliver(&mut self, message: Message) -> Message {
        let key = keys::message(self.partition(&message.instance), &message.instance, message.sequence);
        self.insert(key, &StoredMessage { target: message.target, event: message.event.clone() });
        message
    }
}

/// The row under a key.
pub(super) fn read<T: DeserializeOwned>(rows: &dyn Rows, key: &Key) -> Result<Option<T>, StoreError> {
    rows.get(key)?.map(|bytes| codec::decode(key.table, &bytes)).transpose()
}

/// What was settled when the hub was opened.
pub(crate) fn read_opening(rows: &dyn Rows) -> Result<Opening, StoreError> {
    let key = keys::opening();
    let missing =
        || StoreError::Corrupt { table: key.table.name(), why: "the hub was never opened".to_owned() };
    read(rows, &key)?.ok_or_else(missing)
}
