//! What clients ask without changing anything.

use crate::{ClientError, InstancePage, OrchestrationStatus, StatusOptions, StatusSnapshot, engine::Engine};
use durance_durable::{ExecutionHistory, ExecutionId, InstanceId, InstanceRecord, Timestamp, Token};
use durance_store::{ListQuery, Snapshot, TaskHubView};
use std::time::Duration;

/// What a waiter is told.
const WITH_INPUT: StatusOptions = StatusOptions { show_input: true, show_history: false, execution: None };

impl Engine {
    pub(crate) fn status(
        &self,
        instance: &InstanceId,
        options: StatusOptions,
    ) -> Result<StatusSnapshot, ClientError> {
        let view = self.store.view();
        let (token, record) = select(&*view, instance, options.execution)?;
        let status = record.map(|record| self.describe(&*view, instance, record, options)).transpose()?;
        Ok(StatusSnapshot { token, status })
    }

    pub(crate) fn export_history(
        &self,
        instance: &InstanceId,
        execution: Option<ExecutionId>,
    ) -> Result<ExecutionHistory, ClientError> {
        let view = self.store.view();
        let (_, record) = select(&*view, instance, execution)?;
        let not_found = || ClientError::NotFound(instance.clone());
        let record = record.ok_or_else(not_found)?;
        let begun_with = view.execution(record.execution)?.ok_or_else(not_found)?;
        let turns = view.history(record.execution)?;
        Ok(ExecutionHistory { record, begun_with, turns })
    }

    pub(crate) fn list(
        &self,
        query: &ListQuery,
        options: StatusOptions,
    ) -> Result<InstancePage, ClientError> {
        let view = self.store.view();
        let page = view.list(query)?;
        let instances = page.instances.into_iter();
        let described = instances.map(|(instance, record)| self.describe(&*view, &instance, record, options));
        Ok(InstancePage { instances: described.collect::<Result<_, _>>()?, continuation: page.after })
    }

    /// Waits for a run, or for the one that has the id now.
    pub(crate) async fn wait_for_completion(
        &self,
        instance: &InstanceId,
        mut run: Option<u64>,
        timeout: Duration,
    ) -> Result<OrchestrationStatus, ClientError> {
        let watch = self.watchers.watch(instance);
        let deadline = self.clock.now().saturating_add(timeout);
        loop {
            // Armed before the look, so that an end between the two is not missed.
            let mut finished = std::pin::pin!(watch.signals.finished.notified());
            finished.as_mut().enable();
            if let Some(status) = self.look(instance, &mut run, deadline)? {
                return Ok(status);
            }
            tokio::select! {
                () = finished => {}
                () = self.clock.sleep_until(deadline) => {}
            }
        }
    }

    /// Waits until what clients see of an instance is not what they have seen, or the time is over.
    pub(crate) async fn wait_for_change(
        &self,
        instance: &InstanceId,
        seen: &OrchestrationStatus,
        timeout: Duration,
    ) -> Result<OrchestrationStatus, ClientError> {
        let watch = self.watchers.watch(instance);
        let deadline = self.clock.now().saturating_add(timeout);
        loop {
            let mut changed = std::pin::pin!(watch.signals.changed.notified());
            changed.as_mut().enable();
            let view = self.store.view();
            let record = view.instance(instance)?.record;
            let record = record.ok_or_else(|| ClientError::NotFound(instance.clone()))?;
            let is_seen = (record.status, record.generation, &record.custom_status)
                == (seen.runtime_status, seen.generation, &seen.custom_status);
            if !is_seen || self.clock.now() >= deadline {
                return self.describe(&*view, instance, record, WITH_INPUT);
            }
            tokio::select! {
                () = changed => {}
                () = self.clock.sleep_until(deadline) => {}
            }
        }
    }

    /// The status that ends the wait for a run, if it does; `run` is the generation that is waited for: the one of
    /// the first look if none is given.
    fn look(
        &self,
        instance: &InstanceId,
        run: &mut Option<u64>,
        deadline: Timestamp,
    ) -> Result<Option<OrchestrationStatus>, ClientError> {
        let view = self.store.view();
        let record = view.instance(instance)?.record;
        let record = record.ok_or_else(|| ClientError::NotFound(instance.clone()))?;
        let generation = *run.get_or_insert(record.generation);
        if record.generation != generation {
            return self.replaced_run(&*view, instance, generation).map(Some);
        }
        let is_over = record.status.is_finished() || self.clock.now() >= deadline;
        is_over.then(|| self.describe(&*view, instance, record, WITH_INPUT)).transpose()
    }

    /// The run that was waited for, when another one has its id now.
    fn replaced_run(
        &self,
        view: &dyn TaskHubView,
        instance: &InstanceId,
        generation: u64,
    ) -> Result<OrchestrationStatus, ClientError> {
        let kept = view.previous_generations(instance)?;
        let record = kept.into_iter().find(|record| record.generation == generation);
        let record = record.ok_or_else(|| ClientError::NotFound(instance.clone()))?;
        self.describe(view, instance, record, WITH_INPUT)
    }

    /// A status of which everything is of the view's moment.
    fn describe(
        &self,
        view: &dyn TaskHubView,
        instance: &InstanceId,
        record: InstanceRecord,
        options: StatusOptions,
    ) -> Result<OrchestrationStatus, ClientError> {
        let (input, parent) = match view.execution(record.execution)? {
            Some(begun) => (options.show_input.then_some(begun.input), begun.parent),
            None => (None, None),
        };
        let history = match options.show_history {
            true => Some(view.history(record.execution)?),
            false => None,
        };
        Ok(OrchestrationStatus {
            name: record.name,
            instance: instance.clone(),
            execution: record.execution,
            generation: record.generation,
            runtime_status: record.status,
            input,
            custom_status: record.custom_status,
            output: record.output,
            failure: record.failure,
            stuck: self.stuck.find(instance),
            created: record.created,
            last_updated: record.last_updated,
            details: record.details,
            parent: parent.map(|parent| parent.instance),
            history,
        })
    }
}

/// The record of the present execution, or of the kept one that is asked for; and the token of the id.
fn select(
    view: &dyn TaskHubView,
    instance: &InstanceId,
    execution: Option<ExecutionId>,
) -> Result<(Token, Option<InstanceRecord>), ClientError> {
    let Snapshot { token, record, .. } = view.instance(instance)?;
    let record = match execution {
        Some(execution) if record.as_ref().is_none_or(|record| record.execution != execution) => {
            let earlier = view.previous_generations(instance)?;
            earlier.into_iter().find(|record| record.execution == execution)
        }
        _ => record,
    };
    Ok((token, record))
}
