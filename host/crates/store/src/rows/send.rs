//! [`Operation::Send`](crate::Operation::Send).

use super::Transaction;
use crate::{SendEvent, SendOutcome, StoreError};
use durance_durable::MessageTarget;

pub(super) fn apply(transaction: &mut Transaction<'_>, send: SendEvent) -> Result<SendOutcome, StoreError> {
    let Some(record) = transaction.record(&send.instance)? else { return Ok(SendOutcome::NotFound) };
    if record.status.is_finished() {
        return Ok(SendOutcome::Finished(record.status));
    }
    let target = MessageTarget::Generation(record.generation);
    Ok(SendOutcome::Accepted(transaction.send(send.instance, target, send.event)))
}
