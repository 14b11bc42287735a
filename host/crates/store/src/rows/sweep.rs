//! [`Operation::Sweep`](crate::Operation::Sweep): what was kept for a time goes, in small batches.

use super::{
    Key, Table, Transaction, codec, keys, purge,
    stored::{Opening, Tombstone},
};
use crate::StoreError;
use durance_durable::Timestamp;

/// The most idempotency keys that one call deletes.
const KEYS_MAX: usize = 2048;

/// The most runs that one call deletes: each has a history.
const RUNS_MAX: usize = 64;

/// The most tombstones that one call deletes.
const FORGOTTEN_MAX: usize = 2048;

/// With more tombstones than this, they are forgotten.
const TOMBSTONES_MAX: u64 = 100_000;

pub(super) fn apply(transaction: &mut Transaction<'_>, now: Timestamp) -> Result<usize, StoreError> {
    Ok(idempotency_keys(transaction, now)?
        + runs(transaction, now)?
        + tombstones(transaction, TOMBSTONES_MAX)?)
}

fn idempotency_keys(transaction: &mut Transaction<'_>, now: Timestamp) -> Result<usize, StoreError> {
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

fn runs(transaction: &mut Transaction<'_>, now: Timestamp) -> Result<usize, StoreError> {
    let mut deleted = 0;
    for bytes in transaction.first_under(&Key::all(Table::Expiries), RUNS_MAX)?.into_keys() {
        let (expires, instance, generation) = keys::read_run_expiry(&bytes)?;
        if expires > now {
            break;
        }
        if let Err(error) = purge::expire(transaction, &instance, generation) {
            // It stays, and those behind it do not wait for it.
            tracing::error!(instance_id = %instance, %error, "instance cannot be purged");
        }
        transaction.delete(Key { table: Table::Expiries, bytes });
        deleted += 1;
    }
    Ok(deleted)
}

/// Forgets purged instances when there are many: first the horizon rises above all of their tokens, then those below it
/// go. Whoever still has a token of an id that is not in use finds it changed, as after an opening of the store; no token
/// and no generation is ever given twice.
fn tombstones(transaction: &mut Transaction<'_>, count_max: u64) -> Result<usize, StoreError> {
    let mut opening = *transaction.opening();
    if !opening.is_forgetting {
        if transaction.count_tombstones(|count| count) > count_max {
            let horizon = transaction.next_token();
            transaction.set_opening(Opening { horizon, is_forgetting: true, ..opening });
            return Ok(1);
        }
        return Ok(0);
    }
    let mut deleted = 0;
    for (bytes, value) in transaction.first_under(&Key::all(Table::Tombstones), FORGOTTEN_MAX)? {
        let tombstone: Tombstone = codec::decode(Table::Tombstones, &value)?;
        if tombstone.token < opening.horizon {
            opening.generation_floor = opening.generation_floor.max(tombstone.generation);
            transaction.delete(Key { table: Table::Tombstones, bytes });
            deleted += 1;
        }
    }
    transaction.count_tombstones(|count| count.saturating_sub(deleted as u64));
    transaction.set_opening(Opening { is_forgetting: deleted > 0, ..opening });
    Ok(deleted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        MemoryStore, PurgeOutcome, StartOutcome, TaskHubView,
        conformance::{Driver, id, start_request},
        hub::{Backend, HubStore},
    };
    use durance_durable::{RuntimeStatus, Token};

    fn forget(store: &MemoryStore, count_max: u64) -> usize {
        let backend = store.hub().backend();
        let (deleted, batch) = {
            let rows = backend.view();
            let mut transaction = Transaction::begin(&*rows).unwrap();
            (tombstones(&mut transaction, count_max).unwrap(), transaction.into_batch())
        };
        if let Some(batch) = batch {
            backend.write(batch).unwrap();
        }
        deleted
    }

    #[test]
    fn many_purged_instances_are_forgotten_and_no_token_or_generation_comes_back() {
        let store = MemoryStore::new(4);
        let driver = Driver::new(&store);
        let unused = driver.token("unused");
        let mut tokens = Vec::new();
        let names: Vec<_> = (0..5).map(|number| format!("job-{number}")).collect();
        for (number, name) in names.iter().enumerate() {
            tokens.push(driver.token(name));
            driver.finish(name, &driver.run(name, number as u128 + 1), RuntimeStatus::Completed);
            tokens.push(driver.token(name));
            assert_eq!(driver.purge(name), PurgeOutcome::Purged);
            tokens.push(driver.token(name));
        }
        assert_eq!(forget(&store, 5), 0, "not too many");
        assert_eq!(forget(&store, 4), 1, "the horizon rises");
        // Purged after that: it stays.
        driver.finish("late", &driver.run("late", 99), RuntimeStatus::Completed);
        driver.purge("late");
        let late = driver.token("late");
        assert_eq!((forget(&store, 4), forget(&store, 4), forget(&store, 4)), (5, 0, 0));
        assert_eq!(driver.token("late"), late);
        for name in &names {
            assert!(!tokens.contains(&driver.token(name)) && driver.token(name) > unused, "{name}");
            let old = crate::StartRequest { token: Some(unused), ..start_request(name, 200) };
            assert_eq!(driver.start(old), StartOutcome::Changed(None));
            assert!(store.instance(&id(name)).unwrap().next_generation > 1, "{name}");
        }
        assert!(driver.token("unused") > unused);
        assert_ne!(driver.token("unused"), Token::default());
    }
}
