//! Whatever happens, the embedded store answers as the memory store does, and goes on so after it was closed and opened.

#![cfg(test)]

use durance_durable::{
    ExecutionRecord, HistoryEvent, IfExists, InstanceRecord, Json, NextExecution, Parent, PartitionId,
    RetentionPolicy, RuntimeStatus, TaskFailureDetails, TaskId, Token,
};
use durance_store::{
    EmbeddedStore, IdempotencyKey, ListQuery, MemoryStore, OnceRequest, Operation, RetryTask, RewindRequest,
    SendEvent, StartRequest, StoreOptions, TaskHubStore,
    conformance::{Driver, at, call, execution, id, start_request, timer, turn_write},
};
use proptest::prelude::*;
use std::collections::BTreeMap;

const PARTITIONS: u16 = 3;
const INSTANCES: [&str; 4] = ["a", "ab", "b", "parent"];
const HOUR_NANOS: u64 = 3_600_000_000_000;

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<Deed>),
    Reopen,
}

/// An operation, before it is known on what.
#[derive(Debug, Clone)]
enum Deed {
    Start { instance: &'static str, policy: IfExists, has_old_token: bool, key: Option<u8> },
    GoOn(&'static str),
    TakeAll(&'static str),
    FinishTask(&'static str),
    ContinueAsNew(&'static str),
    StartChild { parent: &'static str, child: &'static str },
    Finish { instance: &'static str, status: RuntimeStatus },
    Raise(&'static str),
    Retry(&'static str),
    Purge(&'static str),
    Rewind(&'static str),
    Sweep,
}

fn deed() -> impl Strategy<Value = Deed> {
    use prop::sample::select;
    let instance = || select(INSTANCES.as_slice());
    let policy = select(IfExists::ALL.as_slice());
    let finished =
        select([RuntimeStatus::Completed, RuntimeStatus::Failed, RuntimeStatus::Terminated].as_slice());
    let start = (instance(), policy, prop::bool::weighted(0.2), prop::option::weighted(0.3, 0..3_u8));
    prop_oneof![
        6 => start.prop_map(|(instance, policy, has_old_token, key)| {
            Deed::Start { instance, policy, has_old_token, key }
        }),
        4 => instance().prop_map(Deed::GoOn),
        3 => instance().prop_map(Deed::TakeAll),
        3 => instance().prop_map(Deed::FinishTask),
        1 => instance().prop_map(Deed::ContinueAsNew),
        2 => (instance(), instance()).prop_map(|(parent, child)| Deed::StartChild { parent, child }),
        3 => (instance(), finished).prop_map(|(instance, status)| Deed::Finish { instance, status }),
        3 => instance().prop_map(Deed::Raise),
        1 => instance().prop_map(Deed::Retry),
        2 => instance().prop_map(Deed::Purge),
        2 => instance().prop_map(Deed::Rewind),
        1 => Just(Deed::Sweep),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec(deed(), 1..5).prop_map(Step::Commit),
        1 => Just(Step::Reopen),
    ]
}

/// Makes operations of deeds. Nothing is random here, so both stores get the same ones.
struct Script<'a> {
    model: &'a MemoryStore,
    executions: u128,
    now: u64,
}

impl Script<'_> {
    fn operation(&mut self, deed: &Deed) -> Option<Operation> {
        self.now += HOUR_NANOS;
        Some(match deed {
            Deed::Start { instance, policy, has_old_token, key } => {
                let idempotency = key.map(|key| IdempotencyKey {
                    key: key.to_string().into(),
                    request_digest: [key / 2 + u8::from(*policy == IfExists::Reject); 32],
                });
                let token = has_old_token.then_some(Token(1));
                let start = StartRequest { if_exists: *policy, token, ..self.start(instance) };
                let operations = vec![Operation::Start(start)];
                match idempotency {
                    Some(idempotency) => {
                        Operation::Once(OnceRequest { idempotency, operations, now: at(self.now) })
                    }
                    None => operations.into_iter().next()?,
                }
            }
            Deed::GoOn(instance) => {
                let record = self.record(instance)?;
                let task = task_number(&record);
                let calls = vec![
                    HistoryEvent::TaskScheduled(call(task)),
                    HistoryEvent::TimerCreated(timer(task + 1)),
                ];
                Operation::Turn(turn_write(instance, &record, calls))
            }
            Deed::TakeAll(instance) => self.take_all(instance)?,
            Deed::FinishTask(instance) => {
                let record = self.record(instance)?;
                let task = TaskId(task_number(&record).saturating_sub(2));
                let result = HistoryEvent::TaskCompleted { task, result: Json::null() };
                Operation::Turn(turn_write(instance, &record, vec![result]))
            }
            Deed::ContinueAsNew(instance) => self.continue_as_new(instance)?,
            Deed::StartChild { parent, child } => self.start_child(parent, child)?,
            Deed::Finish { instance, status } => self.finish(instance, *status)?,
            Deed::Raise(instance) => {
                let event = HistoryEvent::EventRaised { name: "Event".into(), input: Json::of(&self.now) };
                Operation::Send(SendEvent { instance: id(instance), event })
            }
            Deed::Retry(instance) => {
                let record = self.record(instance)?;
                let task = TaskId(task_number(&record).saturating_sub(2));
                let (execution, due) = (record.execution, at(self.now));
                Operation::Retry(RetryTask {
                    instance: id(instance),
                    execution,
                    task,
                    attempt: 2,
                    due,
                    heartbeat: None,
                })
            }
            Deed::Purge(instance) => Operation::Purge(id(instance)),
            Deed::Rewind(instance) => {
                self.executions += 1;
                let (instance, reason) = (id(instance), "again".into());
                let (modules, executions) = (BTreeMap::new(), execution(self.executions));
                Operation::Rewind(RewindRequest {
                    instance,
                    reason,
                    modules,
                    retention: RetentionPolicy::default(),
                    executions,
                    now: at(self.now),
                })
            }
            Deed::Sweep => Operation::Sweep { now: at(self.now) },
        })
    }

    fn take_all(&self, instance: &str) -> Option<Operation> {
        let inbox = Driver::new(self.model).inbox(instance);
        let events = inbox.iter().map(|message| message.event.clone()).collect();
        let mut write = turn_write(instance, &self.record(instance)?, events);
        write.commit.taken = inbox.iter().map(|message| message.sequence).collect();
        Some(Operation::Turn(write))
    }

    fn start_child(&mut self, parent: &str, child: &str) -> Option<Operation> {
        let record = self.record(parent)?;
        let (instance, execution) = (id(parent), record.execution);
        let waits = Parent { name: "Parent".into(), instance, execution, task: TaskId(99) };
        let mut write = turn_write(parent, &record, vec![HistoryEvent::ExecutionStarted]);
        write.children = vec![StartRequest { parent: Some(waits), ..self.start(child) }];
        Some(Operation::Turn(write))
    }

    fn finish(&self, instance: &str, status: RuntimeStatus) -> Option<Operation> {
        let mut write = turn_write(instance, &self.record(instance)?, vec![HistoryEvent::ExecutionStarted]);
        write.commit.status = status;
        write.commit.output = (status != RuntimeStatus::Failed).then(|| Json::of("done"));
        let failure = TaskFailureDetails::new("Error", "failed");
        write.commit.failure = (status == RuntimeStatus::Failed).then_some(failure);
        Some(Operation::Turn(write))
    }

    fn continue_as_new(&mut self, instance: &str) -> Option<Operation> {
        let record = self.record(instance)?;
        let input = Json::null();
        let mut write =
            turn_write(instance, &record, vec![HistoryEvent::ContinueAsNew { input: input.clone() }]);
        let (instance, started) = (id(instance), at(self.now));
        let began = ExecutionRecord {
            instance,
            started,
            input,
            parent: None,
            carryover: Vec::new(),
            retention: durance_durable::RetentionPolicy::default(),
        };
        self.executions += 1;
        write.commit.status = RuntimeStatus::ContinuedAsNew;
        write.commit.next =
            Some(NextExecution { execution: execution(self.executions), keep_version: true, record: began });
        Some(Operation::Turn(write))
    }

    fn start(&mut self, instance: &str) -> StartRequest {
        self.executions += 1;
        StartRequest { now: at(self.now), ..start_request(instance, self.executions) }
    }

    fn record(&self, instance: &str) -> Option<InstanceRecord> {
        Driver::new(self.model).find(instance)
    }
}

/// Tasks are numbered by the events that schedule them, so that a later turn can guess an open one.
fn task_number(record: &InstanceRecord) -> u32 {
    u32::try_from(record.event_count).expect("histories are short here")
}

/// Everything that can be read from a store.
fn all_of(store: &dyn TaskHubStore, executions: u128) -> impl PartialEq + std::fmt::Debug + use<> {
    let ids = INSTANCES.map(id);
    let listed = store.list(&ListQuery { page_size: 100, ..ListQuery::default() }).unwrap();
    let snapshots = ids.each_ref().map(|id| store.instance(id).unwrap());
    let generations = ids.each_ref().map(|id| store.previous_generations(id).unwrap());
    let waiting: Vec<_> = (0..PARTITIONS).map(|index| store.recover(PartitionId(index)).unwrap()).collect();
    let histories: Vec<_> = (1..=executions)
        .map(|number| {
            (store.execution(execution(number)).unwrap(), store.history(execution(number)).unwrap())
        })
        .collect();
    let children = ids.each_ref().map(|id| store.children(id).unwrap());
    let counts = store.counts().unwrap();
    for status in RuntimeStatus::ALL {
        let count = listed.instances.iter().filter(|(_, record)| record.status == status).count();
        assert_eq!(counts.of(status), count as u64, "{status}");
    }
    (listed, snapshots, generations, waiting, histories, children)
}

fn open(folder: &std::path::Path) -> EmbeddedStore {
    EmbeddedStore::open(folder, StoreOptions { partition_count: PARTITIONS }).expect("nothing is damaged")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn embedded_store_is_what_the_memory_store_is_after_any_operations(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let model = MemoryStore::new(PARTITIONS);
        let mut store = open(folder.path());
        let mut script = Script { model: &model, executions: 0, now: 0 };
        for step in steps {
            match step {
                Step::Reopen => {
                    store.close().unwrap();
                    store = open(folder.path());
                    model.reopen().unwrap();
                }
                Step::Commit(deeds) => {
                    let operations: Vec<_> = deeds.iter().filter_map(|deed| script.operation(deed)).collect();
                    let leases = model.acquire("test").unwrap();
                    let expected = model.commit(&leases, operations.clone()).unwrap();
                    prop_assert_eq!(store.commit(&leases, operations).unwrap(), expected);
                }
            }
            prop_assert_eq!(
                format!("{:?}", all_of(&store, script.executions)),
                format!("{:?}", all_of(&model, script.executions))
            );
        }
    }
}

#[test]
fn reopening_fences_off_old_leases_and_changes_the_tokens_of_unused_ids() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let old = Driver::new(&store);
    old.finish("job", &old.run("job", 1), RuntimeStatus::Completed);
    old.purge("job");
    let (used, unused, leases) = (old.token("job"), old.token("unused"), old.leases);
    drop(store);

    let store = open(folder.path());
    let refused = store.commit(&leases, vec![Operation::Purge(id("job"))]);
    assert!(matches!(refused, Err(durance_store::StoreError::LeaseLost(_))), "{refused:?}");
    let driver = Driver::new(&store);
    assert!(driver.token("job") > used && driver.token("unused") > unused);
    assert!(driver.begin("job", 2).generation > 1, "no generation of an id comes twice");
}

#[test]
fn partition_count_of_a_hub_is_the_one_it_was_created_with() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let store = EmbeddedStore::open(folder.path(), StoreOptions { partition_count: 100 }).unwrap();
    assert_eq!(store.partition_count(), PARTITIONS);
}
