//! Rewinding failed runs.

use super::{Driver, at, call, execution, id, start_request, timer, turn_write};
use crate::{Operation, Outcome, Recovered, RewindOutcome, RewindRequest, StartRequest, TaskHubStore};
use durance_durable::{
    CreateSubOrchestration, HistoryEvent, InstanceRecord, Json, ModuleHash, Parent, RetentionPolicy,
    RuntimeStatus, TaskFailureDetails, TaskId,
};
use std::sync::Arc;

fn rewind(driver: &Driver<'_>, instance: &str) -> RewindOutcome {
    let request = RewindRequest {
        instance: id(instance),
        reason: "again".into(),
        modules: [("Orchestrator".into(), ModuleHash([2; 32]))].into(),
        retention: RetentionPolicy::default(),
        executions: execution(1_000),
        now: at(8_000),
    };
    match driver.commit_one(Operation::Rewind(request)) {
        Outcome::Rewind(outcome) => outcome,
        other => unreachable!("a rewind was answered {other:?}"),
    }
}

fn fail(driver: &Driver<'_>, instance: &str, record: &InstanceRecord, mut events: Vec<HistoryEvent>) {
    let failure = Some(TaskFailureDetails::new("E", "no"));
    let status = RuntimeStatus::Failed;
    events.push(HistoryEvent::ExecutionCompleted { status, output: None, failure: failure.clone() });
    let mut write = turn_write(instance, record, events);
    write.commit.status = status;
    write.commit.failure = failure;
    driver.write(write);
}

fn child_failed() -> HistoryEvent {
    let (task, failure) = (TaskId(0), TaskFailureDetails::new("E", "no"));
    HistoryEvent::SubOrchestrationInstanceFailed { task, failure }
}

/// A parent that waits for a child, with both running.
fn parent_and_child(driver: &Driver<'_>) -> (InstanceRecord, InstanceRecord) {
    let parent = driver.run("parent", 1);
    let (task, name) = (TaskId(0), "Orchestrator".into());
    let (instance, input, retry) = (id("child"), Json::null(), None);
    let created = CreateSubOrchestration { task, name, instance, input, retry };
    let waits =
        Parent { name: Arc::clone(&parent.name), instance: id("parent"), execution: parent.execution, task };
    let mut write =
        turn_write("parent", &parent, vec![HistoryEvent::SubOrchestrationInstanceCreated(created)]);
    write.children = vec![StartRequest { parent: Some(waits), ..start_request("child", 2) }];
    let parent = driver.write(write);
    let child = driver.go_on("child", &driver.record("child"), vec![HistoryEvent::ExecutionStarted]);
    (parent, child)
}

pub fn rewound_run_is_live_and_waits_for_what_failed(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let record = driver.run("job", 1);
    let asked = vec![
        HistoryEvent::TaskScheduled(call(0)),
        HistoryEvent::TaskScheduled(call(1)),
        HistoryEvent::TimerCreated(timer(2)),
    ];
    let record = driver.go_on("job", &record, asked);
    let failed = HistoryEvent::TaskFailed { task: TaskId(0), failure: TaskFailureDetails::new("E", "no") };
    let done = HistoryEvent::TaskCompleted { task: TaskId(1), result: Json::null() };
    fail(&driver, "job", &record, vec![failed, done.clone()]);
    let before = driver.record("job");

    let RewindOutcome::Rewound { waiting } = rewind(&driver, "job") else { unreachable!("it has failed") };
    let after = driver.record("job");
    assert_eq!(
        (after.status, after.failure, after.execution),
        (RuntimeStatus::Running, None, before.execution)
    );
    assert!(after.token > before.token, "a rewind changes the token");
    assert_eq!(after.event_count, before.event_count + 1);
    let rewound = HistoryEvent::ExecutionRewound { reason: "again".into(), kept_events: 4 };
    assert_eq!(driver.history(after.execution).last(), Some(&rewound));
    assert_eq!(driver.inbox("job").iter().map(|message| &message.event).collect::<Vec<_>>(), [&done]);
    let mut stored = driver.waiting();
    assert_eq!(stored.len(), 3, "{stored:?}");
    stored.retain(|one| !waiting.contains(one));
    assert_eq!(stored, [], "what waits is what the answer says");
}

pub fn failed_child_is_rewound_with_its_parent(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let (parent, child) = parent_and_child(&driver);
    fail(&driver, "child", &child, vec![]);
    fail(&driver, "parent", &parent, vec![child_failed()]);
    assert!(matches!(rewind(&driver, "parent"), RewindOutcome::Rewound { .. }));
    let (parent, child) = (driver.record("parent"), driver.record("child"));
    assert_eq!((parent.status, child.status), (RuntimeStatus::Running, RuntimeStatus::Running));
    driver.finish("child", &child, RuntimeStatus::Completed);
    let inbox = driver.inbox("parent");
    let told = inbox.iter().any(|message| {
        matches!(message.event, HistoryEvent::SubOrchestrationInstanceCompleted { task: TaskId(0), .. })
    });
    assert!(told, "{inbox:?}");
}

pub fn child_that_is_gone_is_started_again(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let (parent, child) = parent_and_child(&driver);
    fail(&driver, "child", &child, vec![]);
    fail(&driver, "parent", &parent, vec![child_failed()]);
    driver.purge("child");
    assert_eq!(store.children(&id("parent")).expect("readable"), []);
    rewind(&driver, "parent");
    let child = driver.record("child");
    assert_eq!((child.status, child.module), (RuntimeStatus::Pending, ModuleHash([2; 32])));
    assert_eq!(store.children(&id("parent")).expect("readable"), [id("child")]);
    assert!(driver.waiting().iter().any(|waiting| matches!(
        waiting,
        Recovered::Message(message) if message.instance == id("child")
    )));
}

pub fn only_a_failed_run_is_rewound(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    assert_eq!(rewind(&driver, "job"), RewindOutcome::NotFound);
    let record = driver.run("job", 1);
    assert_eq!(rewind(&driver, "job"), RewindOutcome::NotFailed(RuntimeStatus::Running));
    driver.finish("job", &record, RuntimeStatus::Completed);
    assert_eq!(rewind(&driver, "job"), RewindOutcome::NotFailed(RuntimeStatus::Completed));
    assert_eq!(driver.record("job").status, RuntimeStatus::Completed);
}
