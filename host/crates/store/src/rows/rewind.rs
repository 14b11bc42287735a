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
    CreateSubOrchestration, ExecutionId, ExecutionRecord, HistoryEvent, IfExists, InstanceId, InstanceRecord,
    Message, MessageTarget, Parent, Reopened, RewindPlan, RuntimeStatus, StartDetails, TaskFailureDetails,
    Turn, plan_rewind,
};

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
    let failed = vec![(request.instance.clone(), record)];
    let mut rewind = Rewind { transaction, request, failed, started: 0, waiting: Vec::new() };
    while let Some((instance, record)) = rewind.failed.pop() {
        rewind.run(instance, record)?;
    }
    Ok(RewindOutcome::Rewound { waiting: rewind.waiting })
}

/// A rewind of a run and of the failed runs below it.
struct Rewind<'t, 'r> {
    transaction: &'t mut Transaction<'r>,
    request: &'t RewindRequest,
    /// Runs that are to be rewound yet.
    failed: Vec<(InstanceId, InstanceRecord)>,
    /// How many sub-orchestrations were started again.
    started: u64,
    waiting: Vec<Recovered>,
}

impl Rewind<'_, '_> {
    fn run(&mut self, instance: InstanceId, mut record: InstanceRecord) -> Result<(), StoreError> {
        let plan = self.plan(&record)?;
        let before = Some(Listed::of(&record));
        let reason = self.request.reason.clone();
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

    fn plan(&self, record: &InstanceRecord) -> Result<RewindPlan, StoreError> {
        let rows = self.transaction.under(&keys::history(record.execution))?;
        let turns = rows.values().map(|row| codec::decode(Table::History, row));
        Ok(plan_rewind(turns.collect::<Result<_, _>>()?))
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
                self.transaction.put(key(call.task), &OpenTask::Activity { history_row, attempt, due });
                let open = OpenActivity { instance, execution, call, scheduled, attempt, due };
                self.waiting.push(Recovered::Activity(open));
            }
            Reopened::Timer(timer) => {
                let (task, fire_at) = (timer.task, timer.fire_at);
                self.transaction.put(key(task), &OpenTask::Timer { fire_at });
                self.waiting.push(Recovered::Timer(OpenTimer { instance, execution, task, fire_at }));
            }
            Reopened::SubOrchestration(child) => {
                let parent = Parent { name: record.name.clone(), instance, execution, task: child.task };
                self.reopen_child(parent, record, child)?;
            }
        }
        Ok(())
    }

    /// A child that failed is rewound, one that ended well has its result delivered, one that is gone or was
    /// terminated is started again.
    fn reopen_child(
        &mut self,
        parent: Parent,
        waits: &InstanceRecord,
        child: CreateSubOrchestration,
    ) -> Result<(), StoreError> {
        if let Some(record) = self.transaction.record(&child.instance)?
            && self.is_child_of(&parent, &record)?
        {
            match record.status {
                RuntimeStatus::Failed => self.failed.push((child.instance, record)),
                RuntimeStatus::Completed => self.tell(&parent, result_for_parent(&parent, &record))?,
                status if status.is_finished() => self.start_again(parent, waits, child)?,
                _ => {}
            }
            return Ok(());
        }
        self.start_again(parent, waits, child)
    }

    fn is_child_of(&self, parent: &Parent, record: &InstanceRecord) -> Result<bool, StoreError> {
        let began: Option<ExecutionRecord> = self.transaction.get(&keys::execution(record.execution))?;
        Ok(began.and_then(|began| began.parent).is_some_and(|waits| waits == *parent))
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
            details: StartDetails { version: waits.details.version.clone(), ..StartDetails::default() },
            now: self.request.now,
        };
        let messages = start_child(self.transaction, start)?;
        self.waiting.extend(messages.into_iter().map(Recovered::Message));
        Ok(())
    }
}
