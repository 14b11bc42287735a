//! Continue-as-new: another execution of the same run.

use super::{Driver, at, call, execution, id, timer, turn_write};
use crate::TaskHubStore;
use durance_durable::{
    ExecutionRecord, HistoryEvent, InstanceRecord, Json, MessageTarget, NextExecution, RuntimeStatus, TaskId,
};

fn continue_as_new(driver: &Driver<'_>, record: &InstanceRecord, number: u128) -> InstanceRecord {
    let input = Json::of("next");
    let mut write = turn_write("job", record, vec![HistoryEvent::ContinueAsNew { input: input.clone() }]);
    let began = ExecutionRecord {
        instance: id("job"),
        started: at(3_000),
        input,
        parent: None,
        carryover: vec![HistoryEvent::EventRaised { name: "Kept".into(), input: Json::null() }],
        retention: durance_durable::RetentionPolicy::default(),
    };
    write.commit.status = RuntimeStatus::ContinuedAsNew;
    write.commit.next =
        Some(NextExecution { execution: execution(number), keep_version: true, record: began });
    driver.write(write)
}

pub fn next_execution_takes_the_place_of_the_last(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let first = driver.run("job", 1);
    let next = continue_as_new(&driver, &first, 2);
    assert_eq!((next.execution, next.event_count, next.status), (execution(2), 0, RuntimeStatus::Running));
    assert_eq!((next.generation, next.token, next.created), (first.generation, first.token, first.created));
    assert_eq!(driver.history(execution(1)), []);
    assert_eq!(store.execution(execution(1)).expect("readable"), None);
    assert_eq!(store.previous_generations(&id("job")).expect("readable"), []);
    let began = store.execution(execution(2)).expect("readable").expect("written");
    assert_eq!((began.input, began.carryover.len()), (Json::of("next"), 1));
    let inbox = driver.inbox("job");
    let [start] = inbox.as_slice() else { unreachable!("{inbox:?}") };
    assert_eq!((start.sequence, start.target), (0, MessageTarget::Execution(execution(2))));

    let record = driver.go_on("job", &next, vec![HistoryEvent::ExecutionStarted]);
    assert_eq!(driver.inbox("job"), []);
    driver.finish("job", &record, RuntimeStatus::Completed);
}

pub fn events_for_the_run_stay_and_results_for_the_execution_go(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let record = driver.run("job", 1);
    let mut write = turn_write(
        "job",
        &record,
        vec![HistoryEvent::TaskScheduled(call(0)), HistoryEvent::TimerCreated(timer(1))],
    );
    let result = Json::null();
    write.replies = vec![HistoryEvent::SubOrchestrationInstanceCompleted { task: TaskId(2), result }];
    let record = driver.write(write);
    driver.raise("job", "Kept");
    assert_eq!(driver.waiting().len(), 4);

    continue_as_new(&driver, &record, 2);
    let inbox = driver.inbox("job");
    let targets: Vec<_> = inbox.iter().map(|message| message.target).collect();
    assert_eq!(targets, [MessageTarget::Execution(execution(2)), MessageTarget::Generation(1)]);
    assert_eq!(driver.waiting().len(), inbox.len(), "no task is open");
}

pub fn view_shows_the_moment_it_was_taken(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let first = driver.run("job", 1);
    let view = store.view();
    continue_as_new(&driver, &first, 2);
    driver.begin("other", 3);
    let seen = view.instance(&id("job")).expect("readable").record.expect("it was there");
    assert_eq!(seen, first);
    assert_eq!(view.history(seen.execution).expect("readable").len(), 1);
    assert!(view.execution(seen.execution).expect("readable").is_some());
    assert_eq!(view.instance(&id("other")).expect("readable").record, None);
    assert_eq!(driver.record("job").execution, execution(2), "the store itself shows what is now");
}
