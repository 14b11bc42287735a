//! Schedules: each tick is decided once, together with its run.

use super::{Driver, at, id};
use crate::{
    Operation, Outcome, RunWith, ScheduleChange, ScheduleOutcome, ScheduleWrite, ScheduleWritten,
    StartOutcome, TaskHubStore,
};
use durance_durable::{
    Json, ModuleHash, OverlapPolicy, RetentionPolicy, RunOutcome, RuntimeStatus, ScheduleDefinition,
    ScheduleId, ScheduleRecord, ScheduleTarget, Timestamp, Timing, Token,
};
use std::time::Duration;
use uuid::Uuid;

/// Seconds.
const CREATED: u64 = 1_000;

fn seconds(seconds: u64) -> Timestamp {
    at(seconds * 1_000_000_000)
}

fn schedule_id() -> ScheduleId {
    ScheduleId::new("beat").expect("valid")
}

/// Every ten seconds.
fn definition(overlap: OverlapPolicy, instance: Option<&str>) -> ScheduleDefinition {
    ScheduleDefinition {
        target: ScheduleTarget::Orchestrator {
            name: "Beat".into(),
            input: Json::of("in"),
            instance: instance.map(Into::into),
        },
        timing: Timing::Every(Duration::from_secs(10)),
        overlap,
        catch_up: Duration::from_secs(60),
        start: None,
        end: None,
    }
}

impl Driver<'_> {
    /// Commits a change of the schedule.
    fn schedule(&self, change: ScheduleChange, now: u64) -> ScheduleOutcome {
        let write = ScheduleWrite { id: schedule_id(), change, now: seconds(now) };
        match self.commit(vec![Operation::Schedule(write)]).pop() {
            Some(Outcome::Schedule(outcome)) => outcome,
            other => unreachable!("a schedule was answered {other:?}"),
        }
    }

    fn written(&self, change: ScheduleChange, now: u64) -> ScheduleWritten {
        match self.schedule(change, now) {
            ScheduleOutcome::Written(written) => *written,
            other => unreachable!("the change was answered {other:?}"),
        }
    }

    fn create(&self, overlap: OverlapPolicy, instance: Option<&str>) -> ScheduleRecord {
        self.written(ScheduleChange::Create(definition(overlap, instance)), CREATED).record
    }

    /// The outcomes of the ticks that are due at this second.
    fn tick(&self, now: u64) -> Vec<RunOutcome> {
        let with = self.with();
        self.written(ScheduleChange::Tick(with), now).runs.into_iter().map(|run| run.outcome).collect()
    }

    fn with(&self) -> RunWith {
        let (_, record) = self.store.schedules().expect("readable").pop().expect("there is one");
        let seed = Uuid::from_u128(record.revision.0.into());
        RunWith {
            revision: record.revision,
            module: Ok(ModuleHash([1; 32])),
            retention: RetentionPolicy::default(),
            seed,
        }
    }
}

fn started(instance: &str, generation: u64) -> RunOutcome {
    RunOutcome::Started { instance: id(instance), generation }
}

/// The instance of the tick at this second.
fn instance_at(second: u64) -> String {
    let template = "{schedule}-{time}";
    schedule_id().instance_of(template, seconds(second)).expect("valid").to_string()
}

pub fn schedule_is_kept_until_it_is_deleted(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    assert_eq!(driver.schedule(ScheduleChange::Resume, CREATED), ScheduleOutcome::NotFound);
    assert_eq!(driver.schedule(ScheduleChange::Delete, CREATED), ScheduleOutcome::NotFound);
    let created = driver.create(OverlapPolicy::Skip, None);
    assert_eq!(store.schedules().expect("readable"), [(schedule_id(), created.clone())]);
    let again = driver.schedule(ScheduleChange::Create(definition(OverlapPolicy::Allow, None)), CREATED);
    assert_eq!(again, ScheduleOutcome::AlreadyExists(Box::new(created.clone())));
    let put = driver.written(ScheduleChange::Put(definition(OverlapPolicy::Allow, None)), CREATED + 1).record;
    assert_eq!((put.definition.overlap, put.next), (OverlapPolicy::Allow, created.next));
    assert!(put.revision > created.revision);
    let paused = driver.written(ScheduleChange::Pause { reason: "why".into() }, CREATED + 2).record;
    assert_eq!(paused.paused.as_deref(), Some("why"));
    assert_eq!(driver.tick(CREATED + 30), []);
    let resumed = driver.written(ScheduleChange::Resume, CREATED + 31).record;
    assert_eq!(resumed.due(), Some(seconds(CREATED + 40)));
    assert_eq!(driver.schedule(ScheduleChange::Delete, CREATED), ScheduleOutcome::Deleted);
    assert_eq!(store.schedules().expect("readable"), []);
}

