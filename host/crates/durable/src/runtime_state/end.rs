//! The end of a turn: what it writes.

use super::{ContinueAsNew, GuestFault, NonDeterminism, Phase, RuntimeState};
use crate::{
    ExecutionId, ExecutionRecord, HistoryEvent, Json, NextExecution, RuntimeStatus, TaskFailureDetails, Turn,
    TurnCommit,
};
use std::sync::Arc;

/// What an orchestrator did that returned too early, for people.
const THE_END: &str = "the end of the orchestrator";

/// How a turn ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The orchestrator waits.
    Waiting,
    /// The orchestrator returned, or failed.
    Returned(Result<Json, TaskFailureDetails>),
    /// The instance was terminated, with this reason.
    Terminated(Arc<str>),
}

impl RuntimeState {
    /// Ends the turn that was begun; none if nothing is to be written, because all that came in was stale and nothing of
    /// it was in the inbox.
    ///
    /// `taken` are the sequence numbers of the inbox messages that it began with; `next` gives the id of the execution
    /// that follows if the orchestrator continues as new.
    pub fn end_turn(
        &mut self,
        outcome: Outcome,
        taken: Vec<u64>,
        next: impl FnOnce() -> ExecutionId,
    ) -> Option<TurnCommit> {
        let outcome = self.checked(outcome);
        let mut events = self.take_events();
        if outcome == Outcome::Waiting && events.is_empty() && taken.is_empty() {
            return None;
        }
        let mut commit = TurnCommit {
            instance: self.instance.clone(),
            execution: self.execution,
            base_event_count: self.event_count,
            turn: Turn { time: self.now, events: Vec::new() },
            status: if self.suspended { RuntimeStatus::Suspended } else { RuntimeStatus::Running },
            custom_status: self.custom_status.clone(),
            output: None,
            failure: None,
            taken,
            next: None,
        };
        if let Some(last) = self.conclude(outcome, next, &mut commit) {
            events.push(last);
        }
        self.event_count += events.len() as u64;
        commit.turn.events = events;
        Some(commit)
    }

    /// Where the orchestrator took another way than its history, or ended before it. To be asked between its run and the
    /// end of the turn.
    #[must_use]
    pub fn divergence(&self, outcome: &Outcome) -> Option<NonDeterminism> {
        if let Some(GuestFault::NonDeterminism(found)) = &self.fault {
            return Some(found.clone());
        }
        let Outcome::Returned(result) = outcome else { return None };
        let history = self.missed()?;
        let code = match result {
            Ok(_) => THE_END.to_owned(),
            Err(failure) => format!("{THE_END} with failure {failure}"),
        };
        Some(NonDeterminism { event_number: self.replayed_events, history, code })
    }

    /// What the history goes on with, if it does.
    fn missed(&self) -> Option<String> {
        let Phase::Replaying(expected) = &self.phase else { return None };
        expected.front().map(ToString::to_string).or_else(|| {
            let goes_on = !self.past.is_empty() || self.queued.is_some();
            goes_on.then(|| "another turn".to_owned())
        })
    }

    /// An orchestrator that returns while there is more in its history has gone another way.
    fn checked(&mut self, outcome: Outcome) -> Outcome {
        let Outcome::Returned(Ok(_)) = outcome else { return outcome };
        match self.missed() {
            Some(history) => {
                let fault = self.diverged(history, THE_END.to_owned());
                Outcome::Returned(Err(fault.failure()))
            }
            None => outcome,
        }
    }

    /// The events of the turn so far. One that was never reached has just what came in.
    fn take_events(&mut self) -> Vec<HistoryEvent> {
        let phase = std::mem::replace(&mut self.phase, Phase::Idle);
        let live = match phase {
            Phase::Live(events) => events,
            Phase::Idle | Phase::Replaying(_) => Vec::new(),
        };
        match self.queued.take() {
            Some(unreached) => {
                self.now = unreached.time;
                live.into_iter().chain(unreached.events).collect()
            }
            None => live,
        }
    }

    fn conclude(
        &mut self,
        outcome: Outcome,
        next: impl FnOnce() -> ExecutionId,
        commit: &mut TurnCommit,
    ) -> Option<HistoryEvent> {
        match outcome {
            Outcome::Waiting => return None,
            Outcome::Terminated(reason) => {
                commit.status = RuntimeStatus::Terminated;
                commit.output = Some(Json::of(&*reason));
            }
            Outcome::Returned(Err(failure)) => {
                commit.status = RuntimeStatus::Failed;
                commit.failure = Some(failure);
            }
            Outcome::Returned(Ok(output)) => {
                if let Some(again) = self.continue_as_new.take() {
                    return Some(self.go_on(again, next(), commit));
                }
                commit.status = RuntimeStatus::Completed;
                commit.output = Some(output);
            }
        }
        Some(HistoryEvent::ExecutionCompleted {
            status: commit.status,
            output: commit.output.clone(),
            failure: commit.failure.clone(),
        })
    }

    fn go_on(&mut self, again: ContinueAsNew, next: ExecutionId, commit: &mut TurnCommit) -> HistoryEvent {
        let carryover =
            if again.preserve_unprocessed_events { self.unprocessed_events() } else { Vec::new() };
        commit.status = RuntimeStatus::ContinuedAsNew;
        commit.next = Some(NextExecution {
            execution: next,
            keep_version: again.keep_version,
            record: ExecutionRecord {
                instance: self.instance.clone(),
                started: self.now,
                input: again.input.clone(),
                parent: self.record.parent.clone(),
                carryover,
                retention: self.record.retention,
            },
        });
        HistoryEvent::ContinueAsNew { input: again.input }
    }
}
