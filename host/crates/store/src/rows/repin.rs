//! [`Operation::Repin`](crate::Operation::Repin).

use super::{Transaction, keys};
use crate::{Repin, StoreError};

pub(super) fn apply(transaction: &mut Transaction<'_>, repin: &Repin) -> Result<bool, StoreError> {
    let record = transaction.record(&repin.instance)?;
    let is_as_seen = |record: &durance_durable::InstanceRecord| {
        record.execution == repin.execution
            && record.event_count == repin.event_count
            && !record.status.is_finished()
    };
    let Some(mut record) = record.filter(is_as_seen) else { return Ok(false) };
    record.module = repin.module;
    transaction.put(keys::instance(&repin.instance), &record);
    Ok(true)
}
