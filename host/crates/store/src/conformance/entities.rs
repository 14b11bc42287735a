//! Entities: messages are taken once and in order, and a turn is all or nothing.

use super::{Driver, at, start_request, turn_write};
use crate::{
    EntityMail, EntityQuery, EntityReply, EntityTurn, EntityTurnOutcome, Operation, Outcome, Recovered,
    TaskHubStore,
};
use durance_durable::{
    CallEntity, Caller, EntityId, EntityMessage, EntityOperation, EntityRecord, EntitySignal, HistoryEvent,
    Json, RuntimeStatus, TaskFailureDetails, TaskId, Timestamp,
};

/// More than any test sends.
const ALL: usize = 1_000;

/// An entity of this key.
pub fn entity(key: &str) -> EntityId {
    EntityId::new("Counter", key).expect("tests use valid ids")
}

/// A signal `add`.
pub fn signal(key: &str, input: u32) -> EntitySignal {
    EntitySignal { entity: entity(key), operation: "add".into(), input: Json::of(&input), due: None }
}

/// The messages that an entity may take now.
pub fn mail(driver: &Driver<'_>, key: &str) -> EntityMail {
    driver.store.entity_mail(&entity(key), at(5_000), ALL).expect("the store can be read")
}

/// What is stored of an entity.
pub fn record(driver: &Driver<'_>, key: &str) -> Option<EntityRecord> {
    driver.store.entity(&entity(key)).expect("the store can be read")
}

/// A turn that takes all that it may, up to a lock, and adds nothing to it.
pub fn next_turn(driver: &Driver<'_>, key: &str) -> EntityTurn {
    let before = record(driver, key);
    let mut turn = EntityTurn {
        entity: entity(key),
        base: before.as_ref().map(|record| record.version),
        taken: Vec::new(),
        state: before.and_then(|record| record.state),
        last_operation: Some(at(5_000)),
        replies: Vec::new(),
        signals: Vec::new(),
        starts: Vec::new(),
        lock: None,
    };
    for (place, message) in mail(driver, key).messages {
        turn.taken.push(place);
        match message {
            EntityMessage::Operation(EntityOperation { caller: Some(caller), input, .. }) => {
                turn.replies.push(EntityReply { caller, result: Ok(input) });
            }
            EntityMessage::Operation(_) => {}
            EntityMessage::Lock(request) => {
                turn.lock = Some(request);
                break;
            }
        }
    }
    turn
}

/// Commits a turn.
pub fn write(driver: &Driver<'_>, turn: EntityTurn) -> EntityTurnOutcome {
    match driver.commit_one(Operation::EntityTurn(turn)) {
        Outcome::EntityTurn(outcome) => outcome,
        other => unreachable!("a turn of an entity was answered {other:?}"),
    }
}

fn send(driver: &Driver<'_>, signal: EntitySignal) {
    assert_eq!(driver.commit_one(Operation::SignalEntity(signal)), Outcome::SignalEntity);
}

fn inputs(mail: &EntityMail) -> Vec<u32> {
    let input = |message: &EntityMessage| match message {
        EntityMessage::Operation(operation) => operation.input.as_str().parse().expect("a number"),
        EntityMessage::Lock(_) => unreachable!("nobody locks here"),
    };
    mail.messages.iter().map(|(_, message)| input(message)).collect()
}

pub fn signals_wait_in_order_until_a_turn_takes_them(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    for number in 0..300 {
        send(&driver, signal("a", number));
        send(&driver, signal("a!", number));
    }
    assert_eq!(inputs(&mail(&driver, "a")), (0..300).collect::<Vec<_>>());
    let waiting = [Recovered::Entity(entity("a")), Recovered::Entity(entity("a!"))];
    assert!(driver.waiting().iter().all(|found| waiting.contains(found)));

    let mut turn = next_turn(&driver, "a");
    turn.taken.truncate(3);
    turn.state = Some(Json::of(&3));
    assert!(matches!(write(&driver, turn), EntityTurnOutcome::Committed { .. }));
    assert_eq!(inputs(&mail(&driver, "a")), (3..300).collect::<Vec<_>>());
    assert_eq!(inputs(&mail(&driver, "a!")).len(), 300);
    let stored = record(&driver, "a").expect("it has a state");
    assert_eq!((stored.state, stored.last_operation), (Some(Json::of(&3)), at(5_000)));
}

pub fn whoever_sends_wakes_the_entity(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let committed = store.commit(&driver.leases, vec![Operation::SignalEntity(signal("a", 1))]);
    assert_eq!(committed.expect("the owner can commit").woken, [entity("a")]);
    let record = driver.run("job", 1);
    let call =
        CallEntity { task: TaskId(0), entity: entity("b"), operation: "add".into(), input: Json::of(&1) };
    let turn = turn_write("job", &record, vec![HistoryEvent::EntityOperationCalled(call)]);
    let committed = store.commit(&driver.leases, vec![Operation::Turn(turn)]);
    assert_eq!(committed.expect("the owner can commit").woken, [entity("b")]);
}

