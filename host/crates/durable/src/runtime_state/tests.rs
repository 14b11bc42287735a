use super::{BeginTurn, ContinueAsNew, GuestFault, Outcome, RuntimeState};
use crate::{
    ActivityOptions, ExecutionId, ExecutionRecord, HistoryEvent, InstanceId, InstanceRecord, Json,
    ModuleHash, RuntimeStatus, StartDetails, TaskFailureDetails, TaskId, Timestamp, Token, Turn, TurnCommit,
};
use uuid::Uuid;

mod entities;
mod external_events;
mod http;
mod others;
mod steps;
mod waiting;

const NEXT: ExecutionId = ExecutionId(Uuid::from_u128(2));

fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

fn state(history: Vec<Turn>) -> RuntimeState {
    let record = InstanceRecord {
        name: "F".into(),
        execution: ExecutionId(Uuid::from_u128(1)),
        generation: 1,
        token: Token(1),
        module: ModuleHash([0; 32]),
        status: RuntimeStatus::Running,
        created: Timestamp::from_nanos(1),
        last_updated: Timestamp::from_nanos(1),
        event_count: history.iter().map(|turn| turn.events.len() as u64).sum(),
        custom_status: None,
        output: None,
        failure: None,
        details: StartDetails::default(),
        queued: 0,
    };
    let begun_with = ExecutionRecord {
        instance: InstanceId::new("job").unwrap(),
        started: Timestamp::from_nanos(1),
        input: json("7"),
        parent: None,
        carryover: Vec::new(),
        retention: crate::RetentionPolicy::default(),
    };
    RuntimeState::new(&record, begun_with, history)
}

/// Begins a turn at `time` and lets the orchestrator start, as an executor does.
fn begin(state: &mut RuntimeState, time: u64, events: &[HistoryEvent]) -> bool {
    assert_eq!(state.begin_turn(Timestamp::from_nanos(time), events.to_vec()), BeginTurn::Run);
    state.poll_start().unwrap()
}

fn wait(state: &mut RuntimeState) -> TurnCommit {
    state.end_turn(Outcome::Waiting, Vec::new(), || NEXT).expect("something to write")
}

fn returns(state: &mut RuntimeState, output: &str) -> TurnCommit {
    state.end_turn(Outcome::Returned(Ok(json(output))), Vec::new(), || NEXT).expect("something to write")
}

fn call(state: &mut RuntimeState, name: &str, input: &str) -> Result<TaskId, GuestFault> {
    state.call_activity(name, json(input), ActivityOptions::default())
}

fn completed(task: TaskId, result: &str) -> HistoryEvent {
    HistoryEvent::TaskCompleted { task, result: json(result) }
}

fn raised(name: &str, input: &str) -> HistoryEvent {
    HistoryEvent::EventRaised { name: name.into(), input: json(input) }
}

fn suspended() -> HistoryEvent {
    HistoryEvent::ExecutionSuspended { reason: "hold".into() }
}

fn resumed() -> HistoryEvent {
    HistoryEvent::ExecutionResumed { reason: "go".into() }
}

/// A history of two turns: activity `A` with input 1 was called, and returned 2.
fn one_call() -> Vec<Turn> {
    let mut state = state(Vec::new());
    begin(&mut state, 10, &[HistoryEvent::ExecutionStarted]);
    let task = call(&mut state, "A", "1").unwrap();
    assert_eq!(state.wait_any(&[task]), Ok(None));
    let first = wait(&mut state).turn;
    state.begin_turn(Timestamp::from_nanos(20), vec![completed(task, "2")]);
    assert_eq!(state.wait_any(&[task]), Ok(Some(task)));
    let timer = state.create_timer(Timestamp::from_nanos(99)).unwrap();
    assert_eq!(state.wait_any(&[timer]), Ok(None));
    vec![first, wait(&mut state).turn]
}

