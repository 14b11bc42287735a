//! Rewinding a failed execution: what of its history stays in force, and what is to be done again.

use crate::{
    CallEntity, CreateSubOrchestration, CreateTimer, HistoryEvent, ScheduleTask, TaskFailureDetails, TaskId,
    Timestamp, Turn,
};
use std::collections::{BTreeMap, BTreeSet};

/// The type of failure of an entity operation whose result came when the run was over.
const RESULT_LOST: &str = "ResultLost";

/// The run failed in a critical section. Its locks were released then: others may have changed the entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldsLocks;

/// How a failed execution goes on from where it failed.
#[derive(Debug, Clone, PartialEq)]
pub struct RewindPlan {
    /// For [`HistoryEvent::ExecutionRewound`].
    pub kept_events: u64,
    /// What came in since and still holds, in order: to be delivered once more.
    pub redelivered: Vec<HistoryEvent>,
    /// What the kept part waits for.
    pub reopened: Vec<Reopened>,
}

/// A task that is open again.
#[derive(Debug, Clone, PartialEq)]
pub enum Reopened {
    /// To be run.
    Activity {
        /// What was called.
        call: ScheduleTask,
        /// When it was.
        scheduled: Timestamp,
        /// The number of the first event in the turn that called it.
        history_row: u64,
    },
    /// To fire; at once if its time is over.
    Timer(CreateTimer),
    /// To be rewound or started again, unless it has ended well.
    SubOrchestration(CreateSubOrchestration),
    /// To be sent once more: the operation failed, so it has changed nothing.
    EntityCall(CallEntity),
}

/// A turn and the number of its first event.
pub(crate) struct NumberedTurn {
    pub(crate) first_event: u64,
    pub(crate) turn: Turn,
}

impl NumberedTurn {
    fn received(&self) -> impl Iterator<Item = &HistoryEvent> {
        self.turn.events.iter().take_while(|event| event.is_received())
    }

    fn has_failure(&self) -> bool {
        self.received().any(HistoryEvent::is_task_failure)
    }

    fn asked_nothing(&self) -> bool {
        self.turn.events.iter().all(HistoryEvent::is_received)
    }
}

/// The turns that count: those that no rewind has put out of force.
pub(crate) fn in_force(history: Vec<Turn>) -> Vec<NumberedTurn> {
    let mut turns: Vec<NumberedTurn> = Vec::with_capacity(history.len());
    let mut first_event = 0;
    for turn in history {
        let events = turn.events.len() as u64;
        match turn.events.first() {
            Some(HistoryEvent::ExecutionRewound { kept_events, .. }) => {
                turns.retain(|turn| turn.first_event < *kept_events);
            }
            _ => turns.push(NumberedTurn { first_event, turn }),
        }
        first_event += events;
    }
    turns
}

/// Plans how the execution with this history, which has failed, goes on.
///
/// The history is cut before the turn that brought the last failure of a task, and before earlier ones if the
/// orchestrator asked for nothing in between: those failed side by side. What the orchestrator did from there on does
/// not count; it did so because of the failures. Results of tasks that it had asked for before hold, failures don't.
/// Where no task has failed only the last turn is run again. Of an operation of an entity whose result has not come
/// nobody knows whether it was applied: it fails.
///
/// # Errors
/// The kept part holds locks, or waits for them.
pub fn plan_rewind(history: Vec<Turn>) -> Result<RewindPlan, HoldsLocks> {
    let turns = in_force(history);
    let cut = cut(&turns);
    let (kept, undone) = turns.split_at(cut);
    if holds_locks(kept) {
        return Err(HoldsLocks);
    }
    let mut open = open_tasks(kept);
    let mut failed = BTreeSet::new();
    let mut redelivered = Vec::new();
    for event in undone.iter().flat_map(NumberedTurn::received) {
        if event.is_task_failure() {
            failed.extend(event.completes());
        } else if event.completes().is_none_or(|task| open.remove(&task).is_some()) {
            redelivered.push(event.clone());
        }
    }
    let is_lost =
        |task: &TaskId, open: &Reopened| matches!(open, Reopened::EntityCall(_)) && !failed.contains(task);
    let lost = open.iter().filter(|(task, open)| is_lost(task, open)).map(|(task, _)| *task);
    let lost: Vec<_> = lost.collect();
    open.retain(|task, _| !lost.contains(task));
    redelivered.extend(lost.into_iter().map(result_lost));
    Ok(RewindPlan {
        kept_events: undone.first().map_or(0, |turn| turn.first_event),
        redelivered,
        reopened: open.into_values().collect(),
    })
}

fn result_lost(task: TaskId) -> HistoryEvent {
    let text = "the run ended before the operation's result came; it may have been applied or not";
    HistoryEvent::EntityOperationFailed {
        task,
        failure: TaskFailureDetails::non_retriable(RESULT_LOST, text),
    }
}

