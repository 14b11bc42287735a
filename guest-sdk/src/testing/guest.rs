//! Runs functions as the host runs them, on the test's own thread.
//!
//! An orchestrator that must wait is unwound, and begins again at its next turn: each turn replays all that was before it.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use durance_durable::{
    ExecutionId, GuestFault, InstanceId, Json, Outcome, RuntimeState, TaskFailureDetails, TaskId,
};

use crate::bindings::{EntityRequest, EntityResponse};
use crate::testing::convert;
use crate::{Failure, function};

/// One attempt of an activity, as its context shows it.
#[derive(Clone, Debug)]
pub(crate) struct AttemptInfo {
    pub(crate) instance: InstanceId,
    pub(crate) execution: ExecutionId,
    pub(crate) generation: u64,
    pub(crate) task: TaskId,
    pub(crate) attempt: u32,
    pub(crate) heartbeat: Option<String>,
}

/// The function that is being called.
enum Call {
    Orchestrator(Box<RuntimeState>),
    Activity(AttemptInfo),
    /// It has no imports of its own.
    Entity,
}

thread_local! {
    static CALL: RefCell<Option<Call>> = const { RefCell::new(None) };
}

/// Unwinds an orchestrator that must wait.
struct Parked;

/// Unwinds an orchestrator that the rules stop; its state knows why.
struct Stopped;

const NO_ORCHESTRATOR: &str =
    "an orchestration context is used outside of an orchestrator: run it with a TestHub";
const NO_ACTIVITY: &str = "an activity context is used outside of an activity: run it with a TestHub";

/// A call of an orchestrator to its context.
pub(crate) fn ask<T>(call: impl FnOnce(&mut RuntimeState) -> Result<T, GuestFault>) -> T {
    let answer = CALL.with_borrow_mut(|current| match current {
        Some(Call::Orchestrator(state)) => Some(call(state)),
        _ => None,
    });
    match answer.expect(NO_ORCHESTRATOR) {
        Ok(value) => value,
        Err(_) => resume_unwind(Box::new(Stopped)),
    }
}

/// The same for a call that may have to wait.
pub(crate) fn wait<T>(call: impl FnOnce(&mut RuntimeState) -> Result<Option<T>, GuestFault>) -> T {
    ask(call).unwrap_or_else(|| resume_unwind(Box::new(Parked)))
}

/// A call of an activity to its context.
pub(crate) fn with_attempt<T>(call: impl FnOnce(&mut AttemptInfo) -> T) -> T {
    let answer = CALL.with_borrow_mut(|current| match current {
        Some(Call::Activity(info)) => Some(call(info)),
        _ => None,
    });
    answer.expect(NO_ACTIVITY)
}

/// Runs an orchestrator through the turn that was begun on its state.
pub(crate) fn run_orchestrator(mut state: RuntimeState) -> (RuntimeState, Outcome) {
    match state.poll_start() {
        Ok(true) => {}
        Ok(false) => return (state, Outcome::Waiting),
        Err(fault) => return (state, Outcome::Returned(Err(fault.failure()))),
    }
    let (name, input) = (state.name().to_owned(), state.input().clone());
    let (call, ended) =
        run(Call::Orchestrator(Box::new(state)), || function::run_orchestrator(&name, input.as_str()));
    let Call::Orchestrator(mut state) = call else { panic!("{NO_ORCHESTRATOR}") };
    let outcome = match (state.take_fault(), ended) {
        (Some(fault), _) => Outcome::Returned(Err(fault.failure())),
        (None, Err(payload)) if payload.is::<Parked>() => Outcome::Waiting,
        (None, ended) => Outcome::Returned(result_of(ended)),
    };
    (*state, outcome)
}

/// Runs an attempt of an activity of this crate. Answers its last heartbeat too.
pub(crate) fn run_activity(
    name: &str,
    input: &Json,
    info: AttemptInfo,
) -> (Result<Json, TaskFailureDetails>, Option<String>) {
    let (call, ended) = run(Call::Activity(info), || function::run_activity(name, input.as_str()));
    let heartbeat = match call {
        Call::Activity(info) => info.heartbeat,
        Call::Orchestrator(_) | Call::Entity => None,
    };
    (result_of(ended), heartbeat)
}

/// Runs an operation of an entity of this crate.
pub(crate) fn run_entity(name: &str, request: EntityRequest) -> Result<EntityResponse, TaskFailureDetails> {
    let (_, ended) = run(Call::Entity, || function::run_entity(name, request));
    answer_of(ended)
}

type Ended<T> = std::thread::Result<Result<T, Failure>>;

fn run<T>(call: Call, function: impl FnOnce() -> Result<T, Failure>) -> (Call, Ended<T>) {
    CALL.set(Some(call));
    let ended = catch_unwind(AssertUnwindSafe(function));
    (CALL.take().expect("set above"), ended)
}

fn result_of(ended: Ended<String>) -> Result<Json, TaskFailureDetails> {
    answer_of(ended).map(|output| Json::parse(output).expect("the SDK writes JSON"))
}

/// As the host sees it: a panic is a trap.
fn answer_of<T>(ended: Ended<T>) -> Result<T, TaskFailureDetails> {
    match ended {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(failure)) => Err(convert::from_guest(failure)),
        Err(payload) => {
            let message = format!("the function crashed: {}", panic_message(&*payload));
            Err(TaskFailureDetails::new("Trap", message))
        }
    }
}

fn panic_message(payload: &dyn Any) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("it panicked")
}
