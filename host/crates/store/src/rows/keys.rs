//! Keys of rows.
//!
//! Numbers are big endian, so that the order of bytes is their order. An instance id inside a longer key ends with a
//! zero byte, which no id contains: no id's keys begin with those of another.

use super::Table;
use crate::{MailPlace, StoreError};
use durance_durable::{EntityId, ExecutionId, InstanceId, Lane, PartitionId, ScheduleId, TaskId, Timestamp};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The end of an instance id inside a key.
const END_OF_ID: u8 = 0;

/// Length of an [`ExecutionId`] in a key.
const EXECUTION_BYTES: usize = 16;

/// A table and a key in it, or the beginning of keys in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) table: Table,
    pub(crate) bytes: Vec<u8>,
}

impl Key {
    pub(crate) fn new(table: Table, parts: &[&[u8]]) -> Self {
        Self { table, bytes: parts.concat() }
    }

    pub(crate) fn all(table: Table) -> Self {
        Self { table, bytes: Vec::new() }
    }
}

pub(super) fn counters() -> Key {
    Key::new(Table::Meta, &[b"counters"])
}

pub(super) fn opening() -> Key {
    Key::new(Table::Meta, &[b"opening"])
}

pub(crate) fn instance(id: &InstanceId) -> Key {
    Key::new(Table::Instances, &[id.as_str().as_bytes()])
}

pub(super) fn tombstone(id: &InstanceId) -> Key {
    Key::new(Table::Tombstones, &[id.as_str().as_bytes()])
}

pub(super) fn schedule(id: &ScheduleId) -> Key {
    Key::new(Table::Schedules, &[id.as_str().as_bytes()])
}

pub(super) fn generations(id: &InstanceId) -> Key {
    Key::new(Table::Generations, &[id.as_str().as_bytes(), &[END_OF_ID]])
}

pub(super) fn generation(id: &InstanceId, generation: u64) -> Key {
    Key::new(Table::Generations, &[&generations(id).bytes, &generation.to_be_bytes()])
}

pub(super) fn execution(id: ExecutionId) -> Key {
    Key::new(Table::Executions, &[id.0.as_bytes()])
}

pub(super) fn history(id: ExecutionId) -> Key {
    Key::new(Table::History, &[id.0.as_bytes()])
}

pub(super) fn turn(id: ExecutionId, first_event: u64) -> Key {
    Key::new(Table::History, &[id.0.as_bytes(), &first_event.to_be_bytes()])
}

pub(super) fn in_partition(table: Table, partition: PartitionId) -> Key {
    Key::new(table, &[&partition.0.to_be_bytes()])
}

/// The beginning of an instance's keys in a table whose keys begin with the partition.
pub(crate) fn of_instance(table: Table, partition: PartitionId, id: &InstanceId) -> Key {
    Key::new(table, &[&partition.0.to_be_bytes(), id.as_str().as_bytes(), &[END_OF_ID]])
}

pub(super) fn message(partition: PartitionId, id: &InstanceId, sequence: u64) -> Key {
    let inbox = of_instance(Table::Inbox, partition, id);
    Key::new(Table::Inbox, &[&inbox.bytes, &sequence.to_be_bytes()])
}

pub(super) fn task(partition: PartitionId, id: &InstanceId, execution: ExecutionId, task: TaskId) -> Key {
    let tasks = of_instance(Table::Tasks, partition, id);
    Key::new(Table::Tasks, &[&tasks.bytes, execution.0.as_bytes(), &task.0.to_be_bytes()])
}

pub(super) fn entity(id: &EntityId) -> Key {
    Key::new(Table::Entities, &[id.as_str().as_bytes()])
}

/// The beginning of the keys of an entity's messages.
pub(super) fn entity_inbox(partition: PartitionId, id: &EntityId) -> Key {
    Key::new(Table::EntityInbox, &[&partition.0.to_be_bytes(), id.as_str().as_bytes(), &[END_OF_ID]])
}

pub(super) fn entity_lane(partition: PartitionId, id: &EntityId, lane: Lane) -> Key {
    Key::new(Table::EntityInbox, &[&entity_inbox(partition, id).bytes, &[lane as u8]])
}

pub(super) fn entity_message(partition: PartitionId, id: &EntityId, place: MailPlace) -> Key {
    let MailPlace { lane, due, sequence } = place;
    let lane = entity_lane(partition, id, lane);
    Key::new(Table::EntityInbox, &[&lane.bytes, &due.as_nanos().to_be_bytes(), &sequence.to_be_bytes()])
}

