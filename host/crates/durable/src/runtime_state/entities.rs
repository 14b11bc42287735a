//! Calling, signalling and locking entities.

use super::{GuestFault, RuntimeState, Task, TaskKind};
use crate::{CallEntity, EntityId, EntitySignal, HistoryEvent, Json, LockEntities, TaskId, Timestamp};
use std::collections::BTreeMap;

/// From the request for locks to their release.
#[derive(Debug)]
pub(super) struct CriticalSection {
    /// The request's task.
    task: TaskId,
    entities: Vec<EntityId>,
    /// The last call of each.
    calls: BTreeMap<EntityId, TaskId>,
}

impl RuntimeState {
    /// Calls an operation of an entity, and waits for its result.
    ///
    /// # Errors
    /// The rules or the history do not allow it.
    pub fn call_entity(
        &mut self,
        entity: EntityId,
        operation: &str,
        input: Json,
    ) -> Result<TaskId, GuestFault> {
        self.check_name("an operation", operation)?;
        self.check_call(&entity)?;
        let task = self.next_task()?;
        let call = CallEntity { task, entity: entity.clone(), operation: operation.into(), input };
        self.ask(HistoryEvent::EntityOperationCalled(call))?;
        if let Some(section) = &mut self.critical_section {
            section.calls.insert(entity, task);
        }
        Ok(self.open(TaskKind::EntityCall))
    }

    /// Sends an entity an operation, without waiting for it; not before `due`, if that is given.
    ///
    /// # Errors
    /// The rules or the history do not allow it.
    pub fn signal_entity(
        &mut self,
        entity: EntityId,
        operation: &str,
        input: Json,
        due: Option<Timestamp>,
    ) -> Result<(), GuestFault> {
        self.check_name("an operation", operation)?;
        if self.critical_section.as_ref().is_some_and(|section| section.entities.contains(&entity)) {
            return Err(self.breaks_locking_rules(format!(
                "entity {entity} is locked by this orchestration, which can only call it, not signal it"
            )));
        }
        self.ask(HistoryEvent::EntityOperationSignaled(EntitySignal {
            entity,
            operation: operation.into(),
            input,
            due,
        }))
    }

    /// Begins a critical section: asks for the locks of entities. The task is done when all of them are held.
    ///
    /// # Errors
    /// The rules or the history do not allow it.
    pub fn lock_entities(&mut self, mut entities: Vec<EntityId>) -> Result<TaskId, GuestFault> {
        self.check_outside_critical_section("lock more entities")?;
        if entities.is_empty() {
            let text = "lock-entities was called with an empty list: name what to lock".to_owned();
            return Err(self.fail(GuestFault::InvalidArgument(text)));
        }
        entities.sort_unstable();
        entities.dedup();
        let task = self.next_task()?;
        self.ask(HistoryEvent::EntityLockRequested(LockEntities { task, entities: entities.clone() }))?;
        self.critical_section = Some(CriticalSection { task, entities, calls: BTreeMap::new() });
        Ok(self.open(TaskKind::Lock))
    }

    /// Ends the critical section that `task` began, whether its locks are held yet or not. Nothing if it has ended.
    ///
    /// # Errors
    /// The history does not allow it.
    pub fn release_locks(&mut self, task: TaskId) -> Result<(), GuestFault> {
        if self.critical_section.as_ref().is_none_or(|section| section.task != task) {
            return Ok(());
        }
        self.critical_section = None;
        if let Some(slot) = self.tasks.get_mut(task.0 as usize) {
            match std::mem::replace(slot, Task::Gone) {
                Task::Open(_) => self.wait_set.forget_open(task),
                Task::Done { order, .. } => self.wait_set.forget_done(order),
                Task::Gone => {}
            }
        }
        self.ask(HistoryEvent::EntityUnlockSent { task })
    }

    /// The entities of the present critical section; empty outside of one.
    #[must_use]
    pub fn locked_entities(&self) -> &[EntityId] {
        self.critical_section.as_ref().map_or(&[], |section| &section.entities)
    }

    pub(super) fn check_outside_critical_section(&mut self, action: &str) -> Result<(), GuestFault> {
        if self.critical_section.is_none() {
            return Ok(());
        }
        let text = format!("an orchestrator cannot {action} in a critical section: release its locks first");
        Err(self.breaks_locking_rules(text))
    }

    /// In a critical section only its entities can be called, each one call at a time: any other call could wait for
    /// somebody who waits for these locks.
    fn check_call(&mut self, entity: &EntityId) -> Result<(), GuestFault> {
        let Some(section) = &self.critical_section else { return Ok(()) };
        if !section.entities.contains(entity) {
            return Err(self.breaks_locking_rules(format!(
                "entity {entity} is not locked: in a critical section only locked entities can be called"
            )));
        }
        let last = section.calls.get(entity).and_then(|task| self.tasks.get(task.0 as usize));
        if !matches!(last, Some(Task::Open(_))) {
            return Ok(());
        }
        Err(self.breaks_locking_rules(format!(
            "a call of the locked entity {entity} is not done: wait for it before the next one"
        )))
    }

    fn breaks_locking_rules(&mut self, text: String) -> GuestFault {
        self.fail(GuestFault::LockingRules(text))
    }
}
