//! Retention: finished runs are kept as long as was said when they were started.

use super::{Driver, at, execution, id, start_request, turn_write};
use crate::{Operation, Outcome, StartOutcome, StartRequest, TaskHubStore};
use durance_durable::{
    ExecutionRecord, HistoryEvent, Json, NextExecution, RetentionPolicy, RuntimeStatus, Timestamp,
};
use std::time::Duration;

/// Unit: ns.
const TIME: u64 = 1_000_000;

fn kept() -> RetentionPolicy {
    RetentionPolicy::always(Duration::from_nanos(TIME))
}

impl Driver<'_> {
    fn sweep(&self, now: Timestamp) -> usize {
        match self.commit(vec![Operation::Sweep { now }]).pop() {
            Some(Outcome::Sweep { deleted }) => deleted,
            other => unreachable!("a sweep was answered {other:?}"),
        }
    }

    /// Starts a run, and ends it; when it ended.
    fn run_to_end(
        &self,
        instance: &str,
        number: u128,
        retention: RetentionPolicy,
        end: RuntimeStatus,
    ) -> Timestamp {
        let outcome = self.start(StartRequest { retention, ..start_request(instance, number) });
        assert!(matches!(outcome, StartOutcome::Started { .. }), "{outcome:?}");
        let record = self.go_on(instance, &self.record(instance), vec![HistoryEvent::ExecutionStarted]);
        self.finish(instance, &record, end).last_updated
    }
}

fn later(time: Timestamp, nanos: u64) -> Timestamp {
    at(time.as_nanos() + nanos)
}

pub fn finished_run_is_deleted_when_its_time_is_over(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let ended = driver.run_to_end("job", 1, kept(), RuntimeStatus::Completed);
    driver.run_to_end("for ever", 2, RetentionPolicy::default(), RuntimeStatus::Completed);
    assert_eq!(driver.sweep(later(ended, TIME - 1)), 0);
    assert!(driver.find("job").is_some());
    assert_eq!(driver.sweep(later(ended, TIME)), 1);
    assert_eq!(driver.find("job"), None);
    assert_eq!(driver.history(execution(1)), []);
    assert_eq!(driver.sweep(later(ended, TIME)), 0);
    assert_eq!(driver.sweep(at(u64::MAX)), 0, "nothing else has a time");
    assert!(driver.find("for ever").is_some());
}

pub fn each_end_has_its_own_time(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let time = |nanos| Some(Duration::from_nanos(nanos));
    let policy = RetentionPolicy { completed: time(10), failed: None, terminated: time(1_000) };
    let table = [
        ("completed", RuntimeStatus::Completed, Some(10)),
        ("failed", RuntimeStatus::Failed, None),
        ("terminated", RuntimeStatus::Terminated, Some(1_000)),
    ];
    for (number, (name, end, kept)) in (1..).zip(table) {
        let ended = driver.run_to_end(name, number, policy, end);
        if let Some(kept) = kept {
            assert_eq!(driver.sweep(later(ended, kept - 1)), 0, "{name}");
            assert_eq!(driver.sweep(later(ended, kept)), 1, "{name}");
        }
    }
    assert_eq!(driver.sweep(at(u64::MAX)), 0);
    assert!(driver.find("failed").is_some());
}

pub fn replaced_run_is_deleted_alone(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let ended = driver.run_to_end("job", 1, kept(), RuntimeStatus::Completed);
    let second = driver.begin("job", 2);
    assert_eq!(store.previous_generations(&id("job")).expect("readable").len(), 1);
    assert_eq!(driver.sweep(later(ended, TIME)), 1);
    assert_eq!(store.previous_generations(&id("job")).expect("readable"), []);
    assert_eq!(driver.history(execution(1)), []);
    assert_eq!(driver.find("job"), Some(second), "the live run stays");
}

pub fn time_is_kept_over_continue_as_new(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    driver.start(StartRequest { retention: kept(), ..start_request("job", 1) });
    let record = driver.go_on("job", &driver.record("job"), vec![HistoryEvent::ExecutionStarted]);
    let input = Json::of("again");
    let mut again = turn_write("job", &record, vec![HistoryEvent::ContinueAsNew { input: input.clone() }]);
    let next = ExecutionRecord {
        instance: id("job"),
        started: at(5_000),
        input,
        parent: None,
        carryover: Vec::new(),
        retention: store.execution(execution(1)).expect("readable").expect("it began").retention,
    };
    again.commit.status = RuntimeStatus::ContinuedAsNew;
    again.commit.next = Some(NextExecution { execution: execution(2), keep_version: true, record: next });
    let record = driver.write(again);
    let record = driver.go_on("job", &record, vec![HistoryEvent::ExecutionStarted]);
    let ended = driver.finish("job", &record, RuntimeStatus::Completed).last_updated;
    assert_eq!(driver.sweep(later(ended, TIME)), 1);
    assert_eq!(driver.find("job"), None);
}

pub fn many_runs_are_deleted_in_batches(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    for number in 0..100 {
        driver.run_to_end(&format!("job-{number}"), number + 1, kept(), RuntimeStatus::Completed);
    }
    let first = driver.sweep(at(u64::MAX));
    assert!((1..100).contains(&first), "{first}");
    assert_eq!(driver.sweep(at(u64::MAX)), 100 - first);
    assert!(driver.find("job-0").is_none() && driver.find("job-99").is_none());
}
