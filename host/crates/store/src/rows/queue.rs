//! Starts that wait for the end of the run that has their id.

use super::{
    Key, Table, Transaction, codec, keys,
    lifecycle::{Succession, holder},
    transaction::Listed,
};
use crate::{QueuedStart, StartOutcome, StartRequest, StoreError};
use durance_durable::{InstanceId, InstanceRecord, Message, Timestamp};

/// The most starts that may wait for one instance.
const QUEUE_MAX: u32 = 1000;

/// Keeps a start until the live instance is over.
pub(super) fn push(
    transaction: &mut Transaction<'_>,
    request: StartRequest,
    mut live: InstanceRecord,
) -> StartOutcome {
    if live.queued >= QUEUE_MAX {
        return StartOutcome::QueueFull(request.instance);
    }
    let before = Some(Listed::of(&live));
    live.queued += 1;
    transaction.put_record(&request.instance, before, &live);
    let sequence = transaction.next_sequence();
    transaction.insert(keys::queued(&request.instance, sequence), &request);
    StartOutcome::Queued(QueuedStart {
        execution: request.execution,
        position: live.queued,
        holder: holder(request.instance, &live),
    })
}

/// [`Operation::DropQueue`](crate::Operation::DropQueue).
pub(super) fn drop_all(
    transaction: &mut Transaction<'_>,
    id: &InstanceId,
) -> Result<Option<u32>, StoreError> {
    let Some(mut record) = transaction.record(id)? else { return Ok(None) };
    let waited = std::mem::take(&mut record.queued);
    if waited > 0 {
        transaction.delete_under(&keys::queue(id))?;
        transaction.put_record(id, Some(Listed::of(&record)), &record);
    }
    Ok(Some(waited))
}

impl Transaction<'_> {
    /// Begins the run that has waited longest for the end of this one. The message begins it. None waits: nothing.
    pub(super) fn begin_queued(
        &mut self,
        id: &InstanceId,
        mut ended: InstanceRecord,
        now: Timestamp,
    ) -> Result<Option<Message>, StoreError> {
        let Some(left) = ended.queued.checked_sub(1) else { return Ok(None) };
        let Some((bytes, value)) = self.first_under(&keys::queue(id), 1)?.pop_first() else {
            return Ok(None);
        };
        let request: StartRequest = codec::decode(Table::Queue, &value)?;
        self.delete(Key { table: Table::Queue, bytes });
        ended.queued = 0;
        self.retire(id, &ended)?;
        let place =
            Succession { generation: ended.generation + 1, replaced: Some(Listed::of(&ended)), queued: left };
        let (_, message) = self.begin_run(StartRequest { now, ..request }, place);
        Ok(Some(message))
    }
}
