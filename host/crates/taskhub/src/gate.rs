//! Whether instances can go on with another component, and moving them to it.

use crate::{AppControl, ClientError, Divergence, ExecutorError, replay};
use durance_durable::{ExecutionHistory, InstanceId, InstanceRecord, ModuleHash};
use durance_store::{ListPage, ListQuery, Operation, Outcome, Repin, StoreError};

/// An instance whose history was replayed on another component.
#[derive(Debug, Clone)]
pub struct ReplayedInstance {
    /// The instance as it was then.
    pub record: InstanceRecord,
    /// The events that were replayed.
    pub events: u64,
    /// Where the component does something else; none if it does all of it again.
    pub divergence: Option<Divergence>,
}

/// Why a history could not be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GateError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The host could not run the component.
    #[error(transparent)]
    Run(#[from] ExecutorError),
}

impl AppControl {
    /// One page of the hub's instances. It blocks on the store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        self.engine.store.list(query)
    }

    /// Replays the history that an instance has now on a component that is loaded; none if there is no such instance.
    /// Nothing happens besides.
    ///
    /// # Errors
    /// The store cannot be read, or the host could not run the component.
    pub async fn replay(
        &self,
        instance: &InstanceId,
        module: ModuleHash,
    ) -> Result<Option<ReplayedInstance>, GateError> {
        let Some(history) = self.history(instance)? else { return Ok(None) };
        let divergence = replay(&*self.engine.executor, module, &history).await?;
        let events = history.event_count();
        Ok(Some(ReplayedInstance { record: history.record, events, divergence }))
    }

    fn history(&self, instance: &InstanceId) -> Result<Option<ExecutionHistory>, StoreError> {
        let view = self.engine.store.view();
        let Some(record) = view.instance(instance)?.record else { return Ok(None) };
        let Some(begun_with) = view.execution(record.execution)? else { return Ok(None) };
        let turns = view.history(record.execution)?;
        Ok(Some(ExecutionHistory { record, begun_with, turns }))
    }

    /// Lets a live instance go on with another component, if it is still where `seen` says; answers whether it does. Its
    /// activities that run already end on the component before.
    ///
    /// # Errors
    /// `Unreadable`, `Busy`, `Stopping`.
    pub async fn repin(
        &self,
        instance: &InstanceId,
        seen: &InstanceRecord,
        module: ModuleHash,
    ) -> Result<bool, ClientError> {
        let repin = Repin {
            instance: instance.clone(),
            execution: seen.execution,
            event_count: seen.event_count,
            module,
        };
        match self.engine.operate_one(Operation::Repin(repin), None).await? {
            Outcome::Repin { applied } => {
                // One that is at work is told by the store at its next commit.
                self.engine.partition(instance).drop_parked(instance);
                Ok(applied)
            }
            other => Err(crate::operate::misfit(&other)),
        }
    }
}
