//! A row that cannot be read stops its own instance and nobody else's.

use durance_durable::{HistoryEvent, InstanceId, RuntimeStatus};
use durance_store::{
    MemoryStore, Operation, Outcome, Recovered, StartOutcome, TaskHubView as _,
    conformance::{Driver, id, start_request, turn_write},
};

fn damaged_and_sound() -> (MemoryStore, InstanceId) {
    let store = MemoryStore::new(4);
    let driver = Driver::new(&store);
    driver.run("damaged", 1);
    driver.run("sound", 2);
    driver.raise("damaged", "E");
    driver.raise("sound", "E");
    let damaged = id("damaged");
    store.damage(&damaged);
    (store, damaged)
}

#[test]
fn operations_of_other_instances_in_the_same_commit_are_written() {
    let (store, damaged) = damaged_and_sound();
    let driver = Driver::new(&store);
    let sound = driver.record("sound");
    let of_damaged = turn_write("damaged", &sound, vec![HistoryEvent::ExecutionStarted]);
    let of_sound = turn_write("sound", &sound, vec![]);
    let outcomes = driver.commit(vec![
        Operation::Turn(of_damaged),
        Operation::Start(start_request("new", 3)),
        Operation::Purge(damaged.clone()),
        Operation::Turn(of_sound),
    ]);
    assert!(
        matches!(
            outcomes.as_slice(),
            [
                Outcome::Unreadable(_),
                Outcome::Start(StartOutcome::Started { .. }),
                Outcome::Unreadable(_),
                Outcome::Turn(_)
            ]
        ),
        "{outcomes:?}"
    );
    assert_eq!(driver.record("new").status, RuntimeStatus::Pending);
    assert!(store.instance(&damaged).is_err());
}

#[test]
fn what_waits_for_other_instances_is_recovered() {
    let (store, damaged) = damaged_and_sound();
    let waiting = Driver::new(&store).waiting();
    let is_sound =
        |waiting: &&Recovered| matches!(waiting, Recovered::Message(m) if m.instance == id("sound"));
    assert_eq!(waiting.iter().filter(is_sound).count(), 1);
    let why = waiting.iter().find_map(|waiting| match waiting {
        Recovered::Unreadable { instance, why } if *instance == damaged => Some(why.clone()),
        _ => None,
    });
    assert!(why.is_some_and(|why| why.contains("a row of inbox cannot be read")), "{waiting:?}");
}
