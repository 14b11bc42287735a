//! What is due later: durable timers, and activities that are to be tried again.

use crate::{activities::ActivityRun, partition::Delivery};
use durance_durable::{EntityId, ExecutionId, InstanceId, TaskId, Timestamp};
use durance_store::OpenTimer;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use tokio::sync::Notify;

/// What to do when a time comes.
#[derive(Debug, Clone)]
pub(crate) enum Due {
    /// Tell the orchestrator.
    Timer(OpenTimer),
    /// Run the next attempt.
    Retry(Box<ActivityRun>),
    /// A signal of the entity may be taken from this time on.
    Signal(EntityId, Timestamp),
    /// Begin a run that was scheduled for later.
    Start(EarlyMail),
}

/// What came for a run before the time that it is to begin at.
#[derive(Debug, Clone)]
pub(crate) struct EarlyMail {
    pub(crate) instance: InstanceId,
    pub(crate) execution: ExecutionId,
    pub(crate) start: Timestamp,
    pub(crate) mail: Vec<Delivery>,
}

/// Whose a due time is. Each has one at most.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Owner {
    Task(ExecutionId, TaskId),
    Entity(EntityId),
    Start(ExecutionId),
}

impl Due {
    fn key(&self) -> (Timestamp, Owner) {
        match self {
            Self::Timer(timer) => (timer.fire_at, Owner::Task(timer.execution, timer.task)),
            Self::Retry(run) => {
                (run.open.due.unwrap_or_default(), Owner::Task(run.open.execution, run.open.call.task))
            }
            Self::Signal(entity, due) => (*due, Owner::Entity(entity.clone())),
            Self::Start(early) => (early.start, Owner::Start(early.execution)),
        }
    }
}

/// All that is due later, in memory; the store has it too.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    agenda: Mutex<Agenda>,
    /// Something new is due first.
    pub(crate) earlier: Notify,
}

#[derive(Debug, Default)]
struct Agenda {
    by_time: BTreeMap<(Timestamp, Owner), Due>,
    by_execution: HashMap<ExecutionId, BTreeMap<TaskId, Timestamp>>,
    by_entity: HashMap<EntityId, Timestamp>,
    by_start: HashMap<ExecutionId, Timestamp>,
}

impl Timers {
    /// Notes something for later.
    pub(crate) fn add(&self, mut due: Due) {
        let key = due.key();
        let mut agenda = self.agenda.lock();
        // One that was noted before for another time is replaced; mail is added to.
        if let (Some(Due::Start(before)), Due::Start(early)) = (agenda.remove(&key.1), &mut due) {
            early.mail.splice(..0, before.mail);
        }
        let is_first = agenda.by_time.first_key_value().is_none_or(|(first, _)| key < *first);
        match key.1.clone() {
            Owner::Task(execution, task) => {
                agenda.by_execution.entry(execution).or_default().insert(task, key.0);
            }
            Owner::Entity(entity) => {
                agenda.by_entity.insert(entity, key.0);
            }
            Owner::Start(execution) => {
                agenda.by_start.insert(execution, key.0);
            }
        }
        agenda.by_time.insert(key, due);
        drop(agenda);
        if is_first {
            self.earlier.notify_one();
        }
    }

    /// Forgets one.
    pub(crate) fn remove(&self, execution: ExecutionId, task: TaskId) {
        self.agenda.lock().remove(&Owner::Task(execution, task));
    }

    /// Forgets all of an execution that is over.
    pub(crate) fn remove_all(&self, execution: ExecutionId) {
        let mut agenda = self.agenda.lock();
        agenda.remove(&Owner::Start(execution));
        for (task, time) in agenda.by_execution.remove(&execution).unwrap_or_default() {
            agenda.by_time.remove(&(time, Owner::Task(execution, task)));
        }
    }

    /// Takes what is due, and says when the next is.
    pub(crate) fn take_due(&self, now: Timestamp) -> (Vec<Due>, Option<Timestamp>) {
        let mut agenda = self.agenda.lock();
        let mut taken = Vec::new();
        while let Some(((time, owner), _)) = agenda.by_time.first_key_value() {
            if *time > now {
                return (taken, Some(*time));
            }
            let owner = owner.clone();
            taken.extend(agenda.remove(&owner));
        }
        (taken, None)
    }
}

impl Agenda {
    fn remove(&mut self, owner: &Owner) -> Option<Due> {
        let time = match owner {
            Owner::Entity(entity) => self.by_entity.remove(entity)?,
            Owner::Start(execution) => self.by_start.remove(execution)?,
            Owner::Task(execution, task) => {
                let tasks = self.by_execution.get_mut(execution)?;
                let time = tasks.remove(task)?;
                if tasks.is_empty() {
                    self.by_execution.remove(execution);
                }
                time
            }
        };
        self.by_time.remove(&(time, owner.clone()))
    }
}
