//! The state of a schedule, and what its ticks mean.

use super::{OverlapPolicy, ScheduleDefinition};
use crate::{InstanceId, Timestamp, Token};
use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// A tick that is no later than this is on time, whatever the catch-up window: a host may take that long to start again.
pub const ON_TIME: Duration = Duration::from_secs(10);

/// How many ticks of one schedule wait for their turn; more are skipped.
pub const QUEUED_TICKS_MAX: usize = 100;

/// How many ticks of one schedule one commit decides; more wait for the next commit.
pub const TICKS_AT_ONCE_MAX: usize = 100;

/// How many runs a schedule remembers.
const RUNS_KEPT: usize = 10;

/// The state of a schedule: one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleRecord {
    /// What it does, and when.
    pub definition: ScheduleDefinition,
    /// Changes with every change of the record; never used twice in a hub.
    pub revision: Token,
    /// When it was created.
    pub created: Timestamp,
    /// When its definition was last changed, or it was paused or resumed.
    pub updated: Timestamp,
    /// Why it is paused; none if it is not.
    pub paused: Option<Arc<str>>,
    /// The next tick; none if there is none any more.
    pub next: Option<Timestamp>,
    /// Ticks that wait for the end of the run before, in order.
    pub queued: VecDeque<Timestamp>,
    /// Calls of the function that have not ended: they are made again after a crash.
    pub running: Vec<RunningTick>,
    /// The run that was started last: its instance and generation.
    pub latest: Option<(InstanceId, u64)>,
    /// What became of the last ticks, the oldest first.
    pub runs: VecDeque<ScheduledRun>,
    /// How many ticks ran.
    pub run_count: u64,
    /// How many ticks were skipped because of the overlap policy.
    pub skipped_count: u64,
}

/// A call of a timer-triggered function that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningTick {
    /// When it was due.
    pub scheduled: Timestamp,
    /// When it was decided.
    pub begun: Timestamp,
}

/// What became of a tick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledRun {
    /// When it was due.
    pub scheduled: Timestamp,
    /// When that was decided, or came to its end.
    pub at: Timestamp,
    /// What.
    pub outcome: RunOutcome,
}

/// What became of a tick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunOutcome {
    /// It started an orchestration.
    Started {
        /// Its instance.
        instance: InstanceId,
        /// Its run.
        generation: u64,
    },
    /// The function was called, and has not ended yet.
    Running,
    /// The function came to its end.
    Completed,
    /// The function failed, or nothing could be run; why.
    Failed(Arc<str>),
    /// The run before was not over.
    Skipped,
    /// The run before was not over; it runs after that.
    Queued,
}

/// What a tick is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TickDecision {
    /// Run.
    Run,
    /// End the run before, and run.
    Replace,
    /// Wait.
    Queue,
    /// Nothing.
    Skip,
}

impl ScheduleRecord {
    /// A new schedule.
    #[must_use]
    pub fn new(definition: ScheduleDefinition, now: Timestamp) -> Self {
        Self {
            next: definition.next_after(now, now),
            definition,
            revision: Token::default(),
            created: now,
            updated: now,
            paused: None,
            queued: VecDeque::new(),
            running: Vec::new(),
            latest: None,
            runs: VecDeque::new(),
            run_count: 0,
            skipped_count: 0,
        }
    }

    /// Gives it another definition. A tick that was due already stays due if the times have not changed.
    pub fn redefine(&mut self, definition: ScheduleDefinition, now: Timestamp) {
        let times = |it: &ScheduleDefinition| (it.timing.clone(), it.start, it.end);
        if times(&self.definition) != times(&definition) {
            self.next = definition.next_after(self.created, now);
        }
        self.definition = definition;
        self.updated = now;
    }

    /// No tick is due until it is resumed.
    pub fn pause(&mut self, reason: Arc<str>, now: Timestamp) {
        self.paused = Some(reason);
        self.updated = now;
    }

    /// Ticks are due again from now on; those that were missed are not made up for.
    pub fn resume(&mut self, now: Timestamp) {
        if self.paused.take().is_some() {
            self.next = self.definition.next_after(self.created, now);
            self.updated = now;
        }
    }

