//! [`Operation::Purge`](crate::Operation::Purge), and the end of the time that a run is kept.

use super::{Table, Transaction, codec, keys, stored::Tombstone};
use crate::{PurgeOutcome, StoreError};
use durance_durable::{InstanceId, InstanceRecord};

pub(super) fn apply(transaction: &mut Transaction<'_>, id: &InstanceId) -> Result<PurgeOutcome, StoreError> {
    let Some(record) = transaction.record(id)? else { return Ok(PurgeOutcome::NotFound) };
    if !record.status.is_finished() {
        return Ok(PurgeOutcome::NotFinished(record.status));
    }
    let generations = keys::generations(id);
    let previous = transaction.under(&generations)?.into_values();
    // All are read before anything is deleted.
    let previous: Vec<InstanceRecord> =
        previous.map(|value| codec::decode(Table::Generations, &value)).collect::<Result<_, _>>()?;
    for record in previous {
        transaction.forget_execution(record.execution)?;
    }
    transaction.delete_under(&generations)?;
    transaction.forget_parent(id, &record)?;
    transaction.forget_execution(record.execution)?;
    transaction.delete_record(id, &record);
    let token = transaction.next_token();
    transaction.put(keys::tombstone(id), &Tombstone { token, generation: record.generation });
    transaction.count_tombstones(|count| count + 1);
    Ok(PurgeOutcome::Purged)
}

/// Deletes a run whose time is over: the instance, if it is still its last run, or else what is kept of that run alone.
pub(super) fn expire(
    transaction: &mut Transaction<'_>,
    id: &InstanceId,
    generation: u64,
) -> Result<(), StoreError> {
    if transaction.record(id)?.is_some_and(|record| record.generation == generation) {
        return apply(transaction, id).map(drop);
    }
    let key = keys::generation(id, generation);
    let kept: Option<InstanceRecord> = transaction.get(&key)?;
    if let Some(kept) = kept {
        transaction.delete(key);
        transaction.forget_execution(kept.execution)?;
    }
    Ok(())
}
