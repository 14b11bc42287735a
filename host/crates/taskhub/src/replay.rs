//! Replaying a history that is not in the store: does the code do again what it did then?

use crate::{ExecutorError, FunctionExecutor, Progress};
use durance_durable::{
    BeginTurn, ExecutionHistory, HistoryEvent, InstanceRecord, ModuleHash, NonDeterminism, Outcome,
    RuntimeState, Timestamp, Turn,
};
use parking_lot::Mutex;
use std::sync::Arc;

/// Where the code first did something else than its history says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// Number of the history event, from 0.
    pub event_number: u64,
    /// Number of its turn, from 0.
    pub turn: u64,
    /// When that turn was.
    pub turn_time: Timestamp,
    /// What the history says, for people.
    pub history: String,
    /// What the code did, for people.
    pub code: String,
}

/// Replays a history on a component; none if the code does all of it again, to the same end if the history has one.
///
/// Nothing happens besides: no activity runs, nothing is written. All turns but the last are replayed as after a
/// restart of the host; the last one is run, and what it does is compared. One that was terminated ended without its code.
///
/// # Errors
/// The component cannot be had, or there is no room to run it.
pub async fn replay(
    executor: &dyn FunctionExecutor,
    module: ModuleHash,
    history: &ExecutionHistory,
) -> Result<Option<Divergence>, ExecutorError> {
    let Some((last, past)) = history.turns.split_last() else { return Ok(None) };
    let event_count = past.iter().map(|turn| turn.events.len() as u64).sum();
    let record = InstanceRecord { event_count, custom_status: None, ..history.record.clone() };
    let state = RuntimeState::new(&record, history.begun_with.clone(), past.to_vec());
    let state = Arc::new(Mutex::new(state));
    let mut run = executor.orchestrator(module, Arc::clone(&state))?;
    let received = last.events.iter().take_while(|event| event.is_received()).cloned().collect();
    let begun = state.lock().begin_turn(last.time, received);
    let outcome = match run.resume().await? {
        Progress::Waiting => Outcome::Waiting,
        Progress::Returned(result) => Outcome::Returned(result),
    };
    let mut state = state.lock();
    if let Some(found) = state.divergence(&outcome) {
        return Ok(Some(locate(history, found)));
    }
    if let BeginTurn::Terminate(_) = begun {
        return Ok(None);
    }
    let outcome = match state.take_fault() {
        Some(fault) => Outcome::Returned(Err(fault.failure())),
        None => outcome,
    };
    let commit = state.end_turn(outcome, Vec::new(), || record.execution);
    let done = commit.map(|commit| commit.turn.events).unwrap_or_default();
    Ok(first_difference(last, &done, event_count).map(|found| locate(history, found)))
}

fn first_difference(turn: &Turn, done: &[HistoryEvent], event_count: u64) -> Option<NonDeterminism> {
    let longest = turn.events.len().max(done.len());
    let index = (0..longest).find(|index| turn.events.get(*index) != done.get(*index))?;
    let show = |events: &[HistoryEvent]| {
        events.get(index).map_or_else(|| "nothing more in this turn".to_owned(), ToString::to_string)
    };
    let event_number = event_count + index as u64;
    Some(NonDeterminism { event_number, history: show(&turn.events), code: show(done) })
}

/// Adds the turn. What comes after the last event is of the last turn.
fn locate(history: &ExecutionHistory, found: NonDeterminism) -> Divergence {
    let mut next_event = 0;
    let (mut turn, mut turn_time) = (0, history.begun_with.started);
    for (number, row) in (0..).zip(&history.turns) {
        (turn, turn_time) = (number, row.time);
        next_event += row.events.len() as u64;
        if found.event_number < next_event {
            break;
        }
    }
    let NonDeterminism { event_number, history, code } = found;
    Divergence { event_number, turn, turn_time, history, code }
}
