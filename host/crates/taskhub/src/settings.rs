//! The limits of a task hub.

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
    /// Client operations under way at one time; beyond it they are refused as busy. Default 4,096.
    pub concurrent_operations: usize,
    /// A commit that takes longer is taken for hanging: the hub fails. Default 60 s.
    pub commit_timeout: Duration,
}

impl Default for TaskHubSettings {
    fn default() -> Self {
        Self {
            hot_instances: 2_000,
            concurrent_turns: 256,
            concurrent_activities: 512,
            concurrent_operations: 4_096,
            commit_timeout: Duration::from_secs(60),
        }
    }
}