pub fn tick_starts_its_run_and_moves_on_in_one_commit(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    driver.create(OverlapPolicy::Skip, None);
    assert_eq!(driver.tick(CREATED + 9), []);
    let written = driver.written(ScheduleChange::Tick(driver.with()), CREATED + 12);
    assert_eq!(written.record.next, Some(seconds(CREATED + 20)));
    let [StartOutcome::Started { holder, messages, .. }] = written.starts.as_slice() else {
        unreachable!("{:?}", written.starts)
    };
    assert_eq!((holder.instance.as_str(), messages.len()), (instance_at(CREATED + 10).as_str(), 1));
    let record = driver.record(holder.instance.as_str());
    assert_eq!(
        (&*record.name, record.status, record.created),
        ("Beat", RuntimeStatus::Pending, seconds(CREATED + 12))
    );
    let began = store.execution(record.execution).expect("readable").expect("it began");
    assert_eq!(began.input, Json::of("in"));
    assert_eq!(driver.inbox(holder.instance.as_str()).len(), 1);
    assert_eq!(driver.tick(CREATED + 12), [], "the tick is decided");
}

pub fn tick_of_another_revision_changes_nothing(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let record = driver.create(OverlapPolicy::Skip, None);
    let old = RunWith { revision: Token(record.revision.0 - 1), ..driver.with() };
    let stale = ScheduleOutcome::Stale(Box::new(record.clone()));
    assert_eq!(driver.schedule(ScheduleChange::Tick(old.clone()), CREATED + 10), stale);
    assert_eq!(driver.schedule(ScheduleChange::Trigger(old), CREATED + 10), stale);
    assert_eq!(store.schedules().expect("readable"), [(schedule_id(), record)]);
    assert_eq!(driver.find(&instance_at(CREATED + 10)), None);
}

pub fn every_overlap_policy_while_the_run_before_is_live(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let (first, second) = (instance_at(CREATED + 10), instance_at(CREATED + 20));
    let table = [
        (OverlapPolicy::Skip, None, RunOutcome::Skipped, RuntimeStatus::Pending),
        (OverlapPolicy::Queue, None, RunOutcome::Queued, RuntimeStatus::Pending),
        (OverlapPolicy::Allow, None, started(&second, 1), RuntimeStatus::Pending),
        (OverlapPolicy::Terminate, None, started(&second, 1), RuntimeStatus::Terminated),
    ];
    let mut generation = 0;
    for (policy, template, expected, before) in table {
        driver.create(policy, template);
        generation += 1;
        assert_eq!(driver.tick(CREATED + 10), [started(&first, generation)], "{policy}");
        driver.run_first_turn(&first);
        let outcomes = driver.tick(CREATED + 20);
        let expected_before = if before == RuntimeStatus::Pending { RuntimeStatus::Running } else { before };
        assert_eq!(driver.record(&first).status, expected_before, "{policy}");
        match (&outcomes[..], &expected) {
            ([RunOutcome::Started { instance, .. }], RunOutcome::Started { .. }) => {
                assert_eq!(instance.as_str(), second, "{policy}");
            }
            (outcomes, expected) => assert_eq!(outcomes, std::slice::from_ref(expected), "{policy}"),
        }
        driver.schedule(ScheduleChange::Delete, CREATED);
        for instance in [&first, &second] {
            driver.end(instance);
            driver.purge(instance);
        }
    }
    // An id that is always the same.
    driver.create(OverlapPolicy::Terminate, Some("singleton"));
    assert_eq!(driver.tick(CREATED + 10).len(), 1);
    let before = driver.record("singleton").generation;
    assert_eq!(driver.tick(CREATED + 20), [started("singleton", before + 1)]);
}