#[test]
fn a_turn_writes_what_came_in_and_what_was_asked_for() {
    let mut state = state(Vec::new());
    assert!(begin(&mut state, 10, &[HistoryEvent::ExecutionStarted]));
    let task = call(&mut state, "A", "1").unwrap();
    state.set_custom_status(json("\"busy\"")).unwrap();
    assert_eq!(state.wait_any(&[task]), Ok(None));
    let commit = wait(&mut state);
    assert_eq!((commit.base_event_count, commit.status), (0, RuntimeStatus::Running));
    assert_eq!(commit.custom_status, Some(json("\"busy\"")));
    assert_eq!(commit.turn.time, Timestamp::from_nanos(10));
    assert!(matches!(
        commit.turn.events.as_slice(),
        [HistoryEvent::ExecutionStarted, HistoryEvent::TaskScheduled(call)] if &*call.name == "A"
    ));

    state.begin_turn(Timestamp::from_nanos(20), vec![completed(task, "2")]);
    assert_eq!(state.wait_any(&[task]), Ok(Some(task)));
    assert_eq!(state.take_result(task), Ok(Ok(json("2"))));
    let commit = returns(&mut state, "3");
    assert_eq!((commit.base_event_count, commit.status), (2, RuntimeStatus::Completed));
    assert_eq!(commit.output, Some(json("3")));
    assert_eq!(commit.turn.events.len(), 2);
}

#[test]
fn replay_gives_each_turn_its_own_time_and_then_goes_live() {
    let mut state = state(one_call());
    assert!(begin(&mut state, 30, &[HistoryEvent::TimerFired { task: TaskId(1) }]));
    assert!(state.is_replaying());
    assert_eq!(state.now(), Timestamp::from_nanos(10));
    let task = call(&mut state, "A", "1").unwrap();
    assert_eq!(state.wait_any(&[task]), Ok(Some(task)));
    assert_eq!((state.now(), state.is_replaying()), (Timestamp::from_nanos(20), true));
    assert_eq!(state.take_result(task), Ok(Ok(json("2"))));
    let timer = state.create_timer(Timestamp::from_nanos(99)).unwrap();
    assert_eq!(state.wait_any(&[timer]), Ok(Some(timer)));
    assert_eq!((state.now(), state.is_replaying()), (Timestamp::from_nanos(30), false));
    let commit = returns(&mut state, "null");
    assert_eq!(commit.base_event_count, 4);
    assert!(matches!(commit.turn.events.first(), Some(HistoryEvent::TimerFired { .. })));
}

#[test]
fn every_difference_from_the_history_is_shown_with_both_sides() {
    type Orchestrator = fn(&mut RuntimeState) -> Result<(), GuestFault>;
    let table: [(&str, Orchestrator, &str, &str); 6] = [
        (
            "other name",
            |s| call(s, "B", "1").map(drop),
            "activity 'A' with input 1",
            "activity 'B' with input 1",
        ),
        ("other input", |s| call(s, "A", "2").map(drop), "with input 1", "with input 2"),
        (
            "other kind",
            |s| s.create_timer(Timestamp::from_nanos(1)).map(drop),
            "activity 'A'",
            "timer for 1 ns",
        ),
        (
            "other time",
            |s| {
                call(s, "A", "1")?;
                s.wait_any(&[TaskId(0)])?;
                s.create_timer(Timestamp::from_nanos(98)).map(drop)
            },
            "timer for 99 ns",
            "timer for 98 ns",
        ),
        (
            "one more",
            |s| {
                call(s, "A", "1")?;
                call(s, "A", "1").map(drop)
            },
            "nothing more in this turn",
            "task 1: activity 'A'",
        ),
        (
            "one less",
            |s| {
                let event = s.wait_for_external_event("E")?;
                s.wait_any(&[event]).map(drop)
            },
            "activity 'A'",
            "nothing more in this turn",
        ),
    ];
    for (case, orchestrator, history, code) in table {
        let mut state = state(one_call());
        begin(&mut state, 30, &[]);
        let fault = orchestrator(&mut state).expect_err(case);
        let GuestFault::NonDeterminism(found) = &fault else { panic!("{case}: {fault}") };
        assert!(found.history.contains(history), "{case}: {found}");
        assert!(found.code.contains(code), "{case}: {found}");
        assert_eq!(state.take_fault(), Some(fault), "{case}");
    }
}

#[test]
fn an_orchestrator_that_returns_before_its_history_ends_has_diverged() {
    let mut state = state(one_call());
    begin(&mut state, 30, &[]);
    call(&mut state, "A", "1").unwrap();
    let commit = returns(&mut state, "0");
    assert_eq!(commit.status, RuntimeStatus::Failed);
    let failure = commit.failure.unwrap();
    assert_eq!(failure.error_type, "NonDeterministicOrchestration");
    assert!(failure.message.contains("another turn"), "{failure}");
}

