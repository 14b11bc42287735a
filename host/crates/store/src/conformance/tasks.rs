//! Open tasks: what the host works on, and finds again.

use super::{Driver, at, call, execution, id, timer};
use crate::{OpenActivity, OpenTimer, Operation, Outcome, Recovered, RetryTask, TaskHubStore};
use durance_durable::{HistoryEvent, Json, RuntimeStatus, TaskFailureDetails, TaskId};

fn open_activity(task: u32) -> OpenActivity {
    OpenActivity {
        instance: id("job"),
        execution: execution(1),
        call: call(task),
        scheduled: at(2_001),
        attempt: 1,
        due: None,
        heartbeat: None,
    }
}

fn retry(driver: &Driver<'_>, instance: &str, number: u128, task: u32) -> bool {
    let retry = RetryTask {
        instance: id(instance),
        execution: execution(number),
        task: TaskId(task),
        attempt: 2,
        due: at(7_000),
        heartbeat: Some(Json::of("half done")),
    };
    match driver.commit(vec![Operation::Retry(retry)]).pop() {
        Some(Outcome::Retry { applied }) => applied,
        other => unreachable!("a retry was answered {other:?}"),
    }
}

pub fn scheduled_task_is_open_until_its_result_is_in_the_history(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let record = driver.run("job", 1);
    let calls = (0..3).map(|task| HistoryEvent::TaskScheduled(call(task))).collect();
    let record = driver.go_on("job", &record, calls);
    let open = |task| Recovered::Activity(open_activity(task));
    assert_eq!(driver.waiting(), [open(0), open(1), open(2)]);

    let result = HistoryEvent::TaskCompleted { task: TaskId(1), result: Json::null() };
    let record = driver.go_on("job", &record, vec![result]);
    assert_eq!(driver.waiting(), [open(0), open(2)]);
    let failure = TaskFailureDetails::new("Error", "failed");
    driver.go_on("job", &record, vec![HistoryEvent::TaskFailed { task: TaskId(0), failure }]);
    assert_eq!(driver.waiting(), [open(2)]);
}

pub fn cancelled_activity_is_not_open(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let calls = (0..2).map(|task| HistoryEvent::TaskScheduled(call(task))).collect();
    let record = driver.go_on("job", &driver.run("job", 1), calls);
    driver.go_on("job", &record, vec![HistoryEvent::TaskCanceled { task: TaskId(0) }]);
    assert_eq!(driver.waiting(), [Recovered::Activity(open_activity(1))]);
    assert!(!retry(&driver, "job", 1, 0));
}

pub fn timer_is_open_until_it_fired_or_was_canceled(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let record = driver.run("job", 1);
    let timers = (0..3).map(|task| HistoryEvent::TimerCreated(timer(task))).collect();
    let record = driver.go_on("job", &record, timers);
    let open = |task| {
        let (instance, execution) = (id("job"), execution(1));
        Recovered::Timer(OpenTimer { instance, execution, task: TaskId(task), fire_at: at(9_000) })
    };
    assert_eq!(driver.waiting(), [open(0), open(1), open(2)]);
    let ended =
        vec![HistoryEvent::TimerFired { task: TaskId(0) }, HistoryEvent::TimerCanceled { task: TaskId(2) }];
    driver.go_on("job", &record, ended);
    assert_eq!(driver.waiting(), [open(1)]);
}

pub fn retry_of_an_open_activity_is_remembered(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    driver.go_on("job", &driver.run("job", 1), vec![HistoryEvent::TaskScheduled(call(0))]);
    assert!(retry(&driver, "job", 1, 0));
    let heartbeat = Some(Json::of("half done"));
    let again = OpenActivity { attempt: 2, due: Some(at(7_000)), heartbeat, ..open_activity(0) };
    assert_eq!(driver.waiting(), [Recovered::Activity(again)]);
}

pub fn retry_of_a_task_that_is_not_open_is_not_applied(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let events = vec![HistoryEvent::TaskScheduled(call(0)), HistoryEvent::TimerCreated(timer(1))];
    let record = driver.go_on("job", &driver.run("job", 1), events);
    assert!(!retry(&driver, "nobody", 1, 0));
    assert!(!retry(&driver, "job", 2, 0), "of another execution");
    assert!(!retry(&driver, "job", 1, 1), "a timer");
    assert!(!retry(&driver, "job", 1, 2), "never scheduled");
    driver.finish("job", &record, RuntimeStatus::Completed);
    assert!(!retry(&driver, "job", 1, 0), "the instance is over");
    assert_eq!(driver.waiting(), []);
}
