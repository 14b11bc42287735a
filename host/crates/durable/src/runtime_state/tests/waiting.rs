//! Waiting that goes on.

use super::*;

#[test]
fn a_wait_that_goes_on_answers_each_task_once_in_the_order_of_history() {
    let mut state = state(Vec::new());
    begin(&mut state, 10, &[HistoryEvent::ExecutionStarted, raised("E", "1")]);
    let (a, b) = (call(&mut state, "A", "1").unwrap(), call(&mut state, "B", "1").unwrap());
    state.await_tasks(&[a, b]).unwrap();
    assert_eq!(state.wait_next(), Ok(None));
    wait(&mut state);
    state.begin_turn(Timestamp::from_nanos(20), vec![completed(b, "2"), completed(a, "1")]);
    assert_eq!(state.wait_next(), Ok(Some(b)));
    // The event came before either of them.
    let event = state.wait_for_external_event("E").unwrap();
    state.await_tasks(&[event]).unwrap();
    assert_eq!(state.wait_next(), Ok(Some(event)));
    assert_eq!(state.wait_next(), Ok(Some(a)));
    assert_eq!(state.wait_next(), Err(GuestFault::NothingToWaitFor));
    assert_eq!(state.await_tasks(&[TaskId(9)]), Err(GuestFault::UnknownTask(TaskId(9))));
}

#[test]
fn a_task_whose_result_was_taken_or_that_was_given_up_is_not_awaited() {
    let mut state = state(Vec::new());
    begin(&mut state, 10, &[HistoryEvent::ExecutionStarted, raised("E", "1")]);
    let event = state.wait_for_external_event("E").unwrap();
    let timer = state.create_timer(Timestamp::from_nanos(50)).unwrap();
    let (given_up, left) = (call(&mut state, "A", "1").unwrap(), call(&mut state, "B", "1").unwrap());
    state.await_tasks(&[event, timer, given_up, left]).unwrap();
    state.take_result(event).unwrap().unwrap();
    state.cancel_task(timer).unwrap();
    wait(&mut state);
    state.begin_turn(Timestamp::from_nanos(20), vec![completed(given_up, "1"), completed(left, "2")]);
    assert_eq!(state.wait_next(), Ok(Some(given_up)));
    state.cancel_task(given_up).unwrap();
    state.cancel_task(left).unwrap();
    assert_eq!(state.wait_next(), Err(GuestFault::NothingToWaitFor));
    assert_eq!(state.await_tasks(&[left]), Err(GuestFault::ResultGone(left)));
}

#[test]
fn an_event_that_is_given_back_goes_to_a_waiter_that_is_awaited() {
    let mut state = state(Vec::new());
    begin(&mut state, 10, &[HistoryEvent::ExecutionStarted, raised("E", "1")]);
    let (first, second) =
        (state.wait_for_external_event("E").unwrap(), state.wait_for_external_event("E").unwrap());
    state.await_tasks(&[first, second]).unwrap();
    state.cancel_task(first).unwrap();
    assert_eq!(state.wait_next(), Ok(Some(second)));
    assert_eq!(state.take_result(second), Ok(Ok(json("1"))));
}
