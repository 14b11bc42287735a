//! Schedules, as clients manage them.

use super::Scheduled;
use crate::{ClientError, OrchestrationClient, engine::Engine};
use durance_durable::{ScheduleDefinition, ScheduleId, ScheduleRecord, ScheduleTarget, ScheduledRun};
use durance_store::{ScheduleChange, ScheduleOutcome};
use std::{ops::Bound, sync::Arc};

impl OrchestrationClient {
    /// Makes a schedule.
    ///
    /// # Errors
    /// `InvalidArgument`, `UnknownOrchestrator`, `ScheduleExists`, `Busy`, `Stopping`.
    pub async fn create_schedule(
        &self,
        id: &ScheduleId,
        definition: ScheduleDefinition,
    ) -> Result<ScheduleRecord, ClientError> {
        self.engine.check_schedule(id, &definition)?;
        match self.engine.manage_schedule(id, ScheduleChange::Create(definition)).await? {
            ScheduleOutcome::Written(written) => Ok(written.record),
            _ => Err(ClientError::ScheduleExists(id.clone())),
        }
    }

    /// Makes a schedule, or gives one another definition; also whether it was made.
    ///
    /// # Errors
    /// `InvalidArgument`, `UnknownOrchestrator`, `ScheduleOfFunction`, `Busy`, `Stopping`.
    pub async fn put_schedule(
        &self,
        id: &ScheduleId,
        definition: ScheduleDefinition,
    ) -> Result<(ScheduleRecord, bool), ClientError> {
        self.engine.check_schedule(id, &definition)?;
        match self.engine.manage_schedule(id, ScheduleChange::Put(definition)).await? {
            ScheduleOutcome::Written(written) => Ok((written.record, written.created)),
            _ => Err(ClientError::ScheduleNotFound(id.clone())),
        }
    }

    /// A schedule as it is.
    ///
    /// # Errors
    /// `ScheduleNotFound`.
    pub fn get_schedule(&self, id: &ScheduleId) -> Result<ScheduleRecord, ClientError> {
        Ok(self.engine.find_schedule(id)?.record())
    }

    /// At most `page_size` schedules, in the order of their ids, after this one.
    #[must_use]
    pub fn list_schedules(
        &self,
        after: Option<&ScheduleId>,
        page_size: usize,
    ) -> Vec<(ScheduleId, ScheduleRecord)> {
        let entries = self.engine.schedules.entries.lock();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page = entries.range::<ScheduleId, _>((from, Bound::Unbounded)).take(page_size);
        page.map(|(id, entry)| (id.clone(), entry.record())).collect()
    }

    /// Deletes a schedule. What it started goes on.
    ///
    /// # Errors
    /// `ScheduleNotFound`, `ScheduleOfFunction`, `Busy`, `Stopping`.
    pub async fn delete_schedule(&self, id: &ScheduleId) -> Result<(), ClientError> {
        match self.engine.manage_schedule(id, ScheduleChange::Delete).await? {
            ScheduleOutcome::Deleted => Ok(()),
            _ => Err(ClientError::ScheduleNotFound(id.clone())),
        }
    }

    /// Holds a schedule: its ticks are left out until it is resumed.
    ///
    /// # Errors
    /// `ScheduleNotFound`, `Busy`, `Stopping`.
    pub async fn pause_schedule(&self, id: &ScheduleId, reason: &str) -> Result<ScheduleRecord, ClientError> {
        self.engine.hold_schedule(id, ScheduleChange::Pause { reason: reason.into() }).await
    }

    /// Lets a paused schedule go on with its next tick. Nothing for one that is not paused.
    ///
    /// # Errors
    /// `ScheduleNotFound`, `Busy`, `Stopping`.
    pub async fn resume_schedule(&self, id: &ScheduleId) -> Result<ScheduleRecord, ClientError> {
        self.engine.hold_schedule(id, ScheduleChange::Resume).await
    }

    /// Lets a schedule be due now, besides its own times and even if it is paused; what became of that.
    ///
    /// # Errors
    /// `ScheduleNotFound`, `Busy`, `Stopping`.
    pub async fn trigger_schedule(&self, id: &ScheduleId) -> Result<ScheduledRun, ClientError> {
        let _place = self.engine.admit()?;
        loop {
            let record = self.engine.find_schedule(id)?.record();
            let trigger = ScheduleChange::Trigger(self.engine.run_with(&record));
            match self.engine.change_schedule(id.clone(), trigger).await? {
                ScheduleOutcome::Written(written) => {
                    return written.runs.last().cloned().ok_or(ClientError::Stopping);
                }
                // A tick came between: on its record now.
                ScheduleOutcome::Stale(_) => {}
                _ => return Err(ClientError::ScheduleNotFound(id.clone())),
            }
        }
    }
}

impl Engine {
    fn find_schedule(&self, id: &ScheduleId) -> Result<Arc<Scheduled>, ClientError> {
        self.schedules.find(id).ok_or_else(|| ClientError::ScheduleNotFound(id.clone()))
    }

    fn check_schedule(&self, id: &ScheduleId, definition: &ScheduleDefinition) -> Result<(), ClientError> {
        let invalid =
            |error: durance_durable::InvalidSchedule| ClientError::InvalidArgument(error.to_string());
        definition.check(id, self.clock.now()).map_err(invalid)?;
        match &definition.target {
            ScheduleTarget::Orchestrator { name, .. }
                if self.executor.resolve_orchestrator(name).is_none() =>
            {
                Err(self.unknown_orchestrator(name))
            }
            ScheduleTarget::Orchestrator { .. } => Ok(()),
            ScheduleTarget::Function => {
                let text = "a schedule calls an orchestrator; a function's schedule is made from its code";
                Err(ClientError::InvalidArgument(text.to_owned()))
            }
        }
    }

    /// Makes, changes or deletes a schedule that is not a function's.
    async fn manage_schedule(
        self: &Arc<Self>,
        id: &ScheduleId,
        change: ScheduleChange,
    ) -> Result<ScheduleOutcome, ClientError> {
        let _place = self.admit()?;
        let _gate = self.schedules.gate.lock().await;
        let present = self.schedules.find(id).map(|entry| entry.record().definition.target);
        if present == Some(ScheduleTarget::Function) {
            return Err(ClientError::ScheduleOfFunction(id.clone()));
        }
        self.change_schedule(id.clone(), change).await
    }

    async fn hold_schedule(
        self: &Arc<Self>,
        id: &ScheduleId,
        change: ScheduleChange,
    ) -> Result<ScheduleRecord, ClientError> {
        let _place = self.admit()?;
        let _gate = self.schedules.gate.lock().await;
        match self.change_schedule(id.clone(), change).await? {
            ScheduleOutcome::Written(written) => Ok(written.record),
            _ => Err(ClientError::ScheduleNotFound(id.clone())),
        }
    }
}
