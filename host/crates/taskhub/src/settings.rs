//! The limits of a task hub.

use crate::ActivityLimits;
use durance_durable::RetentionPolicy;

use std::time::Duration;

/// How much a task hub does at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskHubSettings {
    /// Orchestrator instances that stay in memory while they wait. Beyond it the least recently used are dropped, and
    /// rebuilt by replay when something comes for them. Default 2,000, some 25 KiB each.
    pub hot_instances: usize,
    /// Turns that run or are being committed at one time. Default 256.
    pub concurrent_turns: usize,
    /// Activities that run at one time. Default 512.
    pub concurrent_activities: usize,
    /// How many activities of a function, or with a key, run at one time. Default: as many as run at all.
    pub activity_limits: ActivityLimits,
    /// How long finished runs are kept, if their start does not say. Default: for ever.
    pub retention: RetentionPolicy,
    /// Entities that run operations at one time. Default 128.
    pub concurrent_entities: usize,
    /// An activity that was cancelled has this long to end by itself before it is stopped. Default 5 s.
    pub activity_grace: Duration,
    /// Client operations under way at one time; beyond it they are refused as busy. Default 4,096.
    pub concurrent_operations: usize,
    /// The longest JSON value that comes from outside: an input, an event. Unit: bytes. Default 4 MiB.
    pub value_bytes_max: usize,
    /// A commit that takes longer is taken for hanging: the hub fails. Default 60 s.
    pub commit_timeout: Duration,
}

impl Default for TaskHubSettings {
    fn default() -> Self {
        Self {
            hot_instances: 2_000,
            concurrent_turns: 256,
            concurrent_activities: 512,
            activity_limits: ActivityLimits::default(),
            retention: RetentionPolicy::default(),
            concurrent_entities: 128,
            activity_grace: Duration::from_secs(5),
            concurrent_operations: 4_096,
            value_bytes_max: 4 * 1024 * 1024,
            commit_timeout: Duration::from_secs(60),
        }
    }
}
