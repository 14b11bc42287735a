//! Moving a live instance to another component.

use super::{Driver, call, execution, id, turn_write};
use crate::{Operation, Outcome, Repin, TaskHubStore, TurnOutcome};
use durance_durable::{HistoryEvent, InstanceRecord, ModuleHash, NextExecution, RuntimeStatus};

const OTHER: ModuleHash = ModuleHash([2; 32]);

fn repin(driver: &Driver<'_>, seen: &InstanceRecord) -> bool {
    let repin = Repin {
        instance: id("job"),
        execution: seen.execution,
        event_count: seen.event_count,
        module: OTHER,
    };
    match driver.commit(vec![Operation::Repin(repin)]).as_slice() {
        [Outcome::Repin { applied }] => *applied,
        other => unreachable!("a repin was answered {other:?}"),
    }
}

pub fn repinned_instance_takes_no_turn_of_its_old_component(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let before = driver.run("job", 1);
    assert!(repin(&driver, &before));
    let after = driver.record("job");
    assert_eq!(after, InstanceRecord { module: OTHER, ..before.clone() });
    let events = vec![HistoryEvent::TaskScheduled(call(0))];
    assert_eq!(driver.turn(turn_write("job", &before, events.clone())), TurnOutcome::Stale);
    driver.go_on("job", &after, events);
}

pub fn instance_that_has_moved_or_ended_is_not_repinned(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let record = driver.run("job", 1);
    let seen = [
        InstanceRecord { event_count: 0, ..record.clone() },
        InstanceRecord { execution: execution(2), ..record.clone() },
    ];
    for seen in seen {
        assert!(!repin(&driver, &seen));
    }
    let done = driver.finish("job", &record, RuntimeStatus::Completed);
    assert!(!repin(&driver, &done));
    assert_eq!(driver.record("job"), done);
}

pub fn next_execution_may_run_on_another_component(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let record = driver.run("job", 1);
    let began = store.execution(execution(1)).expect("readable").expect("written");
    let mut write = turn_write("job", &record, Vec::new());
    write.commit.status = RuntimeStatus::ContinuedAsNew;
    write.commit.next =
        Some(NextExecution { execution: execution(2), keep_version: false, record: began.clone() });
    write.next_module = Some(OTHER);
    let next = driver.write(write);
    assert_eq!((next.execution, next.module), (execution(2), OTHER));

    let mut write = turn_write("job", &next, Vec::new());
    write.commit.status = RuntimeStatus::ContinuedAsNew;
    write.commit.next = Some(NextExecution { execution: execution(3), keep_version: true, record: began });
    assert_eq!(driver.write(write).module, OTHER);
}