#[test]
fn an_orchestrator_that_returns_where_it_waited_before_has_diverged_and_loses_no_event() {
    let mut state = state(one_call());
    begin(&mut state, 30, &[raised("E", "1")]);
    call(&mut state, "A", "1").unwrap();
    state.wait_any(&[TaskId(0)]).unwrap();
    state.create_timer(Timestamp::from_nanos(99)).unwrap();
    let commit = returns(&mut state, "0");
    assert_eq!(commit.status, RuntimeStatus::Failed);
    assert!(commit.turn.events.contains(&raised("E", "1")));
}

#[test]
fn one_turn_hands_over_no_more_than_its_limit() {
    let mut state = state(Vec::new());
    begin(&mut state, 10, &[HistoryEvent::ExecutionStarted]);
    let input = Json::of(&"x".repeat(super::TURN_BYTES_MAX / 2));
    let mut call = || state.call_activity("A", input.clone(), ActivityOptions::default());
    assert!(call().is_ok());
    assert_eq!(call(), Err(GuestFault::TurnTooLarge));
}

#[test]
fn wait_any_answers_the_earliest_in_history_whatever_the_order_of_the_list() {
    let mut state = state(Vec::new());
    begin(&mut state, 10, &[HistoryEvent::ExecutionStarted]);
    let (a, b) = (call(&mut state, "A", "1").unwrap(), call(&mut state, "B", "1").unwrap());
    wait(&mut state);
    state.begin_turn(Timestamp::from_nanos(20), vec![completed(b, "2"), completed(a, "1")]);
    assert_eq!(state.wait_any(&[a, b]), Ok(Some(b)));
    assert_eq!(state.take_result(b), Ok(Ok(json("2"))));
    assert_eq!(state.wait_any(&[a]), Ok(Some(a)));
}

#[test]
fn events_go_first_in_first_out_to_waiters_of_any_case() {
    let mut state = state(Vec::new());
    begin(&mut state, 10, &[HistoryEvent::ExecutionStarted, raised("Item", "1"), raised("ITEM", "2")]);
    let first = state.wait_for_external_event("item").unwrap();
    let second = state.wait_for_external_event("Item").unwrap();
    let third = state.wait_for_external_event("iTEM").unwrap();
    let fourth = state.wait_for_external_event("item").unwrap();
    wait(&mut state);
    state.begin_turn(Timestamp::from_nanos(20), vec![raised("item", "3"), raised("item", "4")]);
    for (task, value) in [(first, "1"), (second, "2"), (third, "3"), (fourth, "4")] {
        assert_eq!(state.wait_any(&[first, second, third, fourth][task.0 as usize..]), Ok(Some(task)));
        assert_eq!(state.take_result(task), Ok(Ok(json(value))));
    }
}

#[test]
fn a_cancelled_waiter_takes_no_event() {
    let mut state = state(Vec::new());
    begin(&mut state, 10, &[HistoryEvent::ExecutionStarted]);
    let open = state.wait_for_external_event("E").unwrap();
    state.cancel_task(open).unwrap();
    wait(&mut state);
    state.begin_turn(Timestamp::from_nanos(20), vec![raised("E", "1"), raised("E", "2")]);
    let given = state.wait_for_external_event("E").unwrap();
    assert_eq!(state.wait_any(&[given]), Ok(Some(given)));
    assert_eq!(state.take_result(given), Ok(Ok(json("1"))));
}

#[test]
fn an_event_that_is_given_back_keeps_its_place() {
    let mut state = state(Vec::new());
    begin(&mut state, 10, &[HistoryEvent::ExecutionStarted, raised("E", "1"), raised("E", "2")]);
    let first = state.wait_for_external_event("E").unwrap();
    state.cancel_task(first).unwrap();
    let again = state.wait_for_external_event("E").unwrap();
    assert_eq!(state.take_result(again), Ok(Ok(json("1"))));
    assert_eq!(state.take_result(first), Err(GuestFault::ResultGone(first)));
}

