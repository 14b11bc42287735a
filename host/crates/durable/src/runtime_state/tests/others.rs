//! What an orchestrator does to others: events, starts, cancellations.

use super::*;
use crate::{SendEventTo, StartOrchestration};

type Call = fn(&mut RuntimeState) -> Result<(), GuestFault>;

fn send(state: &mut RuntimeState) -> Result<(), GuestFault> {
    state.send_event("other", "E", json("1"))
}

fn start(state: &mut RuntimeState) -> Result<(), GuestFault> {
    state.start_orchestration("C", None, json("1")).map(drop)
}

fn call_and_cancel(state: &mut RuntimeState) -> Result<(), GuestFault> {
    let task = call(state, "A", "1")?;
    state.cancel_task(task)
}

#[test]
fn what_is_done_to_others_is_in_the_history_and_compared_in_replay() {
    let instance = |id| InstanceId::new(id).unwrap();
    let sent = SendEventTo { instance: instance("other"), name: "E".into(), input: json("1") };
    let started = StartOrchestration {
        task: TaskId(0),
        name: "C".into(),
        instance: instance("00000000000000000000000000000001:0"),
        input: json("1"),
    };
    let table: [(Call, HistoryEvent, Call); 3] = [
        (send, HistoryEvent::EventSent(sent), |s| s.send_event("other", "E", json("2"))),
        (start, HistoryEvent::OrchestrationStarted(started), |s| {
            s.start_orchestration("C", Some("c"), json("1")).map(drop)
        }),
        (call_and_cancel, HistoryEvent::TaskCanceled { task: TaskId(0) }, |s| {
            call(s, "A", "1")?;
            s.send_event("other", "E", json("1"))
        }),
    ];
    for (first, event, otherwise) in table {
        let mut state = state(Vec::new());
        begin(&mut state, 10, &[HistoryEvent::ExecutionStarted]);
        first(&mut state).unwrap();
        let turn = wait(&mut state).turn;
        assert_eq!(turn.events.last(), Some(&event));
        let mut again = self::state(vec![turn.clone()]);
        begin(&mut again, 20, &[]);
        assert_eq!(first(&mut again), Ok(()), "{event}");
        let mut changed = self::state(vec![turn]);
        begin(&mut changed, 20, &[]);
        assert!(matches!(otherwise(&mut changed), Err(GuestFault::NonDeterminism(_))), "{event}");
    }
}

#[test]
fn an_id_that_cannot_be_one_is_a_fault() {
    let faults: [Call; 4] = [
        |s| s.send_event("a/b", "E", json("1")),
        |s| s.send_event("other", "", json("1")),
        |s| s.start_orchestration("C", Some("@x"), json("1")).map(drop),
        |s| s.start_orchestration("C", Some("job"), json("1")).map(drop),
    ];
    for fault in faults {
        let mut state = state(Vec::new());
        begin(&mut state, 10, &[HistoryEvent::ExecutionStarted]);
        assert!(matches!(fault(&mut state), Err(GuestFault::InvalidArgument(_))));
    }
}

#[test]
fn a_result_of_a_cancelled_activity_is_stale() {
    let mut state = state(Vec::new());
    begin(&mut state, 10, &[HistoryEvent::ExecutionStarted]);
    let task = call(&mut state, "A", "1").unwrap();
    state.cancel_task(task).unwrap();
    state.cancel_task(task).unwrap();
    assert_eq!(wait(&mut state).turn.events.len(), 3, "it is cancelled once");
    let event = state.wait_for_external_event("E").unwrap();
    state.begin_turn(Timestamp::from_nanos(20), vec![completed(task, "1")]);
    assert_eq!(state.wait_any(&[event]), Ok(None));
    assert_eq!(state.end_turn(Outcome::Waiting, Vec::new(), || NEXT), None);
}
