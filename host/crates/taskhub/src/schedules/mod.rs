//! Schedules at work: one runner each waits for the next tick, has it decided, and lets what it started take effect.

mod calls;
mod client;
mod runner;

pub use calls::{TimerCall, TimerFunction};

use crate::{
    ClientError,
    engine::{Engine, run_to_end},
    operate::{misfit, told},
};
use durance_durable::{RunningTick, ScheduleId, ScheduleRecord, ScheduleTarget, Timestamp};
use durance_store::{
    IdempotencyKey, OnceOutcome, Operation, Outcome, RunWith, ScheduleChange, ScheduleOutcome, ScheduleWrite,
    ScheduleWritten,
};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use tokio::{sync::Notify, task::AbortHandle};

/// All schedules of the hub, in memory; the store has them too.
#[derive(Debug, Default)]
pub(crate) struct Schedules {
    entries: Mutex<BTreeMap<ScheduleId, Arc<Scheduled>>>,
    /// Held by whoever makes, changes or deletes one, until memory says what the store says. Ticks need it not.
    gate: tokio::sync::Mutex<()>,
}

/// One schedule.
#[derive(Debug)]
pub(crate) struct Scheduled {
    id: ScheduleId,
    state: Mutex<State>,
    /// The state is another one.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    record: ScheduleRecord,
    /// Calls of the function by their ticks; none: it has returned, but that is not written yet.
    calls: HashMap<Timestamp, Option<AbortHandle>>,
    is_deleted: bool,
    has_runner: bool,
}

impl Schedules {
    pub(crate) fn find(&self, id: &ScheduleId) -> Option<Arc<Scheduled>> {
        self.entries.lock().get(id).cloned()
    }

    fn insert(&self, id: ScheduleId, record: ScheduleRecord) -> Arc<Scheduled> {
        let state = Mutex::new(State { record, calls: HashMap::new(), is_deleted: false, has_runner: false });
        let entry = Arc::new(Scheduled { id: id.clone(), state, changed: Notify::new() });
        self.entries.lock().insert(id, Arc::clone(&entry));
        entry
    }

    fn remove(&self, id: &ScheduleId) {
        if let Some(entry) = self.entries.lock().remove(id) {
            let mut state = entry.state.lock();
            state.is_deleted = true;
            state.stop_calls(&[]);
            drop(state);
            entry.changed.notify_one();
        }
    }

    fn all(&self) -> Vec<Arc<Scheduled>> {
        self.entries.lock().values().cloned().collect()
    }

    /// Ends the calls of functions: they are made again after the next start.
    pub(crate) fn stop_all(&self) {
        self.all().iter().for_each(|entry| entry.state.lock().stop_calls(&[]));
    }

    /// Whether no function is being called.
    pub(crate) fn is_idle(&self) -> bool {
        self.entries.lock().values().all(|entry| entry.state.lock().calls.is_empty())
    }
}

impl Scheduled {
    fn record(&self) -> ScheduleRecord {
        self.state.lock().record.clone()
    }

    /// Takes over what the store says, unless something newer is here.
    fn update(&self, record: ScheduleRecord) {
        let mut state = self.state.lock();
        if record.revision > state.record.revision {
            state.record = record;
            drop(state);
            self.changed.notify_one();
        }
    }
}

impl State {
    /// Ends the calls whose ticks are not among `running`.
    fn stop_calls(&mut self, running: &[RunningTick]) {
        self.calls.retain(|scheduled, call| {
            let goes_on = running.iter().any(|running| running.scheduled == *scheduled);
            if let Some(call) = call.as_ref().filter(|_| !goes_on) {
                call.abort();
            }
            goes_on
        });
    }
}

impl Engine {
    /// Commits a change of a schedule, under a key if there is one, and lets it take effect even if nobody waits for it any
    /// more.
    async fn change_schedule(
        self: &Arc<Self>,
        id: ScheduleId,
        change: ScheduleChange,
        key: Option<IdempotencyKey>,
    ) -> Result<ScheduleOutcome, ClientError> {
        let engine = Arc::clone(self);
        run_to_end(async move {
            let write = ScheduleWrite { id: id.clone(), change, now: engine.clock.now() };
            let operations = engine.under_key(vec![Operation::Schedule(write)], key);
            let outcomes = engine.committer.commit(operations).await?;
            let is_repetition = matches!(outcomes[..], [Outcome::Once(OnceOutcome::Repeated(_))]);
            match told(outcomes)?.pop() {
                Some(Outcome::Schedule(outcome)) => {
                    if !is_repetition {
                        engine.take_effect_of_schedule(&id, &outcome);
                    }
                    Ok(outcome)
                }
                Some(other) => Err(misfit(&other)),
                None => Err(ClientError::Stopping),
            }
        })
        .await
    }

    fn take_effect_of_schedule(self: &Arc<Self>, id: &ScheduleId, outcome: &ScheduleOutcome) {
        match outcome {
            ScheduleOutcome::Written(written) if written.created => {
                let entry = self.schedules.insert(id.clone(), written.record.clone());
                self.run_schedule(entry);
            }
            ScheduleOutcome::Written(written) => self.take_effect_of_change(id, written),
            ScheduleOutcome::Stale(record) | ScheduleOutcome::AlreadyExists(record) => {
                if let Some(entry) = self.schedules.find(id) {
                    entry.update((**record).clone());
                }
            }
            ScheduleOutcome::Deleted => self.schedules.remove(id),
            ScheduleOutcome::NotFound => {}
        }
    }

    fn take_effect_of_change(self: &Arc<Self>, id: &ScheduleId, written: &ScheduleWritten) {
        for (instance, execution) in &written.terminated {
            self.forget(instance, *execution);
            self.stuck.over(instance);
            self.watchers.finished(instance);
        }
        self.deliver_all(written.messages.iter().cloned());
        for start in &written.starts {
            self.take_effect_of_start(start);
        }
        for run in &written.runs {
            let tick = run.scheduled.to_calendar();
            tracing::info!(schedule_id = %id, %tick, outcome = ?run.outcome, "schedule was due");
        }
        if let Some(entry) = self.schedules.find(id) {
            entry.update(written.record.clone());
            self.run_calls(&entry);
        }
    }

    /// What a run of this schedule needs.
    fn run_with(&self, record: &ScheduleRecord) -> RunWith {
        let module = match &record.definition.target {
            ScheduleTarget::Function => Err("a function has no component of its own".into()),
            ScheduleTarget::Orchestrator { name, .. } => self
                .executor
                .resolve_orchestrator(name)
                .ok_or_else(|| self.unknown_orchestrator(name).to_string().into()),
        };
        RunWith { revision: record.revision, module, retention: self.retention(), seed: self.clock.new_id() }
    }
}
