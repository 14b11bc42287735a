//! Opening a hub, and deciding the operations of a commit.

use super::{
    Key, Rows, Table, Transaction, WriteBatch, codec, entities, keys, once, purge, queue, repin, retry,
    rewind, schedule, send, start,
    stored::{Counters, Opening, Tombstone},
    sweep,
    transaction::read,
    turn,
};
use crate::{Committed, Fence, Operation, Outcome, StoreError};
use durance_durable::{PartitionId, Token};

/// Opens a hub, and creates it if there is none: a new epoch, and a new token for all ids that are not in use.
///
/// `partition_count` is that of a hub that is created. Tombstones are swept: what they were kept for is from now on
/// said by the horizon and the generation floor, which are higher than any of theirs.
pub(crate) fn open_hub(
    rows: &dyn Rows,
    partition_count: u16,
) -> Result<(Opening, Option<WriteBatch>), StoreError> {
    let first =
        Opening { partition_count, epoch: 0, horizon: Token(0), generation_floor: 0, is_forgetting: false };
    let before = read(rows, &keys::opening())?.unwrap_or(first);
    let counters = read(rows, &keys::counters())?.unwrap_or_default();
    let mut transaction = Transaction::new(rows, counters, before);

    let tombstones = Key::all(Table::Tombstones);
    let mut generation_floor = before.generation_floor;
    for (bytes, value) in transaction.under(&tombstones)? {
        let tombstone: Tombstone = codec::decode(Table::Tombstones, &value)?;
        generation_floor = generation_floor.max(tombstone.generation);
        transaction.delete(Key { table: Table::Tombstones, bytes });
    }
    let horizon = transaction.next_token();
    transaction.count_tombstones(|_| 0);
    let opening =
        Opening { epoch: before.epoch + 1, horizon, generation_floor, is_forgetting: false, ..before };
    transaction.set_opening(opening);
    Ok((opening, transaction.into_batch()))
}

/// Decides operations in order, each seeing those before it; the outcomes hold once the batch is durable.
pub(crate) fn decide(
    rows: &dyn Rows,
    fence: &Fence,
    operations: Vec<Operation>,
) -> Result<(Committed, Option<WriteBatch>), StoreError> {
    let mut transaction = Transaction::begin(rows)?;
    let mut outcomes = Vec::with_capacity(operations.len());
    for operation in operations {
        check_driven(&transaction, fence, &operation)?;
        outcomes.push(match transaction.whole(|transaction| apply(transaction, operation)) {
            Err(error @ StoreError::Corrupt { .. }) => Outcome::Unreadable(error.to_string()),
            outcome => outcome?,
        });
    }
    let woken = transaction.take_woken();
    Ok((Committed { outcomes, woken }, transaction.into_batch()))
}

pub(super) fn apply(transaction: &mut Transaction<'_>, operation: Operation) -> Result<Outcome, StoreError> {
    Ok(match operation {
        Operation::Start(request) => Outcome::Start(start::apply(transaction, request)?),
        Operation::Turn(write) => Outcome::Turn(turn::apply(transaction, write)?),
        Operation::Send(event) => Outcome::Send(send::apply(transaction, event)?),
        Operation::Retry(task) => Outcome::Retry { applied: retry::apply(transaction, &task)? },
        Operation::Repin(pin) => Outcome::Repin { applied: repin::apply(transaction, &pin)? },
        Operation::Purge(instance) => Outcome::Purge(purge::apply(transaction, &instance)?),
        Operation::DropQueue(instance) => Outcome::DropQueue(queue::drop_all(transaction, &instance)?),
        Operation::Schedule(write) => Outcome::Schedule(schedule::apply(transaction, write)?),
        Operation::SignalEntity(signal) => {
            transaction.signal(signal);
            Outcome::SignalEntity
        }
        Operation::EntityTurn(turn) => Outcome::EntityTurn(entities::turn(transaction, turn)?),
        Operation::Sweep { now } => Outcome::Sweep { deleted: sweep::apply(transaction, now)? },
        Operation::Note(note) => Outcome::Note(note),
        Operation::Rewind(request) => Outcome::Rewind(rewind::apply(transaction, &request)?),
        Operation::Once(request) => Outcome::Once(once::apply(transaction, request)?),
    })
}

/// Only the owner of a partition may do something to what is in it.
fn check_driven(
    transaction: &Transaction<'_>,
    fence: &Fence,
    operation: &Operation,
) -> Result<(), StoreError> {
    let count = transaction.opening().partition_count;
    let partition = match operation {
        Operation::Start(request) => request.instance.partition(count),
        Operation::Turn(write) => write.commit.instance.partition(count),
        Operation::Send(event) => event.instance.partition(count),
        Operation::Retry(task) => task.instance.partition(count),
        Operation::Purge(instance) | Operation::DropQueue(instance) => instance.partition(count),
        Operation::Repin(pin) => pin.instance.partition(count),
        Operation::Rewind(request) => request.instance.partition(count),
        Operation::Schedule(write) => write.id.partition(count),
        Operation::SignalEntity(signal) => signal.entity.partition(count),
        Operation::EntityTurn(turn) => turn.entity.partition(count),
        Operation::Once(request) => {
            return request.operations.iter().try_for_each(|one| check_driven(transaction, fence, one));
        }
        Operation::Sweep { .. } | Operation::Note(_) => return Ok(()),
    };
    check_lease(transaction.opening(), fence, partition)
}

pub(crate) fn check_lease(
    opening: &Opening,
    fence: &Fence,
    partition: PartitionId,
) -> Result<(), StoreError> {
    let holds = fence.iter().any(|lease| lease.partition == partition && lease.epoch == opening.epoch);
    if holds { Ok(()) } else { Err(StoreError::LeaseLost(partition)) }
}

/// The row that a backend writes first in each batch.
pub(crate) fn counters_row(counters: &Counters) -> (Key, Vec<u8>) {
    (keys::counters(), codec::encode(counters))
}
