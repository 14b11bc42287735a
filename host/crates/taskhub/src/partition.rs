//! Who is at work and who waits: the mailboxes of running instances and the hot instances that are parked.

use crate::{OrchestratorRun, SharedState};
use durance_durable::{ExecutionId, HistoryEvent, InstanceId, Message, MessageTarget, ModuleHash};
use lru::LruCache;
use parking_lot::Mutex;
use std::{collections::HashMap, fmt, num::NonZeroUsize};

/// Something for an instance.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    /// Which of the instance's lives it is for.
    pub(crate) target: MessageTarget,
    /// What happened.
    pub(crate) event: HistoryEvent,
    /// Where it is in the stored inbox. None: it is not stored, and happens again after a crash.
    pub(crate) sequence: Option<u64>,
}

impl From<Message> for Delivery {
    fn from(message: Message) -> Self {
        Self { target: message.target, event: message.event, sequence: Some(message.sequence) }
    }
}

/// An orchestrator in memory, waiting inside of its guest: it goes on without replay.
pub(crate) struct Hot {
    pub(crate) execution: ExecutionId,
    pub(crate) module: ModuleHash,
    pub(crate) state: SharedState,
    pub(crate) run: Box<dyn OrchestratorRun>,
}

impl fmt::Debug for Hot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hot").field("execution", &self.execution).finish_non_exhaustive()
    }
}

/// The instances of one partition that are in memory.
#[derive(Debug)]
pub(crate) struct Partition(Mutex<Instances>);

#[derive(Debug)]
struct Instances {
    /// An instance is here as long as it has a runner.
    running: HashMap<InstanceId, Vec<Delivery>>,
    /// Hot instances without a runner.
    parked: LruCache<InstanceId, Hot>,
}

/// What is to be done after a delivery.
#[derive(Debug)]
pub(crate) enum Delivered {
    /// The instance's runner will see it.
    ToRunner,
    /// The instance had none: the caller is to start one, with the hot instance if there was one.
    StartRunner(Option<Hot>),
}

impl Partition {
    /// A partition that keeps at most `hot_max` instances hot.
    pub(crate) fn new(hot_max: NonZeroUsize) -> Self {
        Self(Mutex::new(Instances { running: HashMap::new(), parked: LruCache::new(hot_max) }))
    }

    /// Puts something in an instance's mailbox.
    pub(crate) fn deliver(&self, instance: &InstanceId, delivery: Delivery) -> Delivered {
        let mut instances = self.0.lock();
        if let Some(mailbox) = instances.running.get_mut(instance) {
            mailbox.push(delivery);
            return Delivered::ToRunner;
        }
        instances.running.insert(instance.clone(), vec![delivery]);
        Delivered::StartRunner(instances.parked.pop(instance))
    }

    /// Makes the caller the runner of an instance that is not in memory; false if it is.
    pub(crate) fn claim(&self, instance: &InstanceId) -> bool {
        let mut instances = self.0.lock();
        if instances.running.contains_key(instance) || instances.parked.contains(instance) {
            return false;
        }
        instances.running.insert(instance.clone(), Vec::new());
        true
    }

    /// All that has come for a running instance. None ends the runner: nothing has come, and `hot` was parked.
    pub(crate) fn take_mail(&self, instance: &InstanceId, hot: &mut Option<Hot>) -> Option<Vec<Delivery>> {
        let mut instances = self.0.lock();
        let mailbox = instances.running.get_mut(instance)?;
        if !mailbox.is_empty() {
            return Some(std::mem::take(mailbox));
        }
        instances.running.remove(instance);
        let dropped = hot.take().and_then(|hot| instances.parked.push(instance.clone(), hot));
        drop(instances);
        // Unwinding a guest takes a while: not under the lock.
        drop(dropped);
        None
    }

    /// Puts mail back in front of what has come since.
    pub(crate) fn return_mail(&self, instance: &InstanceId, mut mail: Vec<Delivery>) {
        if let Some(mailbox) = self.0.lock().running.get_mut(instance) {
            mail.append(mailbox);
            *mailbox = mail;
        }
    }

    /// How much waits for a running instance.
    pub(crate) fn mail_count(&self, instance: &InstanceId) -> usize {
        self.0.lock().running.get(instance).map_or(0, Vec::len)
    }

    /// Ends the runner of an instance with all that has come for it.
    pub(crate) fn give_up(&self, instance: &InstanceId) {
        self.0.lock().running.remove(instance);
    }

    /// Drops an instance that is hot, unless it has a runner.
    pub(crate) fn drop_parked(&self, instance: &InstanceId) {
        let parked = self.0.lock().parked.pop(instance);
        drop(parked);
    }

    /// Whether no instance has a runner.
    pub(crate) fn is_idle(&self) -> bool {
        self.0.lock().running.is_empty()
    }

    /// Drops the parked instances.
    pub(crate) fn clear(&self) {
        let mut instances = self.0.lock();
        let capacity = instances.parked.cap();
        let parked = std::mem::replace(&mut instances.parked, LruCache::new(capacity));
        drop(instances);
        drop(parked);
    }
}