fn holds_locks(turns: &[NumberedTurn]) -> bool {
    let events = turns.iter().flat_map(|numbered| &numbered.turn.events);
    events.fold(false, |held, event| match event {
        HistoryEvent::EntityLockRequested(_) => true,
        HistoryEvent::EntityUnlockSent { .. } => false,
        _ => held,
    })
}

/// The index of the first turn that does not stay.
fn cut(turns: &[NumberedTurn]) -> usize {
    let Some(last) = turns.iter().rposition(NumberedTurn::has_failure) else {
        return turns.len().saturating_sub(1);
    };
    let before = turns.get(..last).unwrap_or_default();
    let side_by_side = before.iter().enumerate().rev().take_while(|(_, turn)| turn.asked_nothing());
    let failed = side_by_side.filter(|(_, turn)| turn.has_failure());
    failed.last().map_or(last, |(index, _)| index)
}

/// What these turns asked for and did not get.
fn open_tasks(turns: &[NumberedTurn]) -> BTreeMap<TaskId, Reopened> {
    let mut open = BTreeMap::new();
    for numbered in turns {
        for event in &numbered.turn.events {
            let (task, opened) = match event {
                HistoryEvent::TaskScheduled(call) => {
                    let (scheduled, history_row) = (numbered.turn.time, numbered.first_event);
                    (call.task, Reopened::Activity { call: call.clone(), scheduled, history_row })
                }
                HistoryEvent::TimerCreated(timer) => (timer.task, Reopened::Timer(timer.clone())),
                HistoryEvent::SubOrchestrationInstanceCreated(child) => {
                    (child.task, Reopened::SubOrchestration(child.clone()))
                }
                HistoryEvent::EntityOperationCalled(call) => (call.task, Reopened::EntityCall(call.clone())),
                HistoryEvent::TimerCanceled { task } | HistoryEvent::TaskCanceled { task } => {
                    open.remove(task);
                    continue;
                }
                other => {
                    other.completes().map(|task| open.remove(&task));
                    continue;
                }
            };
            open.insert(task, opened);
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ActivityOptions, EntityId, Json, LockEntities, RuntimeStatus};

    fn call(task: u32) -> HistoryEvent {
        let options = ActivityOptions::default();
        let (task, name, input) = (TaskId(task), "A".into(), Json::null());
        HistoryEvent::TaskScheduled(ScheduleTask { task, name, input, options })
    }

    fn done(task: u32) -> HistoryEvent {
        HistoryEvent::TaskCompleted { task: TaskId(task), result: Json::null() }
    }

    fn failed(task: u32) -> HistoryEvent {
        HistoryEvent::TaskFailed { task: TaskId(task), failure: TaskFailureDetails::new("E", "no") }
    }

    fn counter() -> EntityId {
        EntityId::new("Counter", "visits").unwrap()
    }

    fn entity_call(task: u32) -> HistoryEvent {
        let (task, entity, operation, input) = (TaskId(task), counter(), "get".into(), Json::null());
        HistoryEvent::EntityOperationCalled(CallEntity { task, entity, operation, input })
    }

    fn entity_done(task: u32) -> HistoryEvent {
        HistoryEvent::EntityOperationCompleted { task: TaskId(task), result: Json::null() }
    }

    fn entity_failed(task: u32) -> HistoryEvent {
        let failure = TaskFailureDetails::new("E", "no");
        HistoryEvent::EntityOperationFailed { task: TaskId(task), failure }
    }

    fn timer(task: u32) -> HistoryEvent {
        HistoryEvent::TimerCreated(CreateTimer { task: TaskId(task), fire_at: Timestamp::from_nanos(9) })
    }

    fn end() -> HistoryEvent {
        HistoryEvent::ExecutionCompleted { status: RuntimeStatus::Failed, output: None, failure: None }
    }

    fn raised() -> HistoryEvent {
        HistoryEvent::EventRaised { name: "e".into(), input: Json::null() }
    }

    fn rewound(kept_events: u64) -> HistoryEvent {
        HistoryEvent::ExecutionRewound { reason: "again".into(), kept_events }
    }

    fn history(turns: &[&[HistoryEvent]]) -> Vec<Turn> {
        turns.iter().map(|events| Turn { time: Timestamp::default(), events: events.to_vec() }).collect()
    }

    fn tasks(plan: &RewindPlan) -> Vec<u32> {
        let task = |reopened: &Reopened| match reopened {
            Reopened::Activity { call, .. } => call.task.0,
            Reopened::Timer(timer) => timer.task.0,
            Reopened::SubOrchestration(child) => child.task.0,
            Reopened::EntityCall(call) => call.task.0,
        };
        plan.reopened.iter().map(task).collect()
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn histories_and_where_they_go_on() {
        use HistoryEvent::ExecutionStarted as Started;
        let cancel = HistoryEvent::TimerCanceled { task: TaskId(1) };
        // History; how many events stay, what comes in again, which tasks are open.
        let table = [
            // A sequence fails at its second call.
            (
                vec![vec![Started, call(0)], vec![done(0), call(1)], vec![failed(1), end()]],
                4,
                vec![],
                vec![1],
            ),
            // Of three side by side two fail; the one that came in between stays done.
            (
                vec![
                    vec![Started, call(0), call(1), call(2)],
                    vec![failed(0)],
                    vec![done(1)],
                    vec![failed(2), end()],
                ],
                4,
                vec![done(1)],
                vec![0, 2],
            ),
            // A failure that was handled stays handled.
            (
                vec![vec![Started, call(0)], vec![failed(0), call(1)], vec![failed(1), end()]],
                4,
                vec![],
                vec![1],
            ),
            // What was done because of the failure does not count, what came from outside does.
            (
                vec![vec![Started, call(0)], vec![failed(0), call(1)], vec![raised(), done(1), end()]],
                2,
                vec![raised()],
                vec![0],
            ),
            // A timer that the failure cancelled is open again.
            (vec![vec![Started, call(0), timer(1)], vec![failed(0), cancel, end()]], 3, vec![], vec![0, 1]),
            // An activity that was given up stays so.
            (
                vec![
                    vec![Started, call(0), call(1)],
                    vec![done(1), HistoryEvent::TaskCanceled { task: TaskId(0) }, call(2)],
                    vec![failed(2), end()],
                ],
                6,
                vec![],
                vec![2],
            ),
            // An operation of an entity that failed is called again; of one that was not answered nothing is known.
            (
                vec![vec![Started, entity_call(0), entity_call(1)], vec![entity_failed(0), end()]],
                3,
                vec![result_lost(TaskId(1))],
                vec![0],
            ),
            (
                vec![
                    vec![Started, entity_call(0), call(1)],
                    vec![failed(1), entity_call(2)],
                    vec![entity_done(0), end()],
                ],
                3,
                vec![entity_done(0)],
                vec![1],
            ),
            // No task has failed: the last turn is run again, be it the first.
            (vec![vec![Started, call(0)], vec![done(0), end()]], 2, vec![done(0)], vec![]),
            (vec![vec![Started, end()]], 0, vec![Started], vec![]),
            // The second rewind counts from what the first one left.
            (
                vec![
                    vec![Started, call(0)],
                    vec![failed(0), end()],
                    vec![rewound(2)],
                    vec![done(0), call(1)],
                    vec![failed(1), end()],
                ],
                7,
                vec![],
                vec![1],
            ),
        ];
        for (turns, kept, redelivered, open) in table {
            let turns: Vec<_> = turns.iter().map(Vec::as_slice).collect();
            let plan = plan_rewind(history(&turns)).unwrap();
            assert_eq!((plan.kept_events, &plan.redelivered), (kept, &redelivered), "{turns:?}");
            assert_eq!(tasks(&plan), open, "{turns:?}");
        }
    }

    #[test]
    fn run_that_failed_in_a_critical_section_is_not_rewound() {
        let lock =
            || HistoryEvent::EntityLockRequested(LockEntities { task: TaskId(0), entities: vec![counter()] });
        let granted = || HistoryEvent::EntityLockGranted { task: TaskId(0) };
        let unlock = || HistoryEvent::EntityUnlockSent { task: TaskId(0) };
        let start = || vec![HistoryEvent::ExecutionStarted, lock()];
        let inside = [start(), vec![granted(), call(1)], vec![failed(1), unlock(), end()]];
        let behind = [start(), vec![granted(), unlock(), call(1)], vec![failed(1), end()]];
        let before = [vec![HistoryEvent::ExecutionStarted, call(1)], vec![failed(1), lock(), end()]];
        for (turns, holds) in [(inside, true), (behind, false)] {
            let turns: Vec<_> = turns.iter().map(Vec::as_slice).collect();
            assert_eq!(plan_rewind(history(&turns)).is_err(), holds, "{turns:?}");
        }
        let turns: Vec<_> = before.iter().map(Vec::as_slice).collect();
        assert!(plan_rewind(history(&turns)).is_ok());
    }

    #[test]
    fn reopened_activity_knows_the_row_that_called_it() {
        let turns = history(&[&[HistoryEvent::ExecutionStarted, timer(0)], &[call(1)], &[failed(1), end()]]);
        let plan = plan_rewind(turns).unwrap();
        assert!(matches!(plan.reopened.last(), Some(Reopened::Activity { history_row: 2, .. })), "{plan:?}");
    }
}
