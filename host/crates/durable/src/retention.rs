//! How long finished runs are kept.

use crate::RuntimeStatus;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a run is kept after its end, by the status that it ended with. None: for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RetentionPolicy {
    /// Of a completed run.
    pub completed: Option<Duration>,
    /// Of a failed run.
    pub failed: Option<Duration>,
    /// Of a terminated run.
    pub terminated: Option<Duration>,
}

impl RetentionPolicy {
    /// The same time for every end.
    #[must_use]
    pub fn always(time: Duration) -> Self {
        Self { completed: Some(time), failed: Some(time), terminated: Some(time) }
    }

    /// How long a run that ended like this is kept. None: for ever, or it has not ended.
    #[must_use]
    pub fn of(self, status: RuntimeStatus) -> Option<Duration> {
        match status {
            RuntimeStatus::Completed => self.completed,
            RuntimeStatus::Failed => self.failed,
            RuntimeStatus::Terminated | RuntimeStatus::Canceled => self.terminated,
            RuntimeStatus::Running
            | RuntimeStatus::ContinuedAsNew
            | RuntimeStatus::Pending
            | RuntimeStatus::Suspended => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_its_own_time_and_what_has_not_ended_has_none() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let policy = RetentionPolicy { completed: seconds(1), failed: None, terminated: seconds(3) };
        for status in RuntimeStatus::ALL {
            let expected = match status {
                RuntimeStatus::Completed => seconds(1),
                RuntimeStatus::Terminated | RuntimeStatus::Canceled => seconds(3),
                _ => None,
            };
            assert_eq!(policy.of(status), expected, "{status}");
            let always = RetentionPolicy::always(Duration::from_secs(9)).of(status);
            assert_eq!(always.is_some(), status.is_finished(), "{status}");
        }
    }
}
