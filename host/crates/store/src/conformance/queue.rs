//! Starts that wait for the end of the run that has their id.

use super::{Driver, execution, id, start_request, turn_write};
use crate::{
    Operation, Outcome, PurgeOutcome, QueuedStart, Recovered, StartOutcome, StartRequest, TaskHubStore,
    TurnOutcome,
};
use durance_durable::{HistoryEvent, IfExists, InstanceRecord, Json, RuntimeStatus};

fn request(number: u128, if_exists: IfExists) -> StartRequest {
    StartRequest { if_exists, input: Json::of(&number.to_string()), ..start_request("job", number) }
}

/// Puts a start behind the live run; its place among those that wait.
fn queue(driver: &Driver<'_>, number: u128) -> u32 {
    match driver.start(request(number, IfExists::Queue)) {
        StartOutcome::Queued(QueuedStart { position, execution: queued, .. }) => {
            assert_eq!(queued, execution(number));
            position
        }
        other => unreachable!("a start behind a live run was answered {other:?}"),
    }
}

/// Ends the live run; the executions that begin with that.
fn end(driver: &Driver<'_>, status: RuntimeStatus) -> Vec<HistoryEvent> {
    let record = driver.record("job");
    let completed = HistoryEvent::ExecutionCompleted { status, output: None, failure: None };
    let mut write = turn_write("job", &record, vec![completed]);
    write.commit.status = status;
    match driver.turn(write) {
        TurnOutcome::Committed { messages } => messages.into_iter().map(|message| message.event).collect(),
        TurnOutcome::Stale => unreachable!("the turn was built on what is stored"),
    }
}

fn place(record: &InstanceRecord) -> (u64, u32, RuntimeStatus) {
    (record.generation, record.queued, record.status)
}

pub fn queued_starts_begin_in_order_each_when_the_one_before_is_over(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    driver.run("job", 1);
    assert_eq!([queue(&driver, 2), queue(&driver, 3)], [1, 2]);
    assert_eq!(place(&driver.record("job")), (1, 2, RuntimeStatus::Running));
    assert_eq!(driver.waiting().len(), 0, "nothing of them waits to be delivered");
    assert_eq!(store.queued_modules().expect("readable"), [driver.record("job").module].into());
    for (number, left, status) in [(2, 1, RuntimeStatus::Failed), (3, 0, RuntimeStatus::Terminated)] {
        assert_eq!(end(&driver, status), [HistoryEvent::ExecutionStarted]);
        let record = driver.record("job");
        assert_eq!(place(&record), (number, left, RuntimeStatus::Pending));
        assert_eq!(record.execution, execution(u128::from(number)));
        let began = store.execution(record.execution).expect("readable").expect("written");
        assert_eq!(began.input, Json::of(&number.to_string()));
        let [Recovered::Message(message)] = &*driver.waiting() else { unreachable!("one start waits") };
        assert_eq!(message.event, HistoryEvent::ExecutionStarted);
        let kept = store.previous_generations(&id("job")).expect("readable");
        assert!(kept.iter().any(|kept| place(kept) == (number - 1, 0, status)), "{kept:?}");
        driver.go_on("job", &record, vec![HistoryEvent::ExecutionStarted]);
    }
    assert_eq!(end(&driver, RuntimeStatus::Completed), []);
    assert_eq!(place(&driver.record("job")), (3, 0, RuntimeStatus::Completed));
    assert_eq!(driver.purge("job"), PurgeOutcome::Purged);
}

pub fn replacing_start_goes_before_those_that_wait(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    driver.run("job", 1);
    queue(&driver, 2);
    let replaced = driver.start(request(3, IfExists::TerminateAndReplace));
    assert!(matches!(replaced, StartOutcome::Started { .. }), "{replaced:?}");
    assert_eq!(place(&driver.record("job")), (2, 1, RuntimeStatus::Pending));
    end(&driver, RuntimeStatus::Completed);
    let record = driver.record("job");
    assert_eq!((place(&record), record.execution), ((3, 0, RuntimeStatus::Pending), execution(2)));
}

pub fn queue_is_dropped_and_ends_where_too_many_wait(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let drop_queue = || driver.commit_one(Operation::DropQueue(id("job")));
    assert_eq!(drop_queue(), Outcome::DropQueue(None));
    driver.run("job", 1);
    let starts = (2..1002).map(|number| Operation::Start(request(number, IfExists::Queue)));
    let outcomes = driver.commit(starts.collect());
    let Some(Outcome::Start(StartOutcome::Queued(last))) = outcomes.last() else {
        unreachable!("{:?}", outcomes.last())
    };
    assert_eq!(last.position, 1000);
    assert_eq!(driver.start(request(2000, IfExists::Queue)), StartOutcome::QueueFull(id("job")));
    assert_eq!(drop_queue(), Outcome::DropQueue(Some(1000)));
    assert_eq!(drop_queue(), Outcome::DropQueue(Some(0)));
    assert_eq!(end(&driver, RuntimeStatus::Completed), []);
    assert_eq!(place(&driver.record("job")), (1, 0, RuntimeStatus::Completed));
}
