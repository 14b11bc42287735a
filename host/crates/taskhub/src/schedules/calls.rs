//! Timer-triggered functions: called at each tick, again after a crash, never beside what the overlap policy allows.

use super::Scheduled;
use crate::engine::Engine;
use durance_durable::{ON_TIME, RunningTick, ScheduleDefinition, ScheduleId, TaskFailureDetails, Timestamp};
use durance_store::ScheduleChange;
use futures_util::FutureExt;
use std::{panic::AssertUnwindSafe, sync::Arc};

/// A timer-triggered function of the app.
#[derive(Debug, Clone)]
pub struct TimerFunction {
    /// Its name.
    pub schedule: ScheduleId,
    /// When it is called.
    pub definition: ScheduleDefinition,
}

/// One call of a timer-triggered function.
#[derive(Debug, Clone)]
pub struct TimerCall {
    /// The function.
    pub function: Arc<str>,
    /// When it was due. Each tick is called at least once: after a crash again, with the same time.
    pub scheduled: Timestamp,
    /// Whether it is called more than [`ON_TIME`] too late.
    pub is_past_due: bool,
}

impl Engine {
    /// Makes the calls that the schedule's record says are under way, and ends those that it does not name.
    pub(super) fn run_calls(self: &Arc<Self>, entry: &Arc<Scheduled>) {
        if self.is_stopping() {
            return;
        }
        // The lock is held over the spawn, so that an end cannot be noted before the beginning.
        let mut state = entry.state.lock();
        let running = state.record.running.clone();
        state.stop_calls(&running);
        if state.is_deleted {
            return;
        }
        for tick in running {
            state.calls.entry(tick.scheduled).or_insert_with(|| {
                let call = Arc::clone(self).call_function(Arc::clone(entry), tick);
                Some(tokio::spawn(call).abort_handle())
            });
        }
    }

    async fn call_function(self: Arc<Self>, entry: Arc<Scheduled>, tick: RunningTick) {
        let scheduled = tick.scheduled;
        let call = TimerCall {
            function: entry.id.as_str().into(),
            scheduled,
            is_past_due: self.clock.now().saturating_since(scheduled) > ON_TIME,
        };
        let result = AssertUnwindSafe(self.executor.timer(call)).catch_unwind().await;
        let result = result.unwrap_or_else(|_| {
            Err(TaskFailureDetails::new("HostPanic", "the host has panicked while it ran the function"))
        });
        if let Err(failure) = &result {
            tracing::warn!(function = %entry.id, error = %failure, "timer-triggered function failed");
        }
        // From here on it is not stopped: that it has ended is written.
        if let Some(call) = entry.state.lock().calls.get_mut(&scheduled) {
            *call = None;
        }
        let failure = result.err().map(|failure| failure.to_string().into());
        let ended = ScheduleChange::Ended { scheduled, failure };
        if self.change_schedule(entry.id.clone(), ended, None).await.is_ok() {
            // A tick may wait for this.
            entry.changed.notify_one();
        }
    }
}
