//! [`Operation::Sweep`](crate::Operation::Sweep).

use super::{Key, Table, Transaction, keys};
use crate::StoreError;
use durance_durable::Timestamp;

/// The most idempotency keys that one call deletes.
const KEYS_MAX: usize = 2048;

pub(super) fn apply(transaction: &mut Transaction<'_>, now: Timestamp) -> Result<usize, StoreError> {
    let mut deleted = 0;
    for bytes in transaction.first_under(&Key::all(Table::IdempotencyExpiry), KEYS_MAX)?.into_keys() {
        let (expires, idempotency) = keys::read_expiry(&bytes)?;
        if expires > now {
            break;
        }
        transaction.delete(idempotency);
        transaction.delete(Key { table: Table::IdempotencyExpiry, bytes });
        deleted += 2;
    }
    Ok(deleted)
}
