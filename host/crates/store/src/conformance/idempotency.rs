//! Idempotency keys: a repeated start gets the first outcome.

use super::{Driver, at, execution, start_request};
use crate::{IdempotencyKey, Operation, Outcome, StartOutcome, StartRequest, TaskHubStore};
use durance_durable::RuntimeStatus;

const DAY_NANOS: u64 = 24 * 3_600 * 1_000_000_000;

fn keyed(instance: &str, number: u128, key: &str, digest: u8) -> StartRequest {
    let idempotency = Some(IdempotencyKey { key: key.into(), request_digest: [digest; 32] });
    StartRequest { idempotency, ..start_request(instance, number) }
}

fn sweep(driver: &Driver<'_>, now: u64) -> usize {
    match driver.commit(vec![Operation::Sweep { now: at(now) }]).pop() {
        Some(Outcome::Sweep { deleted }) => deleted,
        other => unreachable!("a sweep was answered {other:?}"),
    }
}

pub fn repeated_request_is_told_the_first_outcome(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let StartOutcome::Started { holder, .. } = driver.start(keyed("job", 1, "key", 1)) else {
        unreachable!("nothing holds the id");
    };
    driver.finish("job", &driver.record("job"), RuntimeStatus::Completed);
    assert_eq!(driver.start(keyed("job", 2, "key", 1)), StartOutcome::Repeated(holder));
    assert_eq!(driver.record("job").execution, execution(1));

    let twice = vec![Operation::Start(keyed("a", 3, "same", 1)), Operation::Start(keyed("a", 4, "same", 1))];
    let outcomes = driver.commit(twice);
    assert!(matches!(outcomes.last(), Some(Outcome::Start(StartOutcome::Repeated(_)))), "{outcomes:?}");
}

pub fn refusal_is_repeated_too(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let record = driver.begin("job", 1);
    let refused = driver.start(keyed("job", 2, "key", 1));
    assert!(matches!(refused, StartOutcome::AlreadyExists(_)), "{refused:?}");
    driver.finish("job", &record, RuntimeStatus::Completed);
    assert_eq!(driver.start(keyed("job", 3, "key", 1)), refused);
}

pub fn another_request_under_the_same_key_is_refused(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    driver.start(keyed("job", 1, "key", 1));
    assert_eq!(driver.start(keyed("other", 2, "key", 2)), StartOutcome::IdempotencyMismatch);
    assert_eq!(driver.find("other"), None);
    let long = "k".repeat(100_000);
    assert!(matches!(driver.start(keyed("long", 3, &long, 1)), StartOutcome::Started { .. }));
    assert!(matches!(driver.start(keyed("long", 4, &long, 1)), StartOutcome::Repeated(_)));
}

pub fn key_is_kept_for_a_day(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    driver.start(keyed("job", 1, "key", 1));
    let later = |number, now| StartRequest { now: at(now), ..keyed("other", number, "key", 2) };
    assert_eq!(driver.start(later(2, 1_000 + DAY_NANOS - 1)), StartOutcome::IdempotencyMismatch);
    assert!(matches!(driver.start(later(3, 1_000 + DAY_NANOS)), StartOutcome::Started { .. }));
    assert!(matches!(driver.start(later(4, 1_000 + DAY_NANOS)), StartOutcome::Repeated(_)));
}

pub fn sweep_deletes_only_keys_whose_time_is_over(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    driver.start(keyed("old", 1, "old", 1));
    driver.start(StartRequest { now: at(5_000), ..keyed("new", 2, "new", 1) });
    assert_eq!(sweep(&driver, 1_000 + DAY_NANOS - 1), 0);
    assert!(sweep(&driver, 1_000 + DAY_NANOS) > 0);
    assert_eq!(sweep(&driver, 1_000 + DAY_NANOS), 0);
    assert!(matches!(driver.start(keyed("new", 3, "new", 1)), StartOutcome::Repeated(_)));
    assert!(
        matches!(driver.start(keyed("old", 4, "old", 2)), StartOutcome::AlreadyExists(_)),
        "the key is free"
    );
}
