//! [`Operation::Schedule`](crate::Operation::Schedule).

use super::{Transaction, keys, start};
use crate::{
    RunWith, ScheduleChange, ScheduleOutcome, ScheduleWrite, ScheduleWritten, StartOutcome, StartRequest,
    StoreError,
};
use durance_durable::{
    ExecutionId, IfExists, InstanceId, InstanceRecord, RunOutcome, ScheduleDefinition, ScheduleId,
    ScheduleRecord, ScheduleTarget, StartDetails, TickDecision, Timestamp,
};
use std::sync::Arc;

/// Why a run that was ended for the next tick says it ended.
const REPLACED: &str = "replaced by the next run of its schedule";

pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    write: ScheduleWrite,
) -> Result<ScheduleOutcome, StoreError> {
    let ScheduleWrite { id, change, now } = write;
    let key = keys::schedule(&id);
    let record: Option<ScheduleRecord> = transaction.get(&key)?;
    match (record, change) {
        (Some(record), ScheduleChange::Create(_)) => Ok(ScheduleOutcome::AlreadyExists(Box::new(record))),
        (None, ScheduleChange::Create(definition) | ScheduleChange::Put(definition)) => {
            Ok(create(transaction, &id, definition, now))
        }
        (None, _) => Ok(ScheduleOutcome::NotFound),
        (Some(_), ScheduleChange::Delete) => {
            transaction.delete(key);
            Ok(ScheduleOutcome::Deleted)
        }
        (Some(record), ScheduleChange::Tick(with) | ScheduleChange::Trigger(with))
            if with.revision != record.revision =>
        {
            Ok(ScheduleOutcome::Stale(Box::new(record)))
        }
        (Some(record), change) => {
            let mut ticking = Ticking { transaction, id, now, written: written(record) };
            ticking.change(change)?;
            Ok(ticking.finish())
        }
    }
}

fn written(record: ScheduleRecord) -> ScheduleWritten {
    ScheduleWritten { record, runs: Vec::new(), starts: Vec::new(), terminated: Vec::new(), created: false }
}

fn create(
    transaction: &mut Transaction<'_>,
    id: &ScheduleId,
    definition: ScheduleDefinition,
    now: Timestamp,
) -> ScheduleOutcome {
    let mut record = ScheduleRecord::new(definition, now);
    record.revision = transaction.next_token();
    transaction.put(keys::schedule(id), &record);
    ScheduleOutcome::Written(Box::new(ScheduleWritten { created: true, ..written(record) }))
}

/// One change of a schedule that exists.
struct Ticking<'t, 'r> {
    transaction: &'t mut Transaction<'r>,
    id: ScheduleId,
    now: Timestamp,
    written: ScheduleWritten,
}

impl Ticking<'_, '_> {
    fn finish(mut self) -> ScheduleOutcome {
        self.written.record.revision = self.transaction.next_token();
        self.transaction.put(keys::schedule(&self.id), &self.written.record);
        ScheduleOutcome::Written(Box::new(self.written))
    }

    fn change(&mut self, change: ScheduleChange) -> Result<(), StoreError> {
        let (record, now) = (&mut self.written.record, self.now);
        match change {
            ScheduleChange::Put(definition) => record.redefine(definition, now),
            ScheduleChange::Pause { reason } => record.pause(reason, now),
            ScheduleChange::Resume => record.resume(now),
            ScheduleChange::Ended { scheduled, failure } => {
                self.note(scheduled, failure.map_or(RunOutcome::Completed, RunOutcome::Failed));
            }
            ScheduleChange::Tick(with) => {
                self.run_queued(&with)?;
                for tick in self.written.record.take_due(now) {
                    self.decide(tick, &with)?;
                }
            }
            ScheduleChange::Trigger(with) => self.decide(now, &with)?,
            // Those are decided before a record is there to be changed.
            ScheduleChange::Create(_) | ScheduleChange::Delete => {}
        }
        Ok(())
    }

    fn run_queued(&mut self, with: &RunWith) -> Result<(), StoreError> {
        while !self.written.record.queued.is_empty() && !self.is_live()? {
            if let Some(tick) = self.written.record.queued.pop_front() {
                self.run(tick, with, IfExists::ReplaceFinished)?;
            }
        }
        Ok(())
    }