pub fn turn_of_an_entity_writes_all_together(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let job = driver.run("job", 1);
    send(&driver, signal("a", 1));
    let mut turn = next_turn(&driver, "a");
    let caller = |task| Caller { instance: super::id("job"), execution: job.execution, task: TaskId(task) };
    let failure = TaskFailureDetails::new("Short", "no money");
    turn.state = Some(Json::of(&7));
    turn.replies = vec![
        EntityReply { caller: caller(0), result: Ok(Json::of(&7)) },
        EntityReply { caller: caller(1), result: Err(failure.clone()) },
    ];
    turn.signals = vec![signal("b", 2), signal("b", 3)];
    turn.starts = vec![start_request("child", 2), start_request("job", 3)];
    let EntityTurnOutcome::Committed { messages } = write(&driver, turn) else {
        unreachable!("nothing was changed in between")
    };
    let events: Vec<_> = messages.iter().map(|message| message.event.clone()).collect();
    let expected = [
        HistoryEvent::EntityOperationCompleted { task: TaskId(0), result: Json::of(&7) },
        HistoryEvent::EntityOperationFailed { task: TaskId(1), failure },
        HistoryEvent::ExecutionStarted,
    ];
    assert_eq!(events, expected);
    assert_eq!(driver.inbox("job").len(), 2);
    assert_eq!(driver.record("child").status, RuntimeStatus::Pending);
    assert_eq!(driver.record("job").execution, job.execution);
    assert_eq!(inputs(&mail(&driver, "b")), [2, 3]);
    assert_eq!(mail(&driver, "a"), EntityMail::default());
}

pub fn turn_of_an_entity_on_another_version_changes_nothing(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    send(&driver, signal("a", 1));
    send(&driver, signal("a", 2));
    let mut both = next_turn(&driver, "a");
    let mut first = both.clone();
    first.taken.truncate(1);
    assert!(matches!(write(&driver, first), EntityTurnOutcome::Committed { .. }));
    // There is still no record, but a message is gone.
    both.state = Some(Json::of(&3));
    assert_eq!(write(&driver, both), EntityTurnOutcome::Stale);
    assert_eq!((record(&driver, "a"), inputs(&mail(&driver, "a"))), (None, vec![2]));

    let mut second = next_turn(&driver, "a");
    second.state = Some(Json::of(&2));
    assert!(matches!(write(&driver, second.clone()), EntityTurnOutcome::Committed { .. }));
    second.taken.clear();
    assert_eq!(write(&driver, second), EntityTurnOutcome::Stale);
}

pub fn entity_without_state_and_messages_leaves_nothing(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    send(&driver, signal("a", 1));
    let mut turn = next_turn(&driver, "a");
    turn.state = Some(Json::of(&1));
    write(&driver, turn);
    send(&driver, signal("a", 2));
    let mut turn = next_turn(&driver, "a");
    turn.state = None;
    write(&driver, turn);
    assert_eq!((record(&driver, "a"), driver.waiting()), (None, Vec::new()));
}

pub fn scheduled_signal_is_not_taken_before_it_is_due(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    for (due, input) in [(9, 3), (7, 1), (8, 2)] {
        send(&driver, EntitySignal { due: Some(at(due)), ..signal("a", input) });
    }
    send(&driver, signal("a", 0));
    let table: [(u64, &[u32], Option<u64>); 4] =
        [(6, &[0], Some(7)), (7, &[1, 0], Some(8)), (8, &[1, 2, 0], Some(9)), (9, &[1, 2, 3, 0], None)];
    for (now, expected, next_due) in table {
        let mail = store.entity_mail(&entity("a"), at(now), ALL).expect("the store can be read");
        assert_eq!(inputs(&mail), expected, "{now}");
        assert_eq!(mail.next_due, next_due.map(at), "{now}");
    }
    let few = store.entity_mail(&entity("a"), at(9), 2).expect("the store can be read");
    assert_eq!(inputs(&few), [1, 2]);
}

pub fn entities_are_listed_page_by_page(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let other = EntityId::new("Other", "x").expect("valid");
    for (number, id) in [entity("a"), entity("b"), other.clone(), entity("c")].into_iter().enumerate() {
        let key = id.key().to_owned();
        let mut turn = next_turn(&driver, &key);
        turn.entity = id;
        turn.base = None;
        turn.state = Some(Json::of(&key));
        turn.last_operation = Some(Timestamp::from_nanos(number as u64));
        assert!(matches!(write(&driver, turn), EntityTurnOutcome::Committed { .. }));
    }
    let list = |query: EntityQuery| store.list_entities(&query).expect("the store can be read");
    let ids = |query| list(query).entities.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    let all = EntityQuery { page_size: ALL, ..EntityQuery::default() };
    assert_eq!(ids(all.clone()), [entity("a"), entity("b"), entity("c"), other.clone()]);
    let counters = EntityQuery { name: Some("COUNTER".to_owned()), page_size: 2, ..EntityQuery::default() };
    let first = list(counters.clone());
    assert_eq!((first.entities.len(), &first.after), (2, &Some(entity("b"))));
    assert_eq!(ids(EntityQuery { after: first.after, ..counters }), [entity("c")]);
    let between =
        EntityQuery { last_operation_from: Some(at(1)), last_operation_to: Some(at(2)), ..all.clone() };
    assert_eq!(ids(between), [entity("b"), other]);
    assert_eq!(ids(EntityQuery { name: Some("Count".to_owned()), ..all }), []);
}