#[test]
fn a_cancelled_timer_is_noted_and_does_not_fire() {
    let mut state = state(Vec::new());
    begin(&mut state, 10, &[HistoryEvent::ExecutionStarted]);
    let timer = state.create_timer(Timestamp::from_nanos(50)).unwrap();
    state.cancel_task(timer).unwrap();
    let commit = wait(&mut state);
    assert_eq!(commit.turn.events.last(), Some(&HistoryEvent::TimerCanceled { task: timer }));
    let event = state.wait_for_external_event("E");
    assert_eq!(event, Ok(TaskId(1)));
    state.begin_turn(Timestamp::from_nanos(60), vec![HistoryEvent::TimerFired { task: timer }]);
    assert_eq!(state.wait_any(&[TaskId(1)]), Ok(None));
    assert_eq!(state.end_turn(Outcome::Waiting, Vec::new(), || NEXT), None, "a stale event is not written");
}

#[test]
fn a_result_that_comes_twice_is_written_once() {
    let mut state = state(Vec::new());
    begin(&mut state, 10, &[HistoryEvent::ExecutionStarted]);
    let task = call(&mut state, "A", "1").unwrap();
    wait(&mut state);
    state.begin_turn(Timestamp::from_nanos(20), vec![completed(task, "2"), completed(task, "3")]);
    assert_eq!(state.wait_any(&[task]), Ok(Some(task)));
    let commit = wait(&mut state);
    assert_eq!(commit.turn.events, [completed(task, "2")]);
}

#[test]
fn a_suspended_orchestrator_gets_nothing_until_it_is_resumed() {
    let mut state = state(Vec::new());
    begin(&mut state, 10, &[HistoryEvent::ExecutionStarted]);
    let task = call(&mut state, "A", "1").unwrap();
    wait(&mut state);
    state.begin_turn(Timestamp::from_nanos(20), vec![suspended(), completed(task, "2")]);
    assert_eq!(state.wait_any(&[task]), Ok(None));
    assert_eq!(wait(&mut state).status, RuntimeStatus::Suspended);
    state.begin_turn(Timestamp::from_nanos(30), vec![resumed()]);
    assert_eq!(state.wait_any(&[task]), Ok(Some(task)));
    assert_eq!(wait(&mut state).status, RuntimeStatus::Running);
}

#[test]
fn an_instance_that_is_suspended_before_its_first_turn_does_not_start() {
    let mut state = state(Vec::new());
    assert!(!begin(&mut state, 10, &[HistoryEvent::ExecutionStarted, suspended()]));
    assert_eq!(wait(&mut state).status, RuntimeStatus::Suspended);
    assert!(begin(&mut state, 20, &[resumed()]));
}

#[test]
fn termination_ends_the_instance_without_running_it() {
    let mut state = state(one_call());
    let events = vec![HistoryEvent::ExecutionTerminated { reason: "enough".into(), recursive: false }];
    let begun = state.begin_turn(Timestamp::from_nanos(30), events);
    assert_eq!(begun, BeginTurn::Terminate("enough".into()));
    let commit = state.end_turn(Outcome::Terminated("enough".into()), vec![5], || NEXT).unwrap();
    assert_eq!((commit.status, commit.output), (RuntimeStatus::Terminated, Some(json("\"enough\""))));
    assert_eq!((commit.base_event_count, commit.taken), (4, vec![5]));
    assert_eq!(commit.turn.events.len(), 2);
}

#[test]
fn continue_as_new_carries_unprocessed_events_in_the_order_in_which_they_came() {
    let mut state = state(Vec::new());
    let events = [raised("b", "1"), raised("a", "2"), raised("b", "3"), raised("c", "4")];
    begin(&mut state, 10, &[&[HistoryEvent::ExecutionStarted], &events[..]].concat());
    let taken = state.wait_for_external_event("a").unwrap();
    state.take_result(taken).unwrap().unwrap();
    let untaken = state.wait_for_external_event("c").unwrap();
    assert_eq!(state.wait_any(&[untaken]), Ok(Some(untaken)));
    let input = json("8");
    state.continue_as_new(ContinueAsNew {
        input: input.clone(),
        preserve_unprocessed_events: true,
        keep_version: true,
    });
    let commit = returns(&mut state, "null");
    assert_eq!(commit.status, RuntimeStatus::ContinuedAsNew);
    let next = commit.next.unwrap();
    assert_eq!((next.execution, next.keep_version, next.record.input), (NEXT, true, input));
    assert_eq!(next.record.carryover, [events[0].clone(), events[2].clone(), events[3].clone()]);
}

