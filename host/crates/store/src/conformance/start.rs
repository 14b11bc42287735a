//! Starts: who gets an id.

use super::{Driver, at, call, execution, id, start_request, timer};
use crate::{Holder, Operation, Outcome, StartOutcome, StartRequest, TaskHubStore};
use durance_durable::{HistoryEvent, IfExists, Json, MessageTarget, RuntimeStatus, Token};

/// What a policy makes of an existing instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    Started,
    Existing,
    AlreadyExists,
}

fn decision(outcome: &StartOutcome) -> Decision {
    match outcome {
        StartOutcome::Started { .. } => Decision::Started,
        StartOutcome::Existing(_) => Decision::Existing,
        StartOutcome::AlreadyExists(_) => Decision::AlreadyExists,
        other => unreachable!("a start without token and key was answered {other:?}"),
    }
}

fn with_policy(instance: &str, number: u128, if_exists: IfExists) -> StartRequest {
    StartRequest { if_exists, ..start_request(instance, number) }
}

pub fn every_policy_decides_as_its_table_says(store: &dyn TaskHubStore) {
    use Decision::{AlreadyExists, Existing, Started};
    let driver = Driver::new(store);
    let table = [
        (IfExists::Reject, AlreadyExists, AlreadyExists),
        (IfExists::ReplaceFinished, AlreadyExists, Started),
        (IfExists::UseExisting, Existing, Existing),
        (IfExists::UseExistingIfLive, Existing, Started),
        (IfExists::TerminateAndReplace, Started, Started),
    ];
    for (number, (policy, live, finished)) in (1..).step_by(10).zip(table) {
        for (suffix, expected) in
            [("unused", Started), ("pending", live), ("running", live), ("done", finished)]
        {
            let instance = format!("{policy}-{suffix}");
            let before = match suffix {
                "unused" => None,
                "pending" => Some(driver.begin(&instance, number)),
                "running" => Some(driver.run(&instance, number + 1)),
                _ => Some(driver.finish(
                    &instance,
                    &driver.run(&instance, number + 2),
                    RuntimeStatus::Completed,
                )),
            };
            let next = execution(1_000 + number + instance.len() as u128 * 1_000_000);
            let request = StartRequest { execution: next, ..with_policy(&instance, 0, policy) };
            let outcome = driver.start(request);
            assert_eq!(decision(&outcome), expected, "{instance}");
            let holder = match outcome {
                StartOutcome::Started { holder, .. } => {
                    assert_eq!(holder.execution, next, "{instance}");
                    assert_eq!(
                        holder.generation,
                        before.map_or(0, |record| record.generation) + 1,
                        "{instance}"
                    );
                    holder
                }
                StartOutcome::Existing(holder) | StartOutcome::AlreadyExists(holder) => holder,
                other => unreachable!("{other:?}"),
            };
            let record = driver.record(&instance);
            let (execution, generation, status) = (record.execution, record.generation, record.status);
            assert_eq!(holder, Holder { instance: id(&instance), execution, generation, status });
        }
    }
}

pub fn start_writes_a_pending_run_and_the_message_that_begins_it(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let StartOutcome::Started { holder, terminated, messages } = driver.start(start_request("job", 7)) else {
        unreachable!("nothing holds the id");
    };
    let record = driver.record("job");
    assert_eq!((holder.status, record.status), (RuntimeStatus::Pending, RuntimeStatus::Pending));
    assert_eq!((record.created, record.last_updated, record.event_count), (at(1_000), at(1_000), 0));
    assert_eq!(terminated, None);

    let began = store.execution(execution(7)).expect("readable").expect("written");
    assert_eq!((began.instance, began.started, began.input), (id("job"), at(1_000), Json::of("job")));
    assert_eq!(messages, driver.inbox("job"));
    let [message] = messages.as_slice() else { unreachable!("one message begins a run: {messages:?}") };
    assert_eq!(message.sequence, 0);
    assert_eq!(message.target, MessageTarget::Execution(execution(7)));
    assert_eq!(message.event, HistoryEvent::ExecutionStarted);
}

pub fn live_run_that_is_replaced_is_terminated_in_the_same_commit(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let first = driver.run("job", 1);
    let tasks = vec![HistoryEvent::TaskScheduled(call(0)), HistoryEvent::TimerCreated(timer(1))];
    driver.go_on("job", &first, tasks);
    driver.raise("job", "Approval");

    let outcome = driver.start(with_policy("job", 2, IfExists::TerminateAndReplace));
    let StartOutcome::Started { terminated, .. } = outcome else { unreachable!("{outcome:?}") };
    assert_eq!(terminated, Some(execution(1)));
    let waiting = driver.waiting();
    assert_eq!(waiting.len(), 1, "only the new run's start waits: {waiting:?}");

    let old = store.previous_generations(&id("job")).expect("readable").pop().expect("kept");
    assert_eq!((old.execution, old.status), (execution(1), RuntimeStatus::Terminated));
    let history = driver.history(execution(1));
    let [
        ..,
        HistoryEvent::ExecutionTerminated { reason, recursive: false },
        HistoryEvent::ExecutionCompleted { status, output, .. },
    ] = history.as_slice()
    else {
        unreachable!("{history:?}");
    };
    assert_eq!((*status, output.as_ref()), (RuntimeStatus::Terminated, Some(&Json::of(&**reason))));
    assert_eq!(old.event_count, history.len() as u64);
    assert_eq!(old.output, *output);
}

