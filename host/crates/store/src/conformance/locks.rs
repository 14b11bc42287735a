//! Critical sections: locks are taken in order, serve their holder only, and end with it.

use super::{
    Driver,
    entities::{entity, mail, next_turn, record, signal, write},
    start_request, turn_write,
};
use crate::{EntityTurnOutcome, Operation, TaskHubStore};
use durance_durable::{
    CallEntity, EntityMessage, ExecutionId, HistoryEvent, IfExists, InstanceRecord, Json, LockEntities,
    NextExecution, RuntimeStatus, TaskId,
};

fn lock(keys: &[&str]) -> HistoryEvent {
    let entities = keys.iter().map(|key| entity(key)).collect();
    HistoryEvent::EntityLockRequested(LockEntities { task: TaskId(0), entities })
}

fn call(key: &str, input: u32) -> HistoryEvent {
    HistoryEvent::EntityOperationCalled(CallEntity {
        task: TaskId(input),
        entity: entity(key),
        operation: "add".into(),
        input: Json::of(&input),
    })
}

fn turn(driver: &Driver<'_>, key: &str) -> EntityTurnOutcome {
    write(driver, next_turn(driver, key))
}

fn holder(driver: &Driver<'_>, key: &str) -> Option<ExecutionId> {
    record(driver, key)?.lock.map(|holder| holder.execution)
}

/// Inputs of what an entity may take; `None` for a lock.
fn waiting(driver: &Driver<'_>, key: &str) -> Vec<Option<String>> {
    let input = |message| match message {
        EntityMessage::Operation(operation) => Some(operation.input.to_string()),
        EntityMessage::Lock(_) => None,
    };
    mail(driver, key).messages.into_iter().map(|(_, message)| input(message)).collect()
}

fn is_granted(driver: &Driver<'_>, instance: &str) -> bool {
    let granted = HistoryEvent::EntityLockGranted { task: TaskId(0) };
    driver.inbox(instance).iter().any(|message| message.event == granted)
}

/// An orchestration that holds the locks of `a` and `b`.
fn locked(driver: &Driver<'_>, instance: &str, number: u128) -> InstanceRecord {
    let record = driver.run(instance, number);
    let record = driver.go_on(instance, &record, vec![lock(&["a", "b"])]);
    turn(driver, "a");
    turn(driver, "b");
    assert!(is_granted(driver, instance));
    record
}

pub fn locks_are_taken_one_after_the_other_and_then_granted(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let job = driver.run("job", 1);
    driver.go_on("job", &job, vec![lock(&["a", "b"])]);
    assert_eq!((waiting(&driver, "a"), waiting(&driver, "b")), (vec![None], Vec::new()));
    turn(&driver, "a");
    assert_eq!((holder(&driver, "a"), holder(&driver, "b")), (Some(job.execution), None));
    assert!(!is_granted(&driver, "job"));
    turn(&driver, "b");
    assert_eq!(holder(&driver, "b"), Some(job.execution));
    assert!(is_granted(&driver, "job"));
}

pub fn locked_entity_serves_its_holder_only(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let job = locked(&driver, "job", 1);
    let other = driver.run("other", 2);
    driver.go_on("other", &other, vec![call("a", 1), lock(&["a"])]);
    driver.commit(vec![Operation::SignalEntity(signal("a", 2))]);
    assert_eq!(waiting(&driver, "a"), []);
    let job = driver.go_on("job", &job, vec![call("a", 3)]);
    assert_eq!(waiting(&driver, "a"), [Some("3".to_owned())]);
    turn(&driver, "a");
    assert_eq!(driver.inbox("job").len(), 2);

    driver.go_on("job", &job, vec![HistoryEvent::EntityUnlockSent { task: TaskId(0) }]);
    assert_eq!((holder(&driver, "a"), holder(&driver, "b")), (None, None));
    assert_eq!(waiting(&driver, "a"), [Some("1".to_owned()), None, Some("2".to_owned())]);
    turn(&driver, "a");
    assert_eq!(holder(&driver, "a"), Some(other.execution));
    assert_eq!(waiting(&driver, "a"), []);
}

pub fn end_of_the_holder_frees_its_locks_in_the_same_commit(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let statuses = [RuntimeStatus::Completed, RuntimeStatus::Failed, RuntimeStatus::Terminated];
    for (number, status) in (1..).zip(statuses) {
        let job = locked(&driver, "job", number);
        driver.finish("job", &job, status);
        assert_eq!((record(&driver, "a"), record(&driver, "b")), (None, None), "{status}");
    }
    locked(&driver, "job", 10);
    let replace = start_request_with(IfExists::TerminateAndReplace, 11);
    let committed = store.commit(&driver.leases, vec![Operation::Start(replace)]).expect("can commit");
    assert_eq!(committed.woken, [entity("a"), entity("b")]);
    assert_eq!((record(&driver, "a"), record(&driver, "b")), (None, None));

    let job = locked(&driver, "again", 12);
    let mut write = turn_write("again", &job, vec![HistoryEvent::ContinueAsNew { input: Json::null() }]);
    write.commit.status = RuntimeStatus::ContinuedAsNew;
    let began = store.execution(job.execution).expect("can be read").expect("it began");
    write.commit.next =
        Some(NextExecution { execution: super::execution(13), keep_version: true, record: began });
    driver.write(write);
    assert_eq!((record(&driver, "a"), record(&driver, "b")), (None, None));
}

