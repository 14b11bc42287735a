//! Turns: all or nothing, on the state they were built on.

use super::{Driver, at, call, execution, start_request, timer, turn_write};
use crate::{Operation, Outcome, StartOutcome, TaskHubStore, TurnOutcome};
use durance_durable::{HistoryEvent, InstanceRecord, Json, RuntimeStatus};

pub fn turn_changes_record_and_history_together(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let before = driver.begin("job", 1);
    let first = vec![HistoryEvent::ExecutionStarted, HistoryEvent::TaskScheduled(call(0))];
    let mut write = turn_write("job", &before, first.clone());
    write.commit.custom_status = Some(Json::of("half way"));
    let after = driver.write(write);
    assert_eq!((after.event_count, after.status, after.last_updated), (2, RuntimeStatus::Running, at(2_000)));
    assert_eq!(
        (after.created, after.token, after.generation),
        (before.created, before.token, before.generation)
    );
    assert_eq!(after.custom_status, Some(Json::of("half way")));

    let second = vec![HistoryEvent::TimerCreated(timer(1))];
    let after = driver.go_on("job", &after, second.clone());
    assert_eq!((after.event_count, &after.custom_status), (3, &None));
    let turns = store.history(execution(1)).expect("readable");
    assert_eq!(turns.iter().map(|turn| turn.time).collect::<Vec<_>>(), [at(2_000), at(2_002)]);
    assert_eq!(driver.history(execution(1)), [first, second].concat());

    let done = driver.finish("job", &after, RuntimeStatus::Completed);
    assert_eq!((done.status, done.output), (RuntimeStatus::Completed, Some(Json::of("done"))));
}

pub fn turn_on_another_base_changes_nothing(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let record = driver.run("job", 1);
    let stale = [
        InstanceRecord { event_count: 0, ..record.clone() },
        InstanceRecord { event_count: 2, ..record.clone() },
        InstanceRecord { execution: execution(2), ..record.clone() },
    ];
    let waiting = driver.waiting();
    for base in stale {
        let write = turn_write("job", &base, vec![HistoryEvent::TaskScheduled(call(0))]);
        assert_eq!(driver.turn(write), TurnOutcome::Stale);
    }
    assert_eq!(driver.turn(turn_write("nobody", &record, Vec::new())), TurnOutcome::Stale);
    assert_eq!(driver.record("job"), record);
    assert_eq!(driver.history(execution(1)), [HistoryEvent::ExecutionStarted]);
    assert_eq!(driver.waiting(), waiting);
}

pub fn turn_of_a_finished_instance_is_stale(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let done = driver.finish("job", &driver.run("job", 1), RuntimeStatus::Completed);
    let write = turn_write("job", &done, vec![HistoryEvent::TaskScheduled(call(0))]);
    assert_eq!(driver.turn(write), TurnOutcome::Stale);
    assert_eq!(driver.waiting(), []);
}

pub fn start_and_first_turn_share_a_commit(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let like = driver.begin("like", 1);
    let first = |number| {
        let record = InstanceRecord { execution: execution(number), ..like.clone() };
        let events = vec![HistoryEvent::ExecutionStarted, HistoryEvent::TaskScheduled(call(0))];
        Operation::Turn(turn_write("job", &record, events))
    };
    let outcomes = driver.commit(vec![
        Operation::Start(start_request("job", 2)),
        first(2),
        Operation::Start(start_request("job", 3)),
        first(3),
    ]);
    let [
        Outcome::Start(StartOutcome::Started { .. }),
        Outcome::Turn(TurnOutcome::Committed { .. }),
        Outcome::Start(StartOutcome::AlreadyExists(_)),
        Outcome::Turn(TurnOutcome::Stale),
    ] = outcomes.as_slice()
    else {
        unreachable!("{outcomes:?}");
    };
    assert_eq!(driver.inbox("job"), [], "the turn took the start");
    assert_eq!(driver.record("job").event_count, 2);
}

pub fn last_turn_leaves_nothing_that_waits(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let record = driver.run("job", 1);
    let tasks = vec![HistoryEvent::TaskScheduled(call(0)), HistoryEvent::TimerCreated(timer(1))];
    let record = driver.go_on("job", &record, tasks);
    driver.raise("job", "Ignored");
    assert_eq!(driver.waiting().len(), 3);
    driver.finish("job", &record, RuntimeStatus::Completed);
    assert_eq!(driver.waiting(), []);
}
