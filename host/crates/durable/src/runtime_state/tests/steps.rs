//! Tasks that take more than one step.

use super::*;
use crate::{CreateSubOrchestration, RetryPolicy};
use std::time::Duration;

fn policy(max_attempts: u32) -> RetryPolicy {
    RetryPolicy {
        first_retry_interval: Duration::from_nanos(5),
        max_attempts,
        backoff_coefficient: 2.0,
        max_retry_interval: None,
        retry_timeout: None,
        jitter: 0.0,
        handle: vec!["Busy".to_owned()],
    }
}

fn call_child(state: &mut RuntimeState) -> TaskId {
    let child = state.call_sub_orchestrator("C", None, json("1"), Some(policy(3))).unwrap();
    state.await_tasks(&[child]).unwrap();
    assert_eq!(state.wait_next(), Ok(None));
    child
}

fn child_failed(task: TaskId, error_type: &str) -> HistoryEvent {
    let failure = TaskFailureDetails::new(error_type, "no");
    HistoryEvent::SubOrchestrationInstanceFailed { task, failure }
}

fn child_completed(task: TaskId) -> HistoryEvent {
    HistoryEvent::SubOrchestrationInstanceCompleted { task, result: json("9") }
}

fn turn(state: &mut RuntimeState, time: u64, event: HistoryEvent) -> Option<TaskId> {
    assert_eq!(state.begin_turn(Timestamp::from_nanos(time), vec![event]), BeginTurn::Run);
    state.wait_next().unwrap()
}

/// The last event of a turn.
fn asked(commit: &TurnCommit) -> HistoryEvent {
    commit.turn.events.last().unwrap().clone()
}

fn started(state: Vec<Turn>) -> RuntimeState {
    let mut state = self::state(state);
    begin(&mut state, 10, &[HistoryEvent::ExecutionStarted]);
    state
}

/// A history in which the child was called, failed, was waited for, and was called again.
fn called_again() -> (RuntimeState, Vec<Turn>) {
    let mut state = started(Vec::new());
    let child = call_child(&mut state);
    let mut history = vec![wait(&mut state).turn];
    assert_eq!(turn(&mut state, 20, child_failed(child, "Busy")), None);
    let commit = wait(&mut state);
    let HistoryEvent::TimerCreated(timer) = asked(&commit) else { panic!("{commit:?}") };
    assert_eq!((timer.task, timer.fire_at), (TaskId(1), Timestamp::from_nanos(25)));
    history.push(commit.turn);
    assert_eq!(turn(&mut state, 26, HistoryEvent::TimerFired { task: timer.task }), None);
    let commit = wait(&mut state);
    let HistoryEvent::SubOrchestrationInstanceCreated(again) = asked(&commit) else { panic!("{commit:?}") };
    let instance = InstanceId::new("00000000000000000000000000000001:0").unwrap();
    let expected = CreateSubOrchestration {
        task: TaskId(2),
        name: "C".into(),
        instance,
        input: json("1"),
        retry: Some(policy(3)),
    };
    assert_eq!(again, expected);
    history.push(commit.turn);
    (state, history)
}

#[test]
fn a_child_that_failed_is_called_again_under_its_id_and_its_end_is_the_task_s() {
    let (mut state, _) = called_again();
    assert_eq!(turn(&mut state, 30, child_completed(TaskId(2))), Some(TaskId(0)));
    assert_eq!(state.take_result(TaskId(0)), Ok(Ok(json("9"))));
}

#[test]
fn a_child_s_retries_end_with_its_attempts() {
    let (mut state, _) = called_again();
    assert_eq!(turn(&mut state, 30, child_failed(TaskId(2), "Busy")), None);
    let HistoryEvent::TimerCreated(timer) = asked(&wait(&mut state)) else { panic!() };
    assert_eq!(timer.fire_at, Timestamp::from_nanos(40), "the interval doubles");
    assert_eq!(turn(&mut state, 40, HistoryEvent::TimerFired { task: timer.task }), None);
    wait(&mut state);
    assert_eq!(turn(&mut state, 50, child_failed(TaskId(4), "Busy")), Some(TaskId(0)));
    assert_eq!(state.take_result(TaskId(0)).unwrap().unwrap_err().error_type, "Busy");
}

#[test]
fn a_failure_that_the_policy_does_not_handle_ends_the_task() {
    let (mut state, _) = called_again();
    assert_eq!(turn(&mut state, 30, child_failed(TaskId(2), "Lost")), Some(TaskId(0)));
}

#[test]
fn replay_comes_by_the_same_steps() {
    let (_, history) = called_again();
    let mut state = started(history);
    let child = call_child(&mut state);
    assert_eq!(turn(&mut state, 30, child_completed(TaskId(2))), Some(child));
    assert_eq!(wait(&mut state).base_event_count, 6);
}

#[test]
fn a_policy_that_has_changed_is_a_difference() {
    let (_, history) = called_again();
    let mut state = started(history);
    let child = state.call_sub_orchestrator("C", None, json("1"), None);
    assert!(matches!(child, Err(GuestFault::NonDeterminism(_))), "{child:?}");
}

#[test]
fn a_child_that_is_given_up_is_not_called_again() {
    let mut state = started(Vec::new());
    let child = call_child(&mut state);
    wait(&mut state);
    assert_eq!(turn(&mut state, 20, child_failed(child, "Busy")), None);
    wait(&mut state);
    state.begin_turn(Timestamp::from_nanos(21), vec![raised("E", "1")]);
    assert_eq!(state.wait_next(), Ok(None));
    state.cancel_task(child).unwrap();
    assert_eq!(asked(&wait(&mut state)), HistoryEvent::TimerCanceled { task: TaskId(1) });
}

#[test]
fn what_the_host_asks_for_comes_after_all_that_came_in() {
    let mut state = started(Vec::new());
    let child = call_child(&mut state);
    wait(&mut state);
    let events = vec![child_failed(child, "Busy"), raised("E", "1")];
    state.begin_turn(Timestamp::from_nanos(20), events);
    assert_eq!(state.wait_next(), Ok(None));
    let commit = wait(&mut state);
    let is_received: Vec<_> = commit.turn.events.iter().map(HistoryEvent::is_received).collect();
    assert_eq!(is_received, [true, true, false]);
}
