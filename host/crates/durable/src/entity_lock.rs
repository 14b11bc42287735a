//! The locks of entities: how a request for several goes its way, and whom a locked entity serves.
//!
//! A request is a message that goes from entity to entity. The critical section that it is for is noted when it is sent and
//! forgotten when its locks are released or its execution is over, together with the locks: a request without its section is
//! void, and so no lock outlives its holder.

use crate::{Caller, EntityId, EntityRecord, ExecutionId, TaskId};
use serde::{Deserialize, Serialize};

/// A request for the locks of several entities. It goes from one to the next, in the order of their ids: whoever waits
/// for a lock holds only locks that come before it, so that no circle of waiters can form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockRequest {
    /// Who asks. Its task is done when all locks are held.
    pub holder: Caller,
    /// What to lock, in the order of ids.
    pub entities: Vec<EntityId>,
}

/// What an execution has locked or waits to lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CriticalSection {
    /// The request's task.
    pub task: TaskId,
    /// What it names.
    pub entities: Vec<EntityId>,
}

/// What a request means to an entity that has taken it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockStep<'a> {
    /// Whoever asked does not wait for it any more: the entity stays free.
    Void,
    /// The entity is locked, and the request goes on to this one.
    GoOn(&'a EntityId),
    /// The entity is locked, and it was the last one.
    Granted,
}

impl LockRequest {
    /// The critical section that it begins.
    #[must_use]
    pub fn section(&self) -> CriticalSection {
        CriticalSection { task: self.holder.task, entities: self.entities.clone() }
    }

    /// What it means to an entity that takes it, when the holder's execution is in this critical section.
    #[must_use]
    pub fn step(&self, entity: &EntityId, section: Option<&CriticalSection>) -> LockStep<'_> {
        if section.is_none_or(|section| section.task != self.holder.task) {
            return LockStep::Void;
        }
        self.entities.iter().find(|next| *next > entity).map_or(LockStep::Granted, LockStep::GoOn)
    }
}

/// The queues of an entity's inbox. The order is that in which they are served. On disk it is its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Lane {
    /// Calls of the orchestration that holds the lock: all that is taken of a locked entity.
    Holder = 0,
    /// Signals that are for a certain time.
    Scheduled = 1,
    /// Everything else.
    Queue = 2,
}

impl Lane {
    /// Every queue, in the order in which they are served.
    pub const ALL: [Self; 3] = [Self::Holder, Self::Scheduled, Self::Queue];

    /// Where a call belongs when the entity is as this record says.
    #[must_use]
    pub fn of_call(record: Option<&EntityRecord>, caller: ExecutionId) -> Self {
        if record.is_some_and(|record| record.is_locked_by(caller)) { Self::Holder } else { Self::Queue }
    }

    /// Whether anything is taken from it when the entity is as this record says.
    #[must_use]
    pub fn is_open(self, record: Option<&EntityRecord>) -> bool {
        self == Self::Holder || record.is_none_or(|record| record.lock.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InstanceId;
    use uuid::Uuid;

    #[test]
    fn locks_are_asked_for_one_after_the_other() {
        let entity = |key| EntityId::new("a", key).expect("valid");
        let holder = Caller {
            instance: InstanceId::new("i").expect("valid"),
            execution: ExecutionId(Uuid::nil()),
            task: TaskId(0),
        };
        let request = LockRequest { holder, entities: vec![entity("1"), entity("2")] };
        let section = request.section();
        assert_eq!(request.step(&entity("1"), Some(&section)), LockStep::GoOn(&entity("2")));
        assert_eq!(request.step(&entity("2"), Some(&section)), LockStep::Granted);
        assert_eq!(request.step(&entity("1"), None), LockStep::Void);
        let later = CriticalSection { task: TaskId(1), ..section };
        assert_eq!(request.step(&entity("1"), Some(&later)), LockStep::Void);
    }
}
