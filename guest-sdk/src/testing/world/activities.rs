//! Attempts of activities.

use std::time::Duration;

use durance_durable::{
    ExecutionId, FailedAttempt, HistoryEvent, InstanceId, Json, MessageTarget, ScheduleTask,
    TaskFailureDetails, Timestamp,
};

use super::{Due, Message, World};
use crate::function;
use crate::testing::guest::{self, AttemptInfo};

/// An attempt that is to be made.
pub(super) struct Attempt {
    pub(super) instance: InstanceId,
    pub(super) execution: ExecutionId,
    pub(super) call: ScheduleTask,
    /// From 1.
    pub(super) number: u32,
    pub(super) scheduled: Timestamp,
    /// The last one of the attempts before.
    pub(super) heartbeat: Option<String>,
}

/// How an attempt went.
struct Ended {
    after: Duration,
    result: Result<Json, TaskFailureDetails>,
    heartbeat: Option<String>,
}

impl World {
    /// Makes an attempt, and notes its result or the next attempt for later.
    pub(super) fn attempt(&mut self, attempt: Attempt) {
        let Ended { after, result, heartbeat } = self.call_activity(&attempt);
        let ended = self.now.saturating_add(after);
        let failure = match result {
            Ok(result) => {
                let event = HistoryEvent::TaskCompleted { task: attempt.call.task, result };
                return self.tell(ended, &attempt, event);
            }
            Err(failure) => failure,
        };
        let failed = FailedAttempt {
            failure: &failure,
            attempt: attempt.number,
            elapsed: ended.saturating_since(attempt.scheduled),
            execution: attempt.execution,
            task: attempt.call.task,
        };
        let policy = attempt.call.options.retry.as_ref();
        match policy.and_then(|policy| policy.next_delay(&failed)) {
            Some(delay) => {
                let again = Attempt { number: attempt.number + 1, heartbeat, ..attempt };
                self.note(ended.saturating_add(delay), Due::Attempt(again));
            }
            None => {
                let event = HistoryEvent::TaskFailed { task: attempt.call.task, failure };
                self.tell(ended, &attempt, event);
            }
        }
    }

    fn tell(&mut self, time: Timestamp, attempt: &Attempt, event: HistoryEvent) {
        let target = MessageTarget::Execution(attempt.execution);
        self.note(time, Due::Message(Message { instance: attempt.instance.clone(), target, event }));
    }

    fn call_activity(&mut self, attempt: &Attempt) -> Ended {
        let ScheduleTask { name, input, options, .. } = &attempt.call;
        let heartbeat = attempt.heartbeat.clone();
        if let Some(fake) = self.activities.get_mut(&name.to_lowercase()) {
            let result = (fake.function)(input);
            // A fake gives no heartbeat.
            let timeouts = [("Timeout", options.timeout), ("HeartbeatTimeout", options.heartbeat_timeout)];
            let timeouts =
                timeouts.into_iter().filter_map(|(error_type, timeout)| Some((timeout?, error_type)));
            let first = timeouts.min_by_key(|(timeout, _)| *timeout);
            let Some((after, error_type)) = first.filter(|(timeout, _)| fake.takes > *timeout) else {
                return Ended { after: fake.takes, result, heartbeat };
            };
            let message = format!("the activity did not end within {} s", after.as_secs_f64());
            return Ended { after, result: Err(TaskFailureDetails::new(error_type, message)), heartbeat };
        }
        let Some(registered) = function::activity_named(name) else {
            let message = format!("this crate has no activity '{name}': give the hub a fake of it");
            let result = Err(TaskFailureDetails::non_retriable("UnknownActivity", message));
            return Ended { after: Duration::ZERO, result, heartbeat };
        };
        let (result, heartbeat) = guest::run_activity(registered, input, self.info(attempt));
        Ended { after: Duration::ZERO, result, heartbeat }
    }

    fn info(&self, attempt: &Attempt) -> AttemptInfo {
        AttemptInfo {
            instance: attempt.instance.clone(),
            execution: attempt.execution,
            generation: self
                .instances
                .get(&attempt.instance)
                .map_or(1, |instance| instance.record.generation),
            task: attempt.call.task,
            attempt: attempt.number,
            heartbeat: attempt.heartbeat.clone(),
        }
    }
}