pub(super) fn critical_section(execution: ExecutionId) -> Key {
    Key::new(Table::CriticalSections, &[execution.0.as_bytes()])
}

/// The beginning of the keys of an instance's sub-orchestrations.
pub(super) fn children(parent: &InstanceId) -> Key {
    Key::new(Table::Children, &[parent.as_str().as_bytes(), &[END_OF_ID]])
}

pub(super) fn child(parent: &InstanceId, id: &InstanceId) -> Key {
    Key::new(Table::Children, &[&children(parent).bytes, id.as_str().as_bytes()])
}

pub(super) fn created(time: Timestamp, id: &InstanceId) -> Key {
    Key::new(Table::Created, &[&time.as_nanos().to_be_bytes(), id.as_str().as_bytes()])
}

/// Time and instance of a key by creation.
pub(super) fn read_created(key: &[u8]) -> Result<(Timestamp, InstanceId), StoreError> {
    let (time, id) = key.split_first_chunk().ok_or_else(|| misshapen(Table::Created))?;
    Ok((Timestamp::from_nanos(u64::from_be_bytes(*time)), read_instance(Table::Created, id)?))
}

/// The sub-orchestration of a key that begins with `parent`'s.
pub(super) fn read_child(parent: &Key, key: &[u8]) -> Result<InstanceId, StoreError> {
    let id = key.strip_prefix(parent.bytes.as_slice()).ok_or_else(|| misshapen(Table::Children))?;
    read_instance(Table::Children, id)
}

/// Of fixed length, however long the caller's key is.
pub(super) fn idempotency(key: &str) -> Key {
    Key::new(Table::Idempotency, &[&Sha256::digest(key.as_bytes())])
}

pub(super) fn idempotency_expiry(expires: Timestamp, idempotency: &Key) -> Key {
    Key::new(Table::IdempotencyExpiry, &[&expires.as_nanos().to_be_bytes(), &idempotency.bytes])
}

pub(super) fn expiry(expires: Timestamp, id: &InstanceId, generation: u64) -> Key {
    let time = expires.as_nanos().to_be_bytes();
    Key::new(Table::Expiries, &[&time, &generation.to_be_bytes(), id.as_str().as_bytes()])
}

/// The id that is a whole key.
pub(super) fn read_instance(table: Table, key: &[u8]) -> Result<InstanceId, StoreError> {
    let text = std::str::from_utf8(key).map_err(|_| misshapen(table))?;
    InstanceId::new(text).map_err(|_| misshapen(table))
}

/// The schedule id that is a whole key.
pub(super) fn read_schedule(key: &[u8]) -> Result<ScheduleId, StoreError> {
    let text = std::str::from_utf8(key).map_err(|_| misshapen(Table::Schedules))?;
    ScheduleId::new(text).map_err(|_| misshapen(Table::Schedules))
}

/// Instance and sequence of a message's key.
pub(super) fn read_message(key: &[u8]) -> Result<(InstanceId, u64), StoreError> {
    let (id, rest) = read_of_instance(Table::Inbox, key)?;
    let sequence = rest.try_into().map_err(|_| misshapen(Table::Inbox))?;
    Ok((id, u64::from_be_bytes(sequence)))
}

/// Instance, execution and task of an open task's key.
pub(super) fn read_task(key: &[u8]) -> Result<(InstanceId, ExecutionId, TaskId), StoreError> {
    let (id, rest) = read_of_instance(Table::Tasks, key)?;
    let (execution, task) =
        rest.split_first_chunk::<EXECUTION_BYTES>().ok_or_else(|| misshapen(Table::Tasks))?;
    let task = task.try_into().map_err(|_| misshapen(Table::Tasks))?;
    Ok((id, ExecutionId(Uuid::from_bytes(*execution)), TaskId(u32::from_be_bytes(task))))
}

/// Time and idempotency row of an expiry's key.
pub(super) fn read_expiry(key: &[u8]) -> Result<(Timestamp, Key), StoreError> {
    let (time, digest) = key.split_first_chunk().ok_or_else(|| misshapen(Table::IdempotencyExpiry))?;
    Ok((Timestamp::from_nanos(u64::from_be_bytes(*time)), Key::new(Table::Idempotency, &[digest])))
}

