//! [`Operation::Rewind`](crate::Operation::Rewind).

use super::{
    Table, Transaction, codec, keys,
    lifecycle::{SEQUENCE_OF_START, result_for_parent},
    stored::OpenTask,
    transaction::Listed,
    turn::start_child,
};
use crate::{OpenActivity, OpenTimer, Recovered, RewindOutcome, RewindRequest, StartRequest, StoreError};
use durance_durable::{
    Caller, CreateSubOrchestration, ExecutionId, ExecutionRecord, HistoryEvent, IfExists, InstanceId,
    InstanceRecord, Message, MessageTarget, Parent, Reopened, RewindPlan, RuntimeStatus, StartDetails,
    TaskFailureDetails, Turn, plan_rewind,
};
use std::sync::Arc;

/// The type of failure of a sub-orchestration that the app does not have any more.
const UNKNOWN_ORCHESTRATOR: &str = "UnknownOrchestrator";

pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    request: &RewindRequest,
) -> Result<RewindOutcome, StoreError> {
    let Some(record) = transaction.record(&request.instance)? else { return Ok(RewindOutcome::NotFound) };
    if record.status != RuntimeStatus::Failed {
        return Ok(RewindOutcome::NotFailed(record.status));
    }
    let failed = match plan_all(transaction, request.instance.clone(), record)? {
        Ok(failed) => failed,
        Err(instance) => return Ok(RewindOutcome::HeldLocks(instance)),
    };
    let mut rewind = Rewind { transaction, request, started: 0, waiting: Vec::new() };
    failed.into_iter().try_for_each(|run| rewind.run(run))?;
    Ok(RewindOutcome::Rewound { waiting: rewind.waiting })
}

/// A failed run, and how it goes on.
struct FailedRun {
    instance: InstanceId,
    record: InstanceRecord,
    plan: RewindPlan,
}

/// The run and the failed runs below it that it waits for; or the one that cannot be rewound.
fn plan_all(
    transaction: &Transaction<'_>,
    instance: InstanceId,
    record: InstanceRecord,
) -> Result<Result<Vec<FailedRun>, InstanceId>, StoreError> {
    let mut planned = Vec::new();
    let mut waiting = vec![(instance, record)];
    while let Some((instance, record)) = waiting.pop() {
        let Ok(plan) = plan_rewind(history(transaction, record.execution)?) else {
            return Ok(Err(instance));
        };
        for task in &plan.reopened {
            let Reopened::SubOrchestration(child) = task else { continue };
            let parent = parent_of(child, &instance, &record);
            let failed =
                child_of(transaction, &parent, child)?.filter(|child| child.status == RuntimeStatus::Failed);
            waiting.extend(failed.map(|record| (child.instance.clone(), record)));
        }
        planned.push(FailedRun { instance, record, plan });
    }
    Ok(Ok(planned))
}

fn history(transaction: &Transaction<'_>, execution: ExecutionId) -> Result<Vec<Turn>, StoreError> {
    let rows = transaction.under(&keys::history(execution))?;
    rows.values().map(|row| codec::decode(Table::History, row)).collect()
}

fn parent_of(child: &CreateSubOrchestration, instance: &InstanceId, record: &InstanceRecord) -> Parent {
    Parent {
        name: Arc::clone(&record.name),
        instance: instance.clone(),
        execution: record.execution,
        task: child.task,
    }
}

/// The run under a child's id, if it is the one that the parent waits for.
fn child_of(
    transaction: &Transaction<'_>,
    parent: &Parent,
    child: &CreateSubOrchestration,
) -> Result<Option<InstanceRecord>, StoreError> {
    let Some(record) = transaction.record(&child.instance)? else { return Ok(None) };
    let began: Option<ExecutionRecord> = transaction.get(&keys::execution(record.execution))?;
    let waits = began.and_then(|began| began.parent).is_some_and(|waits| waits == *parent);
    Ok(waits.then_some(record))
}

/// A rewind of a run and of the failed runs below it.
struct Rewind<'t, 'r> {
    transaction: &'t mut Transaction<'r>,
    request: &'t RewindRequest,
    /// How many sub-orchestrations were started again.
    started: u64,
    waiting: Vec<Recovered>,
}

