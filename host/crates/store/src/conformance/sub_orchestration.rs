//! Sub-orchestrations: started with the parent's turn, their results sent to the parent that waits.

use super::{Driver, execution, id, start_request, turn_write};
use crate::{StartRequest, TaskHubStore, TurnOutcome, TurnWrite};
use durance_durable::{
    HistoryEvent, IfExists, InstanceRecord, Json, MessageTarget, Parent, RuntimeStatus, TaskId,
};

const TASK: TaskId = TaskId(4);

fn child_of(parent: &InstanceRecord, child: &str, number: u128) -> StartRequest {
    let waits =
        Parent { name: "Parent".into(), instance: id("parent"), execution: parent.execution, task: TASK };
    StartRequest { parent: Some(waits), ..start_request(child, number) }
}

fn turn_with_child(parent: &InstanceRecord, child: &str, number: u128) -> TurnWrite {
    let mut write = turn_write("parent", parent, vec![HistoryEvent::ExecutionStarted]);
    write.children = vec![child_of(parent, child, number)];
    write
}

/// The failure that waits in the parent's inbox.
fn failure_type(driver: &Driver<'_>) -> String {
    let inbox = driver.inbox("parent");
    let [message] = inbox.as_slice() else { unreachable!("{inbox:?}") };
    match &message.event {
        HistoryEvent::SubOrchestrationInstanceFailed { task: TASK, failure } => failure.error_type.clone(),
        other => unreachable!("{other:?}"),
    }
}

pub fn child_is_started_with_the_turn_that_creates_it(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let parent = driver.begin("parent", 1);
    let TurnOutcome::Committed { messages } = driver.turn(turn_with_child(&parent, "child", 2)) else {
        unreachable!("the turn is not stale");
    };
    assert_eq!(messages, driver.inbox("child"));
    assert_eq!(driver.record("child").status, RuntimeStatus::Pending);
    let began = store.execution(execution(2)).expect("readable").expect("written");
    assert_eq!(began.parent.map(|parent| parent.task), Some(TASK));
}

pub fn child_whose_id_is_in_use_fails_its_task(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    driver.begin("child", 9);
    let parent = driver.begin("parent", 1);
    let TurnOutcome::Committed { messages } = driver.turn(turn_with_child(&parent, "child", 2)) else {
        unreachable!("the turn is not stale");
    };
    assert_eq!(messages, driver.inbox("parent"));
    assert_eq!(failure_type(&driver), "AlreadyExists");
    assert_eq!(driver.record("child").execution, execution(9));
    assert_eq!(store.execution(execution(2)).expect("readable"), None);
}

pub fn start_without_a_parent_whose_id_is_in_use_changes_nothing(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    driver.begin("child", 9);
    let mut write = turn_with_child(&driver.begin("parent", 1), "child", 2);
    write.children = vec![start_request("child", 2), start_request("other", 3)];
    let TurnOutcome::Committed { messages } = driver.turn(write) else {
        unreachable!("the turn is not stale");
    };
    assert_eq!(messages, driver.inbox("other"));
    assert_eq!(driver.record("child").execution, execution(9));
    assert_eq!(driver.inbox("parent"), []);
}

pub fn stale_turn_starts_no_child(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let parent = driver.run("parent", 1);
    let old = InstanceRecord { event_count: 0, ..parent };
    assert_eq!(driver.turn(turn_with_child(&old, "child", 2)), TurnOutcome::Stale);
    assert_eq!(driver.find("child"), None);
}

pub fn parent_gets_the_result_of_its_child(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let parent = driver.begin("parent", 1);
    driver.write(turn_with_child(&parent, "child", 2));
    driver.finish("child", &driver.record("child"), RuntimeStatus::Completed);
    let inbox = driver.inbox("parent");
    let [message] = inbox.as_slice() else { unreachable!("{inbox:?}") };
    assert_eq!(message.target, MessageTarget::Execution(execution(1)));
    let result = Json::of("done");
    assert_eq!(message.event, HistoryEvent::SubOrchestrationInstanceCompleted { task: TASK, result });
}

pub fn parent_that_is_over_gets_nothing(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let parent = driver.begin("parent", 1);
    let parent = driver.write(turn_with_child(&parent, "child", 2));
    driver.finish("parent", &parent, RuntimeStatus::Completed);
    driver.begin("parent", 3);
    driver.finish("child", &driver.record("child"), RuntimeStatus::Completed);
    let inbox = driver.inbox("parent");
    assert!(inbox.iter().all(|message| message.event == HistoryEvent::ExecutionStarted), "{inbox:?}");
}

pub fn parent_learns_that_its_child_was_terminated(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let parent = driver.begin("parent", 1);
    driver.write(turn_with_child(&parent, "child", 2));
    driver.start(StartRequest { if_exists: IfExists::TerminateAndReplace, ..start_request("child", 3) });
    assert_eq!(failure_type(&driver), "Terminated");
    driver.finish("child", &driver.record("child"), RuntimeStatus::Completed);
    assert_eq!(driver.inbox("parent").len(), 1, "the new run has no parent");
}