fn start_request_with(if_exists: IfExists, number: u128) -> crate::StartRequest {
    crate::StartRequest { if_exists, ..start_request("job", number) }
}

pub fn request_of_one_that_is_over_locks_nothing(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let job = driver.run("job", 1);
    let job = driver.go_on("job", &job, vec![lock(&["a", "b"])]);
    turn(&driver, "a");
    driver.finish("job", &job, RuntimeStatus::Failed);
    assert_eq!((holder(&driver, "a"), waiting(&driver, "b")), (None, vec![None]));
    turn(&driver, "b");
    assert_eq!((record(&driver, "b"), waiting(&driver, "b")), (None, Vec::new()));
}

pub fn turn_that_does_not_know_of_a_release_is_stale(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let job = locked(&driver, "job", 1);
    let job = driver.go_on("job", &job, vec![call("a", 1)]);
    let late = next_turn(&driver, "a");
    driver.finish("job", &job, RuntimeStatus::Failed);
    assert_eq!(write(&driver, late), EntityTurnOutcome::Stale);
    turn(&driver, "a");
    assert_eq!((record(&driver, "a"), waiting(&driver, "a")), (None, Vec::new()));
}

/// Three orchestrations, each wanting two of three entities, in every order of steps that `SEEDS` random walks take.
pub fn any_order_of_steps_excludes_and_ends(store: &dyn TaskHubStore) {
    const SEEDS: u64 = 40;
    let driver = Driver::new(store);
    for seed in 0..SEEDS {
        Walk::new(&driver, seed).run();
    }
}

const KEYS: [&str; 3] = ["a", "b", "c"];
const WANTED: [[&str; 2]; 3] = [["a", "b"], ["b", "c"], ["a", "c"]];

/// One random order of steps.
struct Walk<'d> {
    driver: &'d Driver<'d>,
    seed: u64,
    random: u64,
    /// Those that are not over.
    live: Vec<usize>,
}

impl<'d> Walk<'d> {
    fn new(driver: &'d Driver<'d>, seed: u64) -> Self {
        let walk = Self { driver, seed, random: seed + 1, live: (0..WANTED.len()).collect() };
        for (index, wanted) in WANTED.iter().enumerate() {
            let record = driver.run(&walk.id(index), u128::from(seed) * 10 + index as u128 + 100);
            driver.go_on(&walk.id(index), &record, vec![lock(wanted)]);
        }
        walk
    }

    fn id(&self, index: usize) -> String {
        format!("walk-{}-{index}", self.seed)
    }

    /// A number below `limit`. Source: xorshift64.
    fn below(&mut self, limit: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random % limit as u64).expect("below a usize")
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        *of.get(self.below(of.len())).expect("it is below the length")
    }

    fn run(mut self) {
        for _step in 0..200 {
            if self.live.is_empty() {
                return self.check_nothing_is_left();
            }
            match self.below(4) {
                0 => self.end_one(),
                _ => {
                    let key = self.pick(&KEYS);
                    assert_ne!(turn(self.driver, key), EntityTurnOutcome::Stale, "seed {}", self.seed);
                }
            }
            self.check_exclusion();
        }
        unreachable!("seed {}: {:?} never got their locks", self.seed, self.live);
    }

    /// Ends one that holds its locks; now and then one that does not.
    fn end_one(&mut self) {
        let index = self.pick(&self.live.clone());
        if is_granted(self.driver, &self.id(index)) || self.below(8) == 0 {
            let record = self.driver.record(&self.id(index));
            let ends = [RuntimeStatus::Completed, RuntimeStatus::Terminated, RuntimeStatus::Failed];
            let status = self.pick(&ends);
            self.driver.finish(&self.id(index), &record, status);
            self.live.retain(|live| *live != index);
        }
    }

    /// Whoever was granted its locks holds them, all of them.
    fn check_exclusion(&self) {
        for index in &self.live {
            if is_granted(self.driver, &self.id(*index)) {
                let execution = self.driver.record(&self.id(*index)).execution;
                for key in WANTED.get(*index).into_iter().flatten() {
                    assert_eq!(holder(self.driver, key), Some(execution), "seed {}", self.seed);
                }
            }
        }
    }

    fn check_nothing_is_left(&self) {
        for key in KEYS {
            while !waiting(self.driver, key).is_empty() {
                turn(self.driver, key);
            }
            assert_eq!(record(self.driver, key), None, "seed {}", self.seed);
        }
    }
}