    /// When something is to be decided; none while nothing is.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        self.next.filter(|_| self.paused.is_none())
    }

    /// Takes the ticks that are due and not too late, in order. More may be due: see [`TICKS_AT_ONCE_MAX`].
    pub fn take_due(&mut self, now: Timestamp) -> Vec<Timestamp> {
        let mut ticks = Vec::new();
        if self.due().is_none_or(|next| next > now) {
            return ticks;
        }
        let window = self.definition.catch_up.max(ON_TIME);
        let too_late = Timestamp::default()
            .saturating_add(now.saturating_since(Timestamp::default().saturating_add(window)));
        if self.next.is_some_and(|next| next < too_late) {
            let before = Timestamp::from_nanos(too_late.as_nanos().saturating_sub(1));
            self.next = self.definition.next_after(self.created, before);
        }
        while let Some(next) = self.next.filter(|next| *next <= now)
            && ticks.len() < TICKS_AT_ONCE_MAX
        {
            ticks.push(next);
            self.next = self.definition.next_after(self.created, next);
        }
        ticks
    }

    /// What a tick is to do; `is_live`: the run before is not over.
    #[must_use]
    pub fn decide(&self, is_live: bool) -> TickDecision {
        match self.definition.overlap {
            _ if !is_live && self.queued.is_empty() => TickDecision::Run,
            OverlapPolicy::Allow => TickDecision::Run,
            OverlapPolicy::Terminate => TickDecision::Replace,
            OverlapPolicy::Queue if self.queued.len() < QUEUED_TICKS_MAX => TickDecision::Queue,
            OverlapPolicy::Queue | OverlapPolicy::Skip => TickDecision::Skip,
        }
    }

    /// Remembers what became of a tick.
    pub fn note(&mut self, scheduled: Timestamp, at: Timestamp, outcome: RunOutcome) {
        match &outcome {
            RunOutcome::Started { instance, generation } => {
                self.latest = Some((instance.clone(), *generation));
                self.run_count += 1;
            }
            RunOutcome::Running => {
                self.running.push(RunningTick { scheduled, begun: at });
                self.run_count += 1;
            }
            RunOutcome::Completed | RunOutcome::Failed(_) => {
                self.running.retain(|running| running.scheduled != scheduled);
            }
            RunOutcome::Skipped => self.skipped_count += 1,
            RunOutcome::Queued => self.queued.push_back(scheduled),
        }
        // A tick is remembered once, with what became of it last.
        self.runs.retain(|run| run.scheduled != scheduled);
        self.runs.push_back(ScheduledRun { scheduled, at, outcome });
        if self.runs.len() > RUNS_KEPT {
            self.runs.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ScheduleTarget, Timing};

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    fn record(overlap: OverlapPolicy, catch_up: u64) -> ScheduleRecord {
        let definition = ScheduleDefinition {
            target: ScheduleTarget::Function,
            timing: Timing::Every(Duration::from_secs(10)),
            overlap,
            catch_up: Duration::from_secs(catch_up),
            start: None,
            end: None,
        };
        ScheduleRecord::new(definition, at(1_000))
    }

    #[test]
    fn ticks_in_the_window_are_made_up_for_and_older_ones_are_not() {
        let table: [(u64, u64, &[u64], u64); 8] = [
            // Window, the present, ticks taken, the next one.
            (60, 1_005, &[], 1_010),
            (60, 1_010, &[1_010], 1_020),
            (60, 1_034, &[1_010, 1_020, 1_030], 1_040),
            (60, 1_070, &[1_010, 1_020, 1_030, 1_040, 1_050, 1_060, 1_070], 1_080),
            (15, 1_095, &[1_080, 1_090], 1_100),
            (15, 1_094, &[1_080, 1_090], 1_100),
            // On time means within ten seconds.
            (0, 1_020, &[1_010, 1_020], 1_030),
            (0, 1_029, &[1_020], 1_030),
        ];
        for (window, now, expected, next) in table {
            let mut record = record(OverlapPolicy::Skip, window);
            let taken = record.take_due(at(now));
            assert_eq!(taken, expected.iter().copied().map(at).collect::<Vec<_>>(), "{window} {now}");
            assert_eq!(record.next, Some(at(next)), "{window} {now}");
        }
    }

    #[test]
    fn many_ticks_are_taken_in_batches() {
        let mut record = record(OverlapPolicy::Skip, 1_000_000);
        let first = record.take_due(at(1_000 + 10 * 150));
        let second = record.take_due(at(1_000 + 10 * 150));
        assert_eq!((first.len(), second.len()), (TICKS_AT_ONCE_MAX, 50));
        assert_eq!(record.next, Some(at(2_510)));
    }

    #[test]
    fn every_policy_while_a_run_is_live_and_when_none_is() {
        let table = [
            (OverlapPolicy::Skip, TickDecision::Skip),
            (OverlapPolicy::Queue, TickDecision::Queue),
            (OverlapPolicy::Allow, TickDecision::Run),
            (OverlapPolicy::Terminate, TickDecision::Replace),
        ];
        for (policy, while_live) in table {
            let record = record(policy, 60);
            assert_eq!(record.decide(true), while_live, "{policy}");
            assert_eq!(record.decide(false), TickDecision::Run, "{policy}");
        }
    }

    #[test]
    fn a_queue_keeps_its_order_and_has_an_end() {
        let mut record = record(OverlapPolicy::Queue, 60);
        for tick in 0..QUEUED_TICKS_MAX as u64 {
            assert_eq!(record.decide(true), TickDecision::Queue);
            record.note(at(tick), at(tick), RunOutcome::Queued);
        }
        assert_eq!(record.decide(true), TickDecision::Skip);
        record.queued.pop_front();
        assert_eq!(record.decide(false), TickDecision::Queue, "those before it run first");
    }

    #[test]
    fn a_paused_schedule_is_not_due_and_does_not_make_up_for_it() {
        let mut record = record(OverlapPolicy::Skip, 1_000);
        record.pause("holiday".into(), at(1_001));
        assert_eq!((record.due(), record.take_due(at(1_050))), (None, vec![]));
        record.resume(at(1_055));
        assert_eq!(record.due(), Some(at(1_060)));
    }

    #[test]
    fn a_new_definition_moves_the_next_tick_only_with_the_times() {
        let mut record = record(OverlapPolicy::Skip, 60);
        let same_times = ScheduleDefinition { overlap: OverlapPolicy::Allow, ..record.definition.clone() };
        record.redefine(same_times, at(1_015));
        assert_eq!(record.next, Some(at(1_010)));
        let slower = ScheduleDefinition {
            timing: Timing::Every(Duration::from_secs(100)),
            ..record.definition.clone()
        };
        record.redefine(slower, at(1_015));
        assert_eq!(record.next, Some(at(1_100)));
    }

    #[test]
    fn the_last_runs_are_remembered_each_once() {
        let mut record = record(OverlapPolicy::Skip, 60);
        for tick in 0..20 {
            record.note(at(tick), at(tick), RunOutcome::Running);
        }
        record.note(at(19), at(25), RunOutcome::Completed);
        assert_eq!((record.runs.len(), record.run_count, record.running.len()), (RUNS_KEPT, 20, 19));
        let last = record.runs.back().unwrap();
        assert_eq!((last.scheduled, &last.outcome), (at(19), &RunOutcome::Completed));
    }
}
