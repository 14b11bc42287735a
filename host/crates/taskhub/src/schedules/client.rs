//! Schedules, as clients manage them.

use super::Scheduled;
use crate::{ClientError, Idempotency, OrchestrationClient, engine::Engine, operate::misfit};
use durance_durable::{ScheduleDefinition, ScheduleId, ScheduleRecord, ScheduleTarget, ScheduledRun};
use durance_store::{IdempotencyKey, Outcome, ScheduleChange, ScheduleOutcome};
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
        match self.manage_schedule(id, ScheduleChange::Create(definition)).await? {
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
        match self.manage_schedule(id, ScheduleChange::Put(definition)).await? {
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
        match self.manage_schedule(id, ScheduleChange::Delete).await? {
            ScheduleOutcome::Deleted => Ok(()),
            _ => Err(ClientError::ScheduleNotFound(id.clone())),
        }
    }

    /// Holds a schedule: its ticks are left out until it is resumed.
    ///
    /// # Errors
    /// `ScheduleNotFound`, `Busy`, `Stopping`.
    pub async fn pause_schedule(&self, id: &ScheduleId, reason: &str) -> Result<ScheduleRecord, ClientError> {
        match self.manage_schedule(id, ScheduleChange::Pause { reason: reason.into() }).await? {
            ScheduleOutcome::Written(written) => Ok(written.record),
            _ => Err(ClientError::ScheduleNotFound(id.clone())),
        }
    }

    /// Lets a paused schedule go on with its next tick. Nothing for one that is not paused.
    ///
    /// # Errors
    /// `ScheduleNotFound`, `Busy`, `Stopping`.
    pub async fn resume_schedule(&self, id: &ScheduleId) -> Result<ScheduleRecord, ClientError> {
        match self.manage_schedule(id, ScheduleChange::Resume).await? {
            ScheduleOutcome::Written(written) => Ok(written.record),
            _ => Err(ClientError::ScheduleNotFound(id.clone())),
        }
    }

    /// Lets a schedule be due now, besides its own times and even if it is paused; what became of that.
    ///
    /// # Errors
    /// `ScheduleNotFound`, `Busy`, `Stopping`.
    pub async fn trigger_schedule(&self, id: &ScheduleId) -> Result<ScheduledRun, ClientError> {
        let key = self.idempotency.as_ref().map(|key| key.of(&["trigger-schedule", id.as_str()]));
        match self.engine.trigger_schedule(id, key).await? {
            ScheduleOutcome::Written(written) => written.runs.last().cloned().ok_or(ClientError::Stopping),
            _ => Err(ClientError::ScheduleNotFound(id.clone())),
        }
    }

    async fn manage_schedule(
        &self,
        id: &ScheduleId,
        change: ScheduleChange,
    ) -> Result<ScheduleOutcome, ClientError> {
        let key = self.idempotency.as_ref().map(|idempotency| key(idempotency, id, &change));
        self.engine.manage_schedule(id, change, key).await
    }
}

/// The key for a change that a client asks for.
fn key(idempotency: &Idempotency, id: &ScheduleId, change: &ScheduleChange) -> IdempotencyKey {
    let json = |definition| serde_json::to_string(definition).expect("definitions can be written as JSON");
    let (operation, argument) = match change {
        ScheduleChange::Create(definition) => ("create-schedule", json(definition)),
        ScheduleChange::Put(definition) => ("put-schedule", json(definition)),
        ScheduleChange::Delete => ("delete-schedule", String::new()),
        ScheduleChange::Pause { reason } => ("pause-schedule", reason.to_string()),
        ScheduleChange::Resume => ("resume-schedule", String::new()),
        ScheduleChange::Tick(_) | ScheduleChange::Trigger(_) | ScheduleChange::Ended { .. } => {
            unreachable!("no client asks for it so")
        }
    };
    idempotency.of(&[operation, id.as_str(), &argument])
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

    /// Changes a schedule. That of a function follows the function: it can only be paused and resumed.
    async fn manage_schedule(
        self: &Arc<Self>,
        id: &ScheduleId,
        change: ScheduleChange,
        key: Option<IdempotencyKey>,
    ) -> Result<ScheduleOutcome, ClientError> {
        let _place = self.admit()?;
        if let Some(told) = self.schedule_outcome_told(key.as_ref())? {
            return Ok(told);
        }
        let _gate = self.schedules.gate.lock().await;
        if let ScheduleChange::Create(definition) | ScheduleChange::Put(definition) = &change {
            self.check_schedule(id, definition)?;
        }
        let is_hold = matches!(change, ScheduleChange::Pause { .. } | ScheduleChange::Resume);
        let present = self.schedules.find(id).map(|entry| entry.record().definition.target);
        if present == Some(ScheduleTarget::Function) && !is_hold {
            return Err(ClientError::ScheduleOfFunction(id.clone()));
        }
        self.change_schedule(id.clone(), change, key).await
    }

    async fn trigger_schedule(
        self: &Arc<Self>,
        id: &ScheduleId,
        key: Option<IdempotencyKey>,
    ) -> Result<ScheduleOutcome, ClientError> {
        let _place = self.admit()?;
        if let Some(told) = self.schedule_outcome_told(key.as_ref())? {
            return Ok(told);
        }
        loop {
            let record = self.find_schedule(id)?.record();
            let trigger = ScheduleChange::Trigger(self.run_with(&record));
            match self.change_schedule(id.clone(), trigger, key.clone()).await? {
                // A tick came between: on its record now.
                ScheduleOutcome::Stale(_) => {}
                decided => return Ok(decided),
            }
        }
    }

    /// What the first request under the key was told, if there was one.
    fn schedule_outcome_told(
        &self,
        key: Option<&IdempotencyKey>,
    ) -> Result<Option<ScheduleOutcome>, ClientError> {
        match self.told_before(key)?.and_then(|mut outcomes| outcomes.pop()) {
            Some(Outcome::Schedule(outcome)) => Ok(Some(outcome)),
            Some(other) => Err(misfit(&other)),
            None => Ok(None),
        }
    }
}