impl Driver<'_> {
    fn run_first_turn(&self, instance: &str) {
        let events = vec![durance_durable::HistoryEvent::ExecutionStarted];
        self.go_on(instance, &self.record(instance), events);
    }

    fn end(&self, instance: &str) {
        if let Some(record) = self.find(instance).filter(|record| !record.status.is_finished()) {
            self.finish(instance, &record, RuntimeStatus::Completed);
        }
    }
}

pub fn queued_tick_runs_after_the_run_before(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    driver.create(OverlapPolicy::Queue, None);
    let outcomes = driver.tick(CREATED + 35);
    assert_eq!(outcomes, [started(&instance_at(CREATED + 10), 1), RunOutcome::Queued, RunOutcome::Queued]);
    assert_eq!(driver.tick(CREATED + 36), []);
    driver.end(&instance_at(CREATED + 10));
    assert_eq!(driver.tick(CREATED + 37), [started(&instance_at(CREATED + 20), 1)]);
    assert_eq!(driver.tick(CREATED + 37), [], "the next waits again");
    driver.end(&instance_at(CREATED + 20));
    assert_eq!(driver.tick(CREATED + 38), [started(&instance_at(CREATED + 30), 1)]);
}

pub fn tick_that_was_run_is_not_run_again_by_a_new_schedule_of_the_same_id(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    driver.create(OverlapPolicy::Allow, None);
    driver.tick(CREATED + 10);
    driver.end(&instance_at(CREATED + 10));
    driver.schedule(ScheduleChange::Delete, CREATED);
    driver.create(OverlapPolicy::Allow, None);
    assert_eq!(driver.tick(CREATED + 10), [RunOutcome::Skipped]);
    assert_eq!(driver.record(&instance_at(CREATED + 10)).generation, 1);
}

pub fn run_that_cannot_be_started_is_noted(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    driver.create(OverlapPolicy::Skip, None);
    let with = RunWith { module: Err("there is no orchestrator 'Beat'".into()), ..driver.with() };
    let written = driver.written(ScheduleChange::Tick(with), CREATED + 10);
    let outcomes: Vec<_> = written.record.runs.iter().map(|run| run.outcome.clone()).collect();
    assert_eq!(outcomes, [RunOutcome::Failed("there is no orchestrator 'Beat'".into())]);
    assert_eq!(written.record.next, Some(seconds(CREATED + 20)));
    let with = driver.with();
    let triggered = driver.written(ScheduleChange::Trigger(with), CREATED + 15);
    assert_eq!(
        triggered.runs.first().map(|run| run.outcome.clone()),
        Some(started(&instance_at(CREATED + 15), 1))
    );
    assert_eq!(triggered.record.next, Some(seconds(CREATED + 20)), "its own times stay");
}

pub fn function_call_is_remembered_until_it_ends(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let calls =
        ScheduleDefinition { target: ScheduleTarget::Function, ..definition(OverlapPolicy::Queue, None) };
    driver.written(ScheduleChange::Create(calls), CREATED);
    assert_eq!(driver.tick(CREATED + 20), [RunOutcome::Running, RunOutcome::Queued]);
    let (_, record) = store.schedules().expect("readable").pop().expect("there is one");
    assert_eq!(record.running.iter().map(|run| run.scheduled).collect::<Vec<_>>(), [seconds(CREATED + 10)]);
    let ended = ScheduleChange::Ended { scheduled: seconds(CREATED + 10), failure: Some("no luck".into()) };
    let record = driver.written(ended, CREATED + 21).record;
    assert!(record.running.is_empty());
    assert_eq!(record.runs.back().map(|run| &run.outcome), Some(&RunOutcome::Failed("no luck".into())));
    assert_eq!(driver.tick(CREATED + 22), [RunOutcome::Running], "the queued one");
}
