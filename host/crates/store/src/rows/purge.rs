//! [`Operation::Purge`](crate::Operation::Purge).

use super::{Table, Transaction, codec, keys, stored::Tombstone};
use crate::{PurgeOutcome, StoreError};
use durance_durable::{InstanceId, InstanceRecord};

pub(super) fn apply(transaction: &mut Transaction<'_>, id: &InstanceId) -> Result<PurgeOutcome, StoreError> {
    let Some(record) = transaction.record(id)? else { return Ok(PurgeOutcome::NotFound) };
    if !record.status.is_finished() {
        return Ok(PurgeOutcome::NotFinished(record.status));
    }
    let generations = keys::generations(id);
    for value in transaction.under(&generations)?.into_values() {
        let previous: InstanceRecord = codec::decode(Table::Generations, &value)?;
        transaction.forget_execution(previous.execution)?;
    }
    transaction.delete_under(&generations)?;
    transaction.forget_parent(id, &record)?;
    transaction.forget_execution(record.execution)?;
    transaction.delete_record(id, &record);
    let token = transaction.next_token();
    transaction.put(keys::tombstone(id), &Tombstone { token, generation: record.generation });
    Ok(PurgeOutcome::Purged)
}
