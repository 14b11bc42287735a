//! Calls, signals and critical sections.

use super::*;
use crate::EntityId;

fn entity(key: &str) -> EntityId {
    EntityId::new("Account", key).unwrap()
}

fn started() -> RuntimeState {
    let mut state = state(Vec::new());
    assert!(begin(&mut state, 10, &[HistoryEvent::ExecutionStarted]));
    state
}

fn granted(task: TaskId) -> HistoryEvent {
    HistoryEvent::EntityLockGranted { task }
}

/// Locks `a` and `b`, and is in the critical section.
fn locked() -> (RuntimeState, TaskId) {
    let mut state = started();
    let lock = state.lock_entities(vec![entity("b"), entity("a"), entity("b")]).unwrap();
    assert_eq!(state.wait_any(&[lock]), Ok(None));
    wait(&mut state);
    state.begin_turn(Timestamp::from_nanos(20), vec![granted(lock)]);
    assert_eq!(state.wait_any(&[lock]), Ok(Some(lock)));
    assert_eq!(state.take_result(lock), Ok(Ok(Json::null())));
    (state, lock)
}

fn violation(result: Result<impl std::fmt::Debug, GuestFault>) -> String {
    let fault = result.unwrap_err();
    assert!(matches!(fault, GuestFault::LockingRules(_)), "{fault:?}");
    assert_eq!(fault.failure().error_type, "LockingRulesViolation");
    fault.to_string()
}

#[test]
fn a_call_is_done_by_its_result_and_a_signal_is_no_task() {
    let mut state = started();
    state.signal_entity(entity("a"), "deposit", json("1"), Some(Timestamp::from_nanos(50))).unwrap();
    let good = state.call_entity(entity("a"), "balance", json("null")).unwrap();
    let bad = state.call_entity(entity("a"), "withdraw", json("9")).unwrap();
    assert_eq!((good, bad), (TaskId(0), TaskId(1)));
    let turn = wait(&mut state).turn;
    assert!(matches!(
        &turn.events[1..],
        [HistoryEvent::EntityOperationSignaled(signal), HistoryEvent::EntityOperationCalled(call), _]
            if &*signal.operation == "deposit" && call.task == good && call.entity == entity("A".to_lowercase().as_str())
    ));
    let failure = TaskFailureDetails::new("Short", "no money");
    let results = vec![
        HistoryEvent::EntityOperationFailed { task: bad, failure: failure.clone() },
        HistoryEvent::EntityOperationCompleted { task: good, result: json("1") },
    ];
    state.begin_turn(Timestamp::from_nanos(20), results);
    assert_eq!(state.wait_any(&[good, bad]), Ok(Some(bad)));
    assert_eq!(state.take_result(bad), Ok(Err(failure)));
    assert_eq!(state.take_result(good), Ok(Ok(json("1"))));
}

#[test]
fn replay_compares_calls_signals_and_locks() {
    let (mut first, lock) = locked();
    let call = first.call_entity(entity("a"), "balance", json("null")).unwrap();
    assert_eq!(first.wait_any(&[call]), Ok(None));
    let second = wait(&mut first).turn;
    let events = vec![
        HistoryEvent::ExecutionStarted,
        HistoryEvent::EntityLockRequested(crate::LockEntities {
            task: lock,
            entities: vec![entity("a"), entity("b")],
        }),
    ];
    let history = || vec![Turn { time: Timestamp::from_nanos(10), events: events.clone() }, second.clone()];
    for key in ["a", "b"] {
        let mut again = state(history());
        assert!(begin(&mut again, 30, &[]));
        let lock = again.lock_entities(vec![entity("a"), entity("b")]).unwrap();
        assert_eq!(again.wait_any(&[lock]), Ok(Some(lock)));
        let called = again.call_entity(entity(key), "balance", json("null"));
        assert_eq!(called.is_ok(), key == "a", "{called:?}");
    }
    let mut again = state(history());
    assert!(begin(&mut again, 30, &[]));
    assert!(matches!(again.lock_entities(vec![entity("a")]), Err(GuestFault::NonDeterminism(_))));
}

#[test]
fn a_critical_section_has_rules() {
    assert!(violation(locked().0.lock_entities(vec![entity("c")])).contains("lock more entities"));
    assert!(
        violation(locked().0.call_sub_orchestrator("F", None, json("1"), None)).contains("sub-orchestrator")
    );
    assert!(violation(locked().0.call_entity(entity("c"), "x", json("1"))).contains("not locked"));
    assert!(violation(locked().0.signal_entity(entity("a"), "x", json("1"), None)).contains("only call it"));
    let (mut state, _) = locked();
    state.signal_entity(entity("c"), "x", json("1"), None).unwrap();
    state.call_entity(entity("a"), "x", json("1")).unwrap();
    state.call_entity(entity("b"), "x", json("1")).unwrap();
    assert!(violation(state.call_entity(entity("a"), "y", json("1"))).contains("not done"));
    assert!(matches!(started().lock_entities(Vec::new()), Err(GuestFault::InvalidArgument(_))));
}

#[test]
fn released_locks_end_the_critical_section_once() {
    let (mut state, lock) = locked();
    assert_eq!(state.locked_entities(), [entity("a"), entity("b")]);
    state.release_locks(lock).unwrap();
    state.release_locks(lock).unwrap();
    assert_eq!(state.locked_entities(), []);
    let again = state.lock_entities(vec![entity("c")]).unwrap();
    // What is not held yet is given up the same way.
    state.cancel_task(again).unwrap();
    assert!(state.call_entity(entity("c"), "x", json("1")).is_ok());
    let other = state.wait_for_external_event("other").unwrap();
    let events = wait(&mut state).turn.events;
    let releases =
        events.iter().filter(|event| matches!(event, HistoryEvent::EntityUnlockSent { .. })).count();
    assert_eq!(releases, 2);
    // A grant that comes too late is for nobody.
    state.begin_turn(Timestamp::from_nanos(30), vec![granted(again)]);
    assert_eq!(state.wait_any(&[other]), Ok(None));
    assert_eq!(state.end_turn(Outcome::Waiting, Vec::new(), || NEXT), None);
}
