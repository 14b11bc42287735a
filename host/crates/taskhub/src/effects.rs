//! What happens once a turn is durable.

use crate::{activities::ActivityRun, engine::Engine, partition::Hot, timers::Due};
use durance_durable::{
    ExecutionId, HistoryEvent, InstanceId, Message, ModuleHash, RuntimeStatus, Turn, TurnCommit,
};
use durance_store::{OpenActivity, OpenTimer};
use std::sync::Arc;

/// What of a committed turn its effects need.
#[derive(Debug)]
pub(crate) struct Committed {
    instance: InstanceId,
    execution: ExecutionId,
    generation: u64,
    module: ModuleHash,
    status: RuntimeStatus,
    turn: Turn,
}

impl Committed {
    pub(crate) fn of(hot: &Hot, commit: &TurnCommit) -> Self {
        Self {
            instance: commit.instance.clone(),
            execution: commit.execution,
            generation: hot.state.lock().generation(),
            module: hot.module,
            status: commit.status,
            turn: commit.turn.clone(),
        }
    }

    /// Whether the execution ended with the turn.
    pub(crate) fn is_over(&self) -> bool {
        self.status.is_finished() || self.status == RuntimeStatus::ContinuedAsNew
    }
}

impl Engine {
    /// Lets the effects of a durable turn happen.
    pub(crate) fn take_effect(self: &Arc<Self>, committed: &Committed, messages: Vec<Message>) {
        if committed.is_over() {
            self.forget(&committed.instance, committed.execution);
        } else {
            for event in &committed.turn.events {
                self.take_effect_of(committed, event);
            }
        }
        self.deliver_all(messages);
        if committed.status.is_finished() {
            let (instance_id, status) = (&committed.instance, committed.status);
            tracing::info!(%instance_id, execution_id = %committed.execution, %status, "orchestration finished");
            self.stuck.over(instance_id);
            self.watchers.finished(instance_id);
        } else {
            self.watchers.changed(&committed.instance);
        }
    }

    fn take_effect_of(self: &Arc<Self>, committed: &Committed, event: &HistoryEvent) {
        match event {
            HistoryEvent::TaskScheduled(call) => self.run_activity(ActivityRun {
                open: OpenActivity {
                    instance: committed.instance.clone(),
                    execution: committed.execution,
                    call: call.clone(),
                    scheduled: committed.turn.time,
                    attempt: 1,
                    due: None,
                    heartbeat: None,
                },
                module: committed.module,
                generation: committed.generation,
            }),
            HistoryEvent::TimerCreated(timer) => self.timers.add(Due::Timer(OpenTimer {
                instance: committed.instance.clone(),
                execution: committed.execution,
                task: timer.task,
                fire_at: timer.fire_at,
            })),
            HistoryEvent::TimerCanceled { task } => self.timers.remove(committed.execution, *task),
            HistoryEvent::TaskCanceled { task } => {
                self.cancel_activity(&committed.instance, committed.execution, *task);
            }
            _ => {}
        }
    }

    /// An execution is over: its timers do not fire, its activities are told, and stopped.
    pub(crate) fn forget(&self, instance: &InstanceId, execution: ExecutionId) {
        self.timers.remove_all(execution);
        self.activities.cancel_all(instance, execution);
    }
}
