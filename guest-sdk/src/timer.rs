//! What a timer-triggered function may know of its call.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::bindings;

/// A tick of a timer-triggered function, as its first parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerInfo {
    /// When it was due. Each tick is called at least once: after a crash again, with the same time.
    pub scheduled_time: SystemTime,
    /// Whether it is called more than ten seconds too late.
    pub is_past_due: bool,
}

impl From<bindings::TimerInfo> for TimerInfo {
    fn from(timer: bindings::TimerInfo) -> Self {
        let scheduled_time = UNIX_EPOCH + Duration::from_nanos(timer.scheduled_time);
        Self { scheduled_time, is_past_due: timer.is_past_due }
    }
}