impl Rewind<'_, '_> {
    fn run(&mut self, run: FailedRun) -> Result<(), StoreError> {
        let FailedRun { instance, mut record, plan } = run;
        self.transaction.keep(&record)?;
        let before = Some(Listed::of(&record));
        let reason = Arc::clone(&self.request.reason);
        let rewound = HistoryEvent::ExecutionRewound { reason, kept_events: plan.kept_events };
        let turn = Turn { time: record.last_updated.max(self.request.now), events: vec![rewound] };
        self.transaction.insert(keys::turn(record.execution, record.event_count), &turn);
        record.event_count += 1;
        record.last_updated = turn.time;
        record.status = RuntimeStatus::Running;
        record.failure = None;
        record.token = self.transaction.next_token();
        self.transaction.put_record(&instance, before, &record);
        for event in plan.redelivered {
            let message = self.redeliver(&instance, record.execution, event);
            self.waiting.push(Recovered::Message(message));
        }
        plan.reopened.into_iter().try_for_each(|task| self.reopen(&instance, &record, task))
    }

    fn redeliver(&mut self, instance: &InstanceId, execution: ExecutionId, event: HistoryEvent) -> Message {
        let (instance, target) = (instance.clone(), MessageTarget::Execution(execution));
        match event {
            HistoryEvent::ExecutionStarted => {
                self.transaction.deliver(Message { instance, sequence: SEQUENCE_OF_START, target, event })
            }
            event => self.transaction.send(instance, target, event),
        }
    }

    fn reopen(
        &mut self,
        instance: &InstanceId,
        record: &InstanceRecord,
        reopened: Reopened,
    ) -> Result<(), StoreError> {
        let partition = self.transaction.partition(instance);
        let execution = record.execution;
        let key = |task| keys::task(partition, instance, execution, task);
        let instance = instance.clone();
        match reopened {
            Reopened::Activity { call, scheduled, history_row } => {
                let (attempt, due) = (1, None);
                self.transaction
                    .put(key(call.task), &OpenTask::Activity { history_row, attempt, due, heartbeat: None });
                let open =
                    OpenActivity { instance, execution, call, scheduled, attempt, due, heartbeat: None };
                self.waiting.push(Recovered::Activity(open));
            }
            Reopened::Timer(timer) => {
                let (task, fire_at) = (timer.task, timer.fire_at);
                self.transaction.put(key(task), &OpenTask::Timer { fire_at });
                self.waiting.push(Recovered::Timer(OpenTimer { instance, execution, task, fire_at }));
            }
            Reopened::SubOrchestration(child) => {
                self.reopen_child(parent_of(&child, &instance, record), record, child)?;
            }
            Reopened::EntityCall(call) => {
                self.transaction.call_entity(Caller { instance, execution, task: call.task }, &call)?;
            }
        }
        Ok(())
    }

    /// A child that failed is rewound by itself, one that ended well has its result delivered, one that is gone or was
    /// terminated is started again.
    fn reopen_child(
        &mut self,
        parent: Parent,
        waits: &InstanceRecord,
        child: CreateSubOrchestration,
    ) -> Result<(), StoreError> {
        match child_of(self.transaction, &parent, &child)? {
            Some(record) if record.status == RuntimeStatus::Completed => {
                self.tell(&parent, result_for_parent(&parent, &record))
            }
            Some(record) if record.status == RuntimeStatus::Failed || !record.status.is_finished() => Ok(()),
            _ => self.start_again(parent, waits, child),
        }
    }

    fn tell(&mut self, parent: &Parent, event: HistoryEvent) -> Result<(), StoreError> {
        let message = self.transaction.tell_parent(parent, event)?;
        self.waiting.extend(message.map(Recovered::Message));
        Ok(())
    }

    fn start_again(
        &mut self,
        parent: Parent,
        waits: &InstanceRecord,
        child: CreateSubOrchestration,
    ) -> Result<(), StoreError> {
        let Some(module) = self.request.modules.get(&child.name).copied() else {
            let text = format!("there is no orchestrator '{}' any more", child.name);
            let failure = TaskFailureDetails::non_retriable(UNKNOWN_ORCHESTRATOR, text);
            let task = child.task;
            return self.tell(&parent, HistoryEvent::SubOrchestrationInstanceFailed { task, failure });
        };
        self.started += 1;
        let start = StartRequest {
            instance: child.instance,
            name: child.name,
            input: child.input,
            module,
            execution: ExecutionId(self.request.executions.derive_uuid(self.started)),
            parent: Some(parent),
            if_exists: IfExists::ReplaceFinished,
            token: None,
            retention: self.request.retention,
            details: StartDetails { version: waits.details.version.clone(), ..StartDetails::default() },
            now: self.request.now,
        };
        let messages = start_child(self.transaction, start)?;
        self.waiting.extend(messages.into_iter().map(Recovered::Message));
        Ok(())
    }
}
