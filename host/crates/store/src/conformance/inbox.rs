//! Inboxes: every message is taken exactly once, in order.

use super::{Driver, execution, id, start_request, turn_write};
use crate::{SendOutcome, TaskHubStore, TurnOutcome};
use durance_durable::{
    ExecutionRecord, HistoryEvent, InstanceRecord, Json, Message, MessageTarget, NextExecution,
    RuntimeStatus, SendEventTo, TaskId,
};

fn accepted(outcome: SendOutcome) -> Message {
    match outcome {
        SendOutcome::Accepted(message) => message,
        other => unreachable!("{other:?}"),
    }
}

pub fn message_waits_until_a_turn_takes_it(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let record = driver.run("job", 1);
    let message = accepted(driver.raise("job", "Approval"));
    let later = accepted(driver.raise("job", "Later"));
    assert_eq!(message.target, MessageTarget::Generation(record.generation));
    assert_eq!(driver.inbox("job"), [message.clone(), later.clone()]);

    let mut write = turn_write("job", &record, vec![message.event.clone()]);
    write.commit.taken = vec![message.sequence];
    driver.write(write);
    assert_eq!(driver.inbox("job"), [later]);
}

pub fn messages_are_kept_in_the_order_they_came(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    driver.run("job", 1);
    driver.run("other", 2);
    let sent: Vec<_> = (0..300)
        .map(|number| {
            driver.raise("other", "Noise");
            accepted(driver.raise("job", &format!("{number}")))
        })
        .collect();
    assert!(sent.is_sorted_by(|a, b| a.sequence < b.sequence));
    assert_eq!(driver.inbox("job"), sent);
}

pub fn message_to_nobody_or_to_a_finished_instance_is_refused(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    assert_eq!(driver.raise("nobody", "Approval"), SendOutcome::NotFound);
    driver.finish("job", &driver.run("job", 1), RuntimeStatus::Failed);
    assert_eq!(driver.raise("job", "Approval"), SendOutcome::Finished(RuntimeStatus::Failed));
    assert_eq!(driver.waiting(), []);
}

pub fn inboxes_of_similar_ids_are_apart(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let ids = ["a", "a!", "aa", "a a", "ä", "a-1", "a-10"];
    for (number, instance) in (1..).zip(ids) {
        driver.run(instance, number);
        accepted(driver.raise(instance, instance));
    }
    driver.finish("a", &driver.record("a"), RuntimeStatus::Completed);
    assert_eq!(driver.inbox("a"), []);
    for instance in ids.into_iter().skip(1) {
        assert_eq!(driver.inbox(instance).len(), 1, "{instance}");
    }
}

pub fn reply_goes_to_the_inbox_of_the_same_execution(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let record = driver.run("job", 1);
    let reply = HistoryEvent::SubOrchestrationInstanceCompleted { task: TaskId(0), result: Json::null() };
    let mut write = turn_write("job", &record, Vec::new());
    write.replies = vec![reply.clone()];
    driver.write(write);
    let inbox = driver.inbox("job");
    let [message] = inbox.as_slice() else { unreachable!("{inbox:?}") };
    assert_eq!((message.target, &message.event), (MessageTarget::Execution(record.execution), &reply));
}

fn sent(receiver: &str, name: &str) -> HistoryEvent {
    HistoryEvent::EventSent(SendEventTo { instance: id(receiver), name: name.into(), input: Json::of(name) })
}

/// The names of the external events in an inbox.
fn raised(driver: &Driver<'_>, instance: &str) -> Vec<String> {
    let event = |message: Message| match message.event {
        HistoryEvent::EventRaised { name, input } => {
            assert_eq!(input, Json::of(&*name));
            Some(name.to_string())
        }
        _ => None,
    };
    driver.inbox(instance).into_iter().filter_map(event).collect()
}

pub fn events_of_a_turn_go_out_with_it_in_their_order(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    driver.run("receiver", 1);
    let record = driver.run("job", 2);
    let stale = InstanceRecord { event_count: 0, ..record.clone() };
    assert_eq!(driver.turn(turn_write("job", &stale, vec![sent("receiver", "no")])), TurnOutcome::Stale);
    assert_eq!(raised(&driver, "receiver"), [""; 0]);

    let events = vec![sent("receiver", "a"), sent("receiver", "b"), sent("receiver", "c")];
    let TurnOutcome::Committed { messages } = driver.turn(turn_write("job", &record, events)) else {
        unreachable!("the turn is not stale");
    };
    assert_eq!(messages, driver.inbox("receiver"));
    assert_eq!(raised(&driver, "receiver"), ["a", "b", "c"]);
    assert!(messages.iter().all(|message| message.target == MessageTarget::Generation(1)), "{messages:?}");
}

pub fn event_of_a_turn_to_nobody_or_to_a_finished_instance_is_dropped(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    driver.finish("over", &driver.run("over", 1), RuntimeStatus::Completed);
    let record = driver.run("job", 2);
    driver.go_on("job", &record, vec![sent("over", "a"), sent("nobody", "b")]);
    assert_eq!(driver.waiting(), []);
}

pub fn event_of_a_turn_reaches_what_the_turn_starts_and_its_own_next_execution(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let record = driver.run("job", 1);
    let mut write = turn_write("job", &record, vec![sent("new", "a"), sent("job", "b")]);
    write.children = vec![start_request("new", 2)];
    write.commit.status = RuntimeStatus::ContinuedAsNew;
    let next = ExecutionRecord {
        instance: id("job"),
        started: write.commit.turn.time,
        input: Json::null(),
        parent: None,
        carryover: Vec::new(),
        retention: durance_durable::RetentionPolicy::default(),
    };
    write.commit.next = Some(NextExecution { execution: execution(3), keep_version: true, record: next });
    driver.write(write);
    assert_eq!((raised(&driver, "new"), raised(&driver, "job")), (vec!["a".into()], vec!["b".into()]));
}
