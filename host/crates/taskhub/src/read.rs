//! What clients ask without changing anything.

use crate::{ClientError, InstancePage, OrchestrationStatus, StatusOptions, StatusSnapshot, engine::Engine};
use durance_durable::{InstanceId, InstanceRecord, Timestamp};
use durance_store::{ListQuery, TaskHubView};
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
        let snapshot = view.instance(instance)?;
        let record = match options.execution {
            Some(execution)
                if snapshot.record.as_ref().is_none_or(|record| record.execution != execution) =>
            {
                let earlier = view.previous_generations(instance)?;
                earlier.into_iter().find(|record| record.execution == execution)
            }
            _ => snapshot.record,
        };
        let status = record.map(|record| describe(&*view, instance, record, options)).transpose()?;
        Ok(StatusSnapshot { token: snapshot.token, status })
    }

    pub(crate) fn list(
        &self,
        query: &ListQuery,
        options: StatusOptions,
    ) -> Result<InstancePage, ClientError> {
        let view = self.store.view();
        let page = view.list(query)?;
        let instances = page.instances.into_iter();
        let described = instances.map(|(instance, record)| describe(&*view, &instance, record, options));
        Ok(InstancePage { instances: described.collect::<Result<_, _>>()?, continuation: page.after })
    }

    pub(crate) async fn wait_for_completion(
        &self,
        instance: &InstanceId,
        timeout: Duration,
    ) -> Result<OrchestrationStatus, ClientError> {
        let watch = self.watchers.watch(instance);
        let deadline = self.clock.now().saturating_add(timeout);
        let mut run = None;
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
                return describe(&*view, instance, record, WITH_INPUT);
            }
            tokio::select! {
                () = changed => {}
                () = self.clock.sleep_until(deadline) => {}
            }
        }
    }

    /// The status that ends the wait for a run, if it does; `run` is the generation that was there at the first look.
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
            return replaced_run(&*view, instance, record, generation).map(Some);
        }
        let is_over = record.status.is_finished() || self.clock.now() >= deadline;
        is_over.then(|| describe(&*view, instance, record, WITH_INPUT)).transpose()
    }
}

/// The run that was waited for, when another one has its id now; the other one if it is not kept any more.
fn replaced_run(
    view: &dyn TaskHubView,
    instance: &InstanceId,
    present: InstanceRecord,
    generation: u64,
) -> Result<OrchestrationStatus, ClientError> {
    let kept = view.previous_generations(instance)?;
    let record = kept.into_iter().find(|record| record.generation == generation).unwrap_or(present);
    describe(view, instance, record, WITH_INPUT)
}

/// A status of which everything is of the view's moment.
fn describe(
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
        created: record.created,
        last_updated: record.last_updated,
        details: record.details,
        parent: parent.map(|parent| parent.instance),
        history,
    })
}