pub fn run_that_is_replaced_before_its_first_turn_has_a_whole_history(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    driver.begin("job", 1);
    driver.start(with_policy("job", 2, IfExists::TerminateAndReplace));
    assert!(driver.history(execution(1)).starts_with(&[HistoryEvent::ExecutionStarted]));
    assert_eq!(driver.inbox("job").len(), 1);
}

pub fn token_of_an_id_changes_with_all_that_happens_to_it_and_never_comes_back(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let mut seen = vec![driver.token("job")];
    let mut changed = |what: &str| {
        let token = driver.token("job");
        assert!(!seen.contains(&token), "{what}: {token:?} was seen before");
        seen.push(token);
    };
    let record = driver.begin("job", 1);
    changed("start");
    let before = driver.token("job");
    let record = driver.go_on("job", &record, vec![HistoryEvent::ExecutionStarted]);
    assert_eq!(driver.token("job"), before, "a turn that goes on changes nothing");
    driver.finish("job", &record, RuntimeStatus::Completed);
    changed("finish");
    driver.begin("job", 2);
    changed("replacement");
    driver.start(with_policy("job", 3, IfExists::TerminateAndReplace));
    changed("replacement of a live run");
    let record = driver.record("job");
    driver.finish("job", &record, RuntimeStatus::Failed);
    changed("failure");
    driver.purge("job");
    changed("purge");
    let purged = driver.token("job");
    driver.begin("other", 4);
    assert_eq!(driver.token("job"), purged, "another id changes nothing");
    driver.begin("job", 5);
    changed("start after a purge");
}

pub fn start_with_an_old_token_changes_nothing(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let with_token =
        |number, token: Token| StartRequest { token: Some(token), ..start_request("job", number) };
    let unused = driver.token("job");
    let outcome = driver.start(with_token(1, Token(unused.0 + 100)));
    assert_eq!(outcome, StartOutcome::Changed(None));
    assert_eq!(driver.find("job"), None);

    assert!(matches!(driver.start(with_token(2, unused)), StartOutcome::Started { .. }));
    let holder = |outcome| match outcome {
        StartOutcome::Changed(holder) => holder,
        other => unreachable!("{other:?}"),
    };
    let found = holder(driver.start(with_token(3, unused))).expect("a run holds the id");
    assert_eq!(found.execution, execution(2));

    driver.finish("job", &driver.record("job"), RuntimeStatus::Completed);
    driver.purge("job");
    assert_eq!(holder(driver.start(with_token(4, unused))), None, "the id is free again, but not untouched");
    assert!(matches!(driver.start(with_token(5, driver.token("job"))), StartOutcome::Started { .. }));
}

pub fn starts_of_one_commit_see_each_other(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let starts = (1..=64).map(|number| Operation::Start(start_request("job", number)));
    let outcomes = driver.commit(starts.collect());
    let is_started = |outcome: &&Outcome| matches!(outcome, Outcome::Start(StartOutcome::Started { .. }));
    assert_eq!(outcomes.iter().filter(is_started).count(), 1);
    for outcome in outcomes.iter().skip(1) {
        let Outcome::Start(StartOutcome::AlreadyExists(holder)) = outcome else {
            unreachable!("{outcome:?}")
        };
        assert_eq!(holder.execution, execution(1));
    }
}

pub fn newest_three_replaced_generations_are_kept(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    for number in 1..=6 {
        let record = driver.run("job", number);
        driver.finish("job", &record, RuntimeStatus::Completed);
        driver.run(&format!("job-{number}"), 100 + number);
    }
    let kept = store.previous_generations(&id("job")).expect("readable");
    let numbers: Vec<_> = kept.iter().map(|record| (record.generation, record.execution)).collect();
    assert_eq!(numbers, [(5, execution(5)), (4, execution(4)), (3, execution(3))]);
    for number in 1..=6 {
        let is_kept = number >= 3;
        assert_eq!(store.execution(execution(number)).expect("readable").is_some(), is_kept, "{number}");
        assert_eq!(!driver.history(execution(number)).is_empty(), is_kept, "{number}");
    }
}