    fn decide(&mut self, tick: Timestamp, with: &RunWith) -> Result<(), StoreError> {
        let is_live = self.is_live()?;
        match self.written.record.decide(is_live) {
            TickDecision::Run => self.run(tick, with, IfExists::ReplaceFinished)?,
            TickDecision::Replace => {
                self.end_run_before()?;
                self.run(tick, with, IfExists::TerminateAndReplace)?;
            }
            TickDecision::Queue => self.note(tick, RunOutcome::Queued),
            TickDecision::Skip => self.note(tick, RunOutcome::Skipped),
        }
        Ok(())
    }

    fn is_live(&self) -> Result<bool, StoreError> {
        let record = &self.written.record;
        Ok(!record.running.is_empty() || self.live_run()?.is_some())
    }

    /// The orchestration that was started last, if it is not over.
    fn live_run(&self) -> Result<Option<(InstanceId, InstanceRecord)>, StoreError> {
        let Some((instance, generation)) = &self.written.record.latest else { return Ok(None) };
        let record = self.transaction.record(instance)?;
        let live = record.filter(|record| record.generation == *generation && !record.status.is_finished());
        Ok(live.map(|record| (instance.clone(), record)))
    }

    fn end_run_before(&mut self) -> Result<(), StoreError> {
        for running in std::mem::take(&mut self.written.record.running) {
            self.note(running.scheduled, RunOutcome::Failed(REPLACED.into()));
        }
        if let Some((instance, mut record)) = self.live_run()? {
            let to_parent = self.transaction.terminate(&instance, &mut record, REPLACED, self.now)?;
            debug_assert!(to_parent.is_none(), "no parent waits for what a schedule started");
            self.transaction.put(keys::instance(&instance), &record);
            self.written.terminated.push((instance, record.execution));
        }
        Ok(())
    }

    fn run(&mut self, tick: Timestamp, with: &RunWith, if_exists: IfExists) -> Result<(), StoreError> {
        let outcome = match &self.written.record.definition.target {
            ScheduleTarget::Function => RunOutcome::Running,
            ScheduleTarget::Orchestrator { .. } => match self.request(tick, with, if_exists) {
                Ok(request) => self.start(request)?,
                Err(why) => RunOutcome::Failed(why),
            },
        };
        self.note(tick, outcome);
        Ok(())
    }

    fn start(&mut self, request: StartRequest) -> Result<RunOutcome, StoreError> {
        Ok(match start::apply(self.transaction, request)? {
            started @ StartOutcome::Started { .. } => {
                let StartOutcome::Started { holder, .. } = &started else { return Ok(RunOutcome::Skipped) };
                let outcome =
                    RunOutcome::Started { instance: holder.instance.clone(), generation: holder.generation };
                self.written.starts.push(started);
                outcome
            }
            // Somebody else has the id; or this tick was run before, by a schedule of the same id.
            _ => RunOutcome::Skipped,
        })
    }

    fn request(
        &mut self,
        tick: Timestamp,
        with: &RunWith,
        if_exists: IfExists,
    ) -> Result<StartRequest, Arc<str>> {
        let definition = &self.written.record.definition;
        let ScheduleTarget::Orchestrator { name, input, .. } = &definition.target else {
            return Err("the schedule calls a function".into());
        };
        let module = with.module.clone()?;
        let template = definition.template();
        let instance = self.id.instance_of(template, tick).map_err(|error| Arc::from(error.to_string()))?;
        // An id that names the tick says that it was run.
        let if_exists = if template.contains("{time}") { IfExists::Reject } else { if_exists };
        let count = self.written.runs.len() as u64;
        Ok(StartRequest {
            instance,
            name: Arc::clone(name),
            input: input.clone(),
            module,
            execution: ExecutionId(ExecutionId(with.seed).derive_uuid(count)),
            parent: None,
            if_exists,
            token: None,
            retention: with.retention,
            details: StartDetails::default(),
            now: self.now,
        })
    }

    fn note(&mut self, scheduled: Timestamp, outcome: RunOutcome) {
        let record = &mut self.written.record;
        record.note(scheduled, self.now, outcome);
        self.written.runs.extend(record.runs.back().cloned());
    }
}