/// Time, instance and generation of a run's expiry.
pub(super) fn read_run_expiry(key: &[u8]) -> Result<(Timestamp, InstanceId, u64), StoreError> {
    let (time, rest) = key.split_first_chunk().ok_or_else(|| misshapen(Table::Expiries))?;
    let (generation, id) = rest.split_first_chunk().ok_or_else(|| misshapen(Table::Expiries))?;
    let time = Timestamp::from_nanos(u64::from_be_bytes(*time));
    Ok((time, read_instance(Table::Expiries, id)?, u64::from_be_bytes(*generation)))
}

/// The id that is a whole key.
pub(super) fn read_entity(table: Table, key: &[u8]) -> Result<EntityId, StoreError> {
    let text = std::str::from_utf8(key).map_err(|_| misshapen(table))?;
    text.parse().map_err(|_| misshapen(table))
}

/// The entity of a message's key.
pub(super) fn read_receiver(key: &[u8]) -> Result<EntityId, StoreError> {
    let (id, _place) = split_in_partition(Table::EntityInbox, key)?;
    read_entity(Table::EntityInbox, id)
}

/// The place of a message's key, which begins with that of its lane.
pub(super) fn read_place(lane: Lane, lane_key: &Key, key: &[u8]) -> Result<MailPlace, StoreError> {
    let place = key.get(lane_key.bytes.len()..).and_then(|place| place.split_first_chunk());
    let (due, sequence) = place.ok_or_else(|| misshapen(Table::EntityInbox))?;
    let sequence = sequence.try_into().map_err(|_| misshapen(Table::EntityInbox))?;
    let due = Timestamp::from_nanos(u64::from_be_bytes(*due));
    Ok(MailPlace { lane, due, sequence: u64::from_be_bytes(sequence) })
}

fn read_of_instance(table: Table, key: &[u8]) -> Result<(InstanceId, &[u8]), StoreError> {
    let (id, rest) = split_in_partition(table, key)?;
    Ok((read_instance(table, id)?, rest))
}

/// The id in a key that begins with a partition, and what comes after it.
fn split_in_partition(table: Table, key: &[u8]) -> Result<(&[u8], &[u8]), StoreError> {
    let (_partition, rest) = key.split_first_chunk::<2>().ok_or_else(|| misshapen(table))?;
    let end = rest.iter().position(|byte| *byte == END_OF_ID).ok_or_else(|| misshapen(table))?;
    let (id, rest) = rest.split_at(end);
    Ok((id, rest.get(1..).unwrap_or_default()))
}

fn misshapen(table: Table) -> StoreError {
    StoreError::Corrupt { table: table.name(), why: "its key has a wrong shape".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> InstanceId {
        InstanceId::new(text).unwrap()
    }

    #[test]
    fn keys_of_an_id_do_not_begin_with_those_of_a_shorter_one() {
        let partition = PartitionId(3);
        let short = of_instance(Table::Inbox, partition, &id("job"));
        let long = message(partition, &id("job-1"), 5);
        assert!(!long.bytes.starts_with(&short.bytes));
        assert!(message(partition, &id("job"), 5).bytes.starts_with(&short.bytes));
        assert!(!generation(&id("job-1"), 1).bytes.starts_with(&generations(&id("job")).bytes));
    }

    #[test]
    fn keys_are_read_as_they_were_made() {
        let execution = ExecutionId(Uuid::from_u128(u128::MAX / 3));
        let key = message(PartitionId(300), &id("äö"), u64::MAX - 1);
        assert_eq!(read_message(&key.bytes).unwrap(), (id("äö"), u64::MAX - 1));
        let key = task(PartitionId(0), &id("a b"), execution, TaskId(7));
        assert_eq!(read_task(&key.bytes).unwrap(), (id("a b"), execution, TaskId(7)));
        let row = idempotency("some key");
        let key = idempotency_expiry(Timestamp::from_nanos(9), &row);
        assert_eq!(read_expiry(&key.bytes).unwrap(), (Timestamp::from_nanos(9), row));
        let key = expiry(Timestamp::from_nanos(9), &id("äö"), 7);
        assert_eq!(read_run_expiry(&key.bytes).unwrap(), (Timestamp::from_nanos(9), id("äö"), 7));
    }

    #[test]
    fn keys_of_a_wrong_shape_are_corrupt() {
        for key in [&b""[..], b"\0", b"\0\0", b"\0\0abc", b"\0\0abc\0short", b"\0\0\0\0\0\0\0\0\0\0\0"] {
            assert!(matches!(read_message(key), Err(StoreError::Corrupt { .. })), "{key:?}");
            assert!(matches!(read_task(key), Err(StoreError::Corrupt { .. })), "{key:?}");
        }
    }
}
