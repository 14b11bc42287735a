//! Idempotency keys: a repeated request gets the first outcomes.

use super::{Driver, at, execution, id, start_request};
use crate::{
    IdempotencyKey, OnceOutcome, OnceRequest, Operation, Outcome, SendEvent, SendOutcome, StartOutcome,
    TaskHubStore,
};
use durance_durable::{HistoryEvent, Json, RuntimeStatus, Timestamp};

const DAY_NANOS: u64 = 24 * 3_600 * 1_000_000_000;

fn key(key: &str, digest: u8) -> IdempotencyKey {
    IdempotencyKey { key: key.into(), request_digest: [digest; 32] }
}

fn once(idempotency: IdempotencyKey, operations: Vec<Operation>, now: Timestamp) -> Operation {
    Operation::Once(OnceRequest { idempotency, operations, now })
}

fn keyed(instance: &str, number: u128, text: &str, digest: u8) -> Operation {
    once(key(text, digest), vec![Operation::Start(start_request(instance, number))], at(1_000))
}

fn raise(instance: &str) -> Operation {
    let event = HistoryEvent::EventRaised { name: "e".into(), input: Json::null() };
    Operation::Send(SendEvent { instance: id(instance), event })
}

fn told(driver: &Driver<'_>, operation: Operation) -> OnceOutcome {
    match driver.commit_one(operation) {
        Outcome::Once(outcome) => outcome,
        other => unreachable!("it was answered {other:?}"),
    }
}

fn sweep(driver: &Driver<'_>, now: u64) -> usize {
    match driver.commit_one(Operation::Sweep { now: at(now) }) {
        Outcome::Sweep { deleted } => deleted,
        other => unreachable!("a sweep was answered {other:?}"),
    }
}

pub fn repeated_request_is_told_the_first_outcome(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let OnceOutcome::First(first) = told(&driver, keyed("job", 1, "key", 1)) else {
        unreachable!("the key is new");
    };
    assert!(
        matches!(&first[..], [Outcome::Start(StartOutcome::Started { messages, .. })] if messages.len() == 1)
    );
    driver.finish("job", &driver.record("job"), RuntimeStatus::Completed);
    let retold: Vec<_> = first.into_iter().map(Outcome::retold).collect();
    let again = told(&driver, keyed("job", 2, "key", 1));
    assert!(
        matches!(&retold[..], [Outcome::Start(StartOutcome::Started { messages, .. })] if messages.is_empty())
    );
    assert_eq!(again, OnceOutcome::Repeated(retold));
    assert_eq!(store.first_outcome(&key("key", 1), at(9)).expect("readable"), Some(again));
    assert_eq!(store.first_outcome(&key("other", 1), at(9)).expect("readable"), None);
    assert_eq!(driver.record("job").execution, execution(1));

    let outcomes = driver.commit(vec![keyed("a", 3, "same", 1), keyed("a", 4, "same", 1)]);
    assert!(matches!(outcomes.last(), Some(Outcome::Once(OnceOutcome::Repeated(_)))), "{outcomes:?}");
}

pub fn operations_under_one_key_are_one(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let both = |number| {
        let start = Operation::Start(start_request("job", number));
        once(key("key", 1), vec![start, raise("job")], at(1_000))
    };
    let OnceOutcome::First(outcomes) = told(&driver, both(1)) else { unreachable!("the key is new") };
    assert!(matches!(outcomes.get(1), Some(Outcome::Send(SendOutcome::Accepted(_)))), "{outcomes:?}");
    let OnceOutcome::Repeated(outcomes) = told(&driver, both(2)) else { unreachable!("it was done") };
    assert_eq!(outcomes.get(1), Some(&Outcome::Send(SendOutcome::Repeated)));
    assert_eq!(driver.inbox("job").len(), 2, "the start and one event");
}

pub fn refusal_is_repeated_too(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let refused = OnceOutcome::Repeated(vec![Outcome::Send(SendOutcome::NotFound)]);
    told(&driver, once(key("key", 1), vec![raise("job")], at(1_000)));
    driver.begin("job", 1);
    assert_eq!(told(&driver, once(key("key", 1), vec![raise("job")], at(1_000))), refused);
}

pub fn another_request_under_the_same_key_is_refused(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    told(&driver, keyed("job", 1, "key", 1));
    assert_eq!(told(&driver, keyed("other", 2, "key", 2)), OnceOutcome::Mismatch);
    assert_eq!(driver.find("other"), None);
    let long = "k".repeat(100_000);
    assert!(matches!(told(&driver, keyed("long", 3, &long, 1)), OnceOutcome::First(_)));
    assert!(matches!(told(&driver, keyed("long", 4, &long, 1)), OnceOutcome::Repeated(_)));
}

pub fn key_is_kept_for_a_day(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    told(&driver, keyed("job", 1, "key", 1));
    let later =
        |number, now| once(key("key", 2), vec![Operation::Start(start_request("other", number))], at(now));
    assert_eq!(told(&driver, later(2, 1_000 + DAY_NANOS - 1)), OnceOutcome::Mismatch);
    assert!(matches!(told(&driver, later(3, 1_000 + DAY_NANOS)), OnceOutcome::First(_)));
    assert!(matches!(told(&driver, later(4, 1_000 + DAY_NANOS)), OnceOutcome::Repeated(_)));
}

pub fn sweep_deletes_only_keys_whose_time_is_over(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    told(&driver, keyed("old", 1, "old", 1));
    told(&driver, once(key("new", 1), vec![raise("nobody")], at(5_000)));
    assert_eq!(sweep(&driver, 1_000 + DAY_NANOS - 1), 0);
    assert!(sweep(&driver, 1_000 + DAY_NANOS) > 0);
    assert_eq!(sweep(&driver, 1_000 + DAY_NANOS), 0);
    assert!(matches!(told(&driver, once(key("new", 1), vec![], at(5_000))), OnceOutcome::Repeated(_)));
    assert!(matches!(told(&driver, keyed("old", 4, "old", 2)), OnceOutcome::First(_)), "the key is free");
}