#[test]
fn carried_events_come_before_all_others() {
    let mut state = state(Vec::new());
    state.record.carryover = vec![raised("E", "1")];
    begin(&mut state, 10, &[HistoryEvent::ExecutionStarted, raised("E", "2")]);
    let (first, second) =
        (state.wait_for_external_event("E").unwrap(), state.wait_for_external_event("E").unwrap());
    assert_eq!(state.take_result(first), Ok(Ok(json("1"))));
    assert_eq!(state.take_result(second), Ok(Ok(json("2"))));
}

#[test]
fn a_failed_orchestrator_does_not_continue_as_new() {
    let mut state = state(Vec::new());
    begin(&mut state, 10, &[HistoryEvent::ExecutionStarted]);
    state.continue_as_new(ContinueAsNew {
        input: json("8"),
        preserve_unprocessed_events: true,
        keep_version: false,
    });
    let failure = TaskFailureDetails::new("Oops", "no");
    let outcome = Outcome::Returned(Err(failure.clone()));
    let commit = state.end_turn(outcome, Vec::new(), || NEXT).unwrap();
    assert_eq!((commit.status, commit.failure, commit.next), (RuntimeStatus::Failed, Some(failure), None));
}

#[test]
fn time_in_a_history_never_runs_backwards() {
    let mut state = state(one_call());
    begin(&mut state, 5, &[]);
    call(&mut state, "A", "1").unwrap();
    state.wait_any(&[TaskId(0)]).unwrap();
    state.create_timer(Timestamp::from_nanos(99)).unwrap();
    assert_eq!(state.wait_any(&[TaskId(1)]), Ok(None));
    assert_eq!(state.now(), Timestamp::from_nanos(20));
}

#[test]
fn guids_are_the_same_at_every_replay_and_differ_from_each_other() {
    let guids = || {
        let mut state = state(Vec::new());
        [state.new_guid(), state.new_guid()]
    };
    assert_eq!(guids(), guids());
    assert_ne!(guids()[0], guids()[1]);
}

#[test]
fn calls_that_break_a_rule_are_faults() {
    let mut state = state(Vec::new());
    begin(&mut state, 10, &[HistoryEvent::ExecutionStarted]);
    assert_eq!(state.wait_any(&[]), Err(GuestFault::NothingToWaitFor));
    assert_eq!(state.wait_any(&[TaskId(9)]), Err(GuestFault::UnknownTask(TaskId(9))));
    assert_eq!(state.take_result(TaskId(9)), Err(GuestFault::UnknownTask(TaskId(9))));
    assert!(matches!(call(&mut state, "", "1"), Err(GuestFault::InvalidArgument(_))));
    assert!(matches!(call(&mut state, &"n".repeat(1025), "1"), Err(GuestFault::InvalidArgument(_))));
    assert!(matches!(
        state.call_sub_orchestrator("C", Some("a/b"), json("1"), None),
        Err(GuestFault::InvalidArgument(_))
    ));
    assert!(matches!(
        state.call_sub_orchestrator("C", Some("job"), json("1"), None),
        Err(GuestFault::InvalidArgument(_))
    ));
    let task = call(&mut state, "A", "1").unwrap();
    assert_eq!(state.take_result(task), Err(GuestFault::NotDone(task)));
    let long = Json::of(&"x".repeat(super::CUSTOM_STATUS_BYTES_MAX));
    assert!(matches!(state.set_custom_status(long), Err(GuestFault::CustomStatusTooLarge(_))));
}

#[test]
fn a_sub_orchestration_without_an_id_gets_one_from_its_execution_and_task() {
    let mut state = state(Vec::new());
    begin(&mut state, 10, &[HistoryEvent::ExecutionStarted]);
    state.call_sub_orchestrator("C", None, json("1"), None).unwrap();
    let commit = wait(&mut state);
    let Some(HistoryEvent::SubOrchestrationInstanceCreated(child)) = commit.turn.events.last() else {
        panic!("{commit:?}")
    };
    assert_eq!(child.instance.as_str(), "00000000000000000000000000000001:0");
}
