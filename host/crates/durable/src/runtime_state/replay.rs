//! Going from turn to turn: the past ones first, then the present one.

use super::{GuestFault, NonDeterminism, Phase, RuntimeState, TURN_BYTES_MAX};
use crate::{HistoryEvent, Turn};
use std::collections::VecDeque;

impl RuntimeState {
    /// Whether the orchestrator may run: false while it has not been started or is suspended.
    ///
    /// # Errors
    /// Its history does not allow it.
    pub fn poll_start(&mut self) -> Result<bool, GuestFault> {
        while !self.begun || self.suspended {
            if !self.advance()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Goes on to the next turn; false if there is none to go on to.
    pub(super) fn advance(&mut self) -> Result<bool, GuestFault> {
        if let Phase::Replaying(expected) = &self.phase
            && let Some(event) = expected.front()
        {
            let (history, code) = (event.to_string(), "nothing more in this turn".to_owned());
            return Err(self.diverged(history, code));
        }
        if let Some(turn) = self.past.pop_front() {
            self.replay_turn(turn);
        } else if let Some(turn) = self.queued.take() {
            self.go_live(turn);
        } else {
            return Ok(false);
        }
        self.begun = true;
        // What was delivered may have made the host go on with a task, which may have gone another way.
        self.fault.clone().map_or(Ok(true), Err)
    }

    fn replay_turn(&mut self, turn: Turn) {
        self.now = turn.time;
        let mut received = turn.events;
        let split = received.iter().take_while(|event| event.is_received()).count();
        let asked = VecDeque::from(received.split_off(split));
        self.replayed_events += received.len() as u64;
        self.phase = Phase::Replaying(asked);
        for event in received {
            self.deliver(event);
        }
    }

    fn go_live(&mut self, turn: Turn) {
        self.now = turn.time;
        self.turn_bytes = 0;
        self.phase = Phase::Live(Vec::new());
        let mut events = turn.events;
        events.retain(|event| self.deliver(event.clone()));
        // What is asked for while they are delivered comes after all of them.
        if let Phase::Live(asked) = &mut self.phase {
            events.append(asked);
            *asked = events;
        }
    }

    /// Notes what the orchestrator asks for, or compares it with what it asked for then.
    pub(super) fn ask(&mut self, asked: HistoryEvent) -> Result<(), GuestFault> {
        match &mut self.phase {
            Phase::Live(events) => {
                self.turn_bytes += asked.payload_bytes();
                if self.turn_bytes > TURN_BYTES_MAX {
                    return Err(self.fail(GuestFault::TurnTooLarge));
                }
                events.push(asked);
                Ok(())
            }
            Phase::Replaying(expected) => {
                let past = expected.pop_front();
                if past.as_ref() == Some(&asked) {
                    self.replayed_events += 1;
                    return Ok(());
                }
                let history =
                    past.map_or_else(|| "nothing more in this turn".to_owned(), |event| event.to_string());
                Err(self.diverged(history, asked.to_string()))
            }
            Phase::Idle => Err(self.fail(GuestFault::InvalidArgument("called outside of a turn".to_owned()))),
        }
    }

    pub(super) fn diverged(&mut self, history: String, code: String) -> GuestFault {
        let event_number = self.replayed_events;
        self.fail(NonDeterminism { event_number, history, code }.into())
    }
}
