//! Inboxes: every message is taken exactly once, in order.

use super::{Driver, turn_write};
use crate::{SendOutcome, TaskHubStore};
use durance_durable::{HistoryEvent, Json, Message, MessageTarget, RuntimeStatus, TaskId};

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
