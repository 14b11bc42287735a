//! HTTP calls and their polls.

use super::*;
use crate::{HTTP_ACTIVITY, HttpCall, HttpHeaders, HttpRequest, HttpResponse};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

fn call_http(state: &mut RuntimeState) -> TaskId {
    let request = HttpRequest {
        method: "POST".to_owned(),
        uri: "http://a/start".to_owned(),
        headers: HttpHeaders::default(),
        content: None,
        asynchronous_pattern_enabled: true,
        status_codes_to_retry: None,
    };
    let call = HttpCall { request, retry: None, timeout: Some(Duration::from_secs(60)) };
    let task = state.call_http(call).unwrap();
    state.await_tasks(&[task]).unwrap();
    assert_eq!(state.wait_next(), Ok(None));
    task
}

fn answered(task: u32, status_code: u16) -> HistoryEvent {
    let headers = [("location", "http://a/status"), ("retry-after", "5")];
    let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let result = Json::of(&HttpResponse { status_code, headers, content: None });
    HistoryEvent::TaskCompleted { task: TaskId(task), result }
}

fn turn(state: &mut RuntimeState, seconds: u64, event: HistoryEvent) -> Option<TaskId> {
    state.begin_turn(Timestamp::from_nanos(seconds * SECOND), vec![event]);
    state.wait_next().unwrap()
}

fn asked(commit: &TurnCommit) -> HistoryEvent {
    commit.turn.events.last().unwrap().clone()
}

/// A history in which the request was answered 202, the time was waited for, and the poll was sent.
fn polled() -> (RuntimeState, Vec<Turn>) {
    let mut state = state(Vec::new());
    begin(&mut state, 0, &[HistoryEvent::ExecutionStarted]);
    let _task = call_http(&mut state);
    let mut history = vec![wait(&mut state).turn];
    assert_eq!(turn(&mut state, 10, answered(0, 202)), None);
    let commit = wait(&mut state);
    let HistoryEvent::TimerCreated(timer) = asked(&commit) else { panic!("{commit:?}") };
    assert_eq!((timer.task, timer.fire_at), (TaskId(1), Timestamp::from_nanos(15 * SECOND)));
    history.push(commit.turn);
    assert_eq!(turn(&mut state, 15, HistoryEvent::TimerFired { task: timer.task }), None);
    let commit = wait(&mut state);
    let HistoryEvent::TaskScheduled(poll) = asked(&commit) else { panic!("{commit:?}") };
    assert_eq!((poll.task, &*poll.name), (TaskId(2), HTTP_ACTIVITY));
    assert!(poll.input.as_str().contains(r#""method":"GET","uri":"http://a/status""#), "{}", poll.input);
    assert!(poll.options.timeout.is_some_and(|left| left.as_secs() == 45), "{:?}", poll.options);
    history.push(commit.turn);
    (state, history)
}

#[test]
fn a_call_is_done_with_the_first_answer_that_is_not_202() {
    let (mut state, _) = polled();
    assert_eq!(turn(&mut state, 16, answered(2, 404)), Some(TaskId(0)));
    let result = state.take_result(TaskId(0)).unwrap().unwrap();
    assert!(result.as_str().contains(r#""statusCode":404"#), "{result}");
}

#[test]
fn replay_comes_by_the_same_polls() {
    let (_, history) = polled();
    let mut state = state(history);
    state.begin_turn(Timestamp::from_nanos(16 * SECOND), vec![answered(2, 200)]);
    assert!(state.poll_start().unwrap());
    let task = call_http_again(&mut state);
    assert_eq!(state.wait_next(), Ok(Some(task)));
    assert!(!state.is_replaying());
}

fn call_http_again(state: &mut RuntimeState) -> TaskId {
    let HistoryEvent::TaskScheduled(first) = &polled().1[0].events[1] else { panic!("no call") };
    let request = serde_json::from_str(first.input.as_str()).unwrap();
    let call = HttpCall { request, retry: None, timeout: Some(Duration::from_secs(60)) };
    let task = state.call_http(call).unwrap();
    state.await_tasks(&[task]).unwrap();
    task
}

#[test]
fn another_request_is_a_difference() {
    let (_, history) = polled();
    let mut state = state(history);
    state.begin_turn(Timestamp::from_nanos(16 * SECOND), vec![answered(2, 200)]);
    assert!(state.poll_start().unwrap());
    let called = call(&mut state, "A", "1");
    assert!(matches!(called, Err(GuestFault::NonDeterminism(_))), "{called:?}");
}

#[test]
fn a_call_that_is_given_up_takes_its_step_with_it() {
    let (mut state, _) = polled();
    state.begin_turn(Timestamp::from_nanos(16 * SECOND), vec![raised("go", "1")]);
    let event = state.wait_for_external_event("go").unwrap();
    assert_eq!(state.wait_any(&[event]), Ok(Some(event)));
    state.cancel_task(TaskId(0)).unwrap();
    let commit = wait(&mut state);
    assert_eq!(asked(&commit), HistoryEvent::TaskCanceled { task: TaskId(2) });
}

#[test]
fn a_poll_that_would_come_too_late_is_a_time_out() {
    let (mut state, _) = polled();
    assert_eq!(turn(&mut state, 56, answered(2, 202)), Some(TaskId(0)));
    assert_eq!(state.take_result(TaskId(0)).unwrap().unwrap_err().error_type, "Timeout");
}
