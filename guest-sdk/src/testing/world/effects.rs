//! What a turn brings about.

use durance_durable::{
    CreateSubOrchestration, ExecutionId, HistoryEvent, InstanceId, Json, MessageTarget, Parent, RuntimeState,
    RuntimeStatus, ScheduleTask, SendEventTo, StartOrchestration, TaskFailureDetails, TaskId, TurnCommit,
};
use serde_json::Value;

use super::{Attempt, Due, Instance, Message, Start, World, value};
use crate::function;
use crate::testing::run::{Call, CallKind};

impl World {
    /// Writes a turn and lets its effects happen.
    pub(super) fn apply(&mut self, state: &RuntimeState, commit: TurnCommit) {
        let (instance, execution) = (commit.instance.clone(), commit.execution);
        let events = commit.turn.events.clone();
        let is_over = commit.status.is_finished() || commit.next.is_some();
        self.note_custom_status(&commit);
        self.write(commit);
        if is_over {
            self.forget(execution, |_| true);
        }
        for event in events {
            self.journal(&instance, &event);
            self.take_effect(state, event, is_over);
        }
        self.tell_parent(&instance);
    }

    fn note_custom_status(&mut self, commit: &TurnCommit) {
        let is_root = commit.instance == self.root;
        if is_root && self.root().record.custom_status != commit.custom_status {
            let shown = commit.custom_status.as_ref().map_or(Value::Null, value);
            self.journal.custom_statuses.push(shown);
        }
    }

    fn write(&mut self, commit: TurnCommit) {
        let Some(Instance { record, begun_with, history }) = self.instances.get_mut(&commit.instance) else {
            return;
        };
        record.last_updated = commit.turn.time;
        record.custom_status = commit.custom_status;
        let Some(next) = commit.next else {
            record.event_count += commit.turn.events.len() as u64;
            record.status = commit.status;
            record.output = commit.output;
            record.failure = commit.failure;
            history.push(commit.turn);
            return;
        };
        record.execution = next.execution;
        record.event_count = 0;
        record.status = RuntimeStatus::Running;
        if commit.instance == self.root {
            self.journal.inputs.push(value(&next.record.input));
        }
        *begun_with = next.record;
        history.clear();
        self.begin_execution(commit.instance, next.execution);
    }

    fn take_effect(&mut self, state: &RuntimeState, event: HistoryEvent, is_over: bool) {
        match event {
            HistoryEvent::SubOrchestrationInstanceCreated(child) => self.start_child(state, child),
            HistoryEvent::OrchestrationStarted(start) => self.start_other(start),
            HistoryEvent::EventSent(event) => self.send(event),
            HistoryEvent::TaskScheduled(call) if !is_over => self.schedule(state, call),
            HistoryEvent::TimerCreated(timer) if !is_over => {
                let fired = HistoryEvent::TimerFired { task: timer.task };
                let message = message_to(state, fired);
                self.note(timer.fire_at.max(self.now), Due::Message(message));
            }
            HistoryEvent::TimerCanceled { task } | HistoryEvent::TaskCanceled { task } => {
                self.forget(state.execution(), |of| of == task);
            }
            _ => {}
        }
    }

    fn schedule(&mut self, state: &RuntimeState, call: ScheduleTask) {
        let attempt = Attempt {
            instance: state.instance().clone(),
            execution: state.execution(),
            call,
            number: 1,
            scheduled: self.now,
            heartbeat: None,
        };
        self.note(self.now, Due::Attempt(attempt));
    }

    fn start_child(&mut self, state: &RuntimeState, child: CreateSubOrchestration) {
        let CreateSubOrchestration { task, name, instance, input, .. } = child;
        let result = if let Some(fake) = self.orchestrators.get_mut(&name.to_lowercase()) {
            (fake.function)(&input)
        } else if self.is_live(&instance) {
            let message = format!("an instance with id '{instance}' already exists");
            Err(TaskFailureDetails::new("AlreadyExists", message))
        } else if let Some(name) = function::orchestrator_named(&name) {
            return self.begin_run(Start { name, instance, input, parent: Some(state.as_parent(task)) });
        } else {
            let message = format!("this crate has no orchestrator '{name}': give the hub a fake of it");
            Err(TaskFailureDetails::non_retriable("UnknownOrchestrator", message))
        };
        self.note(self.now, Due::Message(message_to(state, child_ended(task, result))));
    }

    /// Nobody is told whether it was started.
    fn start_other(&mut self, start: StartOrchestration) {
        let StartOrchestration { name, instance, input, .. } = start;
        if let Some(name) = function::orchestrator_named(&name)
            && !self.is_live(&instance)
        {
            self.begin_run(Start { name, instance, input, parent: None });
        }
    }

    fn send(&mut self, event: SendEventTo) {
        let SendEventTo { instance, name, input } = event;
        let Some(receiver) = self.instances.get(&instance) else { return };
        let target = MessageTarget::Generation(receiver.record.generation);
        let event = HistoryEvent::EventRaised { name, input };
        self.note(self.now, Due::Message(Message { instance, target, event }));
    }

    /// Tells the parent of an instance that is over how it ended.
    fn tell_parent(&mut self, instance: &InstanceId) {
        let Some(Instance { record, begun_with, .. }) = self.instances.get(instance) else { return };
        let Some(Parent { task, instance, execution, .. }) = begun_with.parent.clone() else { return };
        if !record.status.is_finished() {
            return;
        }
        let result = match (&record.failure, record.status) {
            (Some(failure), _) => Err(failure.clone()),
            (None, RuntimeStatus::Completed) => Ok(record.output.clone().unwrap_or_else(Json::null)),
            (None, _) => {
                let reason = record.output.as_ref().map_or("null", Json::as_str);
                let message = format!("the sub-orchestration was terminated: {reason}");
                Err(TaskFailureDetails::non_retriable("Terminated", message))
            }
        };
        let (target, event) = (MessageTarget::Execution(execution), child_ended(task, result));
        self.note(self.now, Due::Message(Message { instance, target, event }));
    }

    fn is_live(&self, instance: &InstanceId) -> bool {
        self.instances.get(instance).is_some_and(|instance| !instance.record.status.is_finished())
    }

    /// Takes an execution's timers and attempts off the agenda, those of these tasks.
    fn forget(&mut self, execution: ExecutionId, is_given_up: impl Fn(TaskId) -> bool) {
        self.agenda.retain(|_, due| match due {
            Due::Attempt(attempt) => attempt.execution != execution || !is_given_up(attempt.call.task),
            Due::Message(message) => {
                let is_of_execution = message.target == MessageTarget::Execution(execution);
                !is_of_execution || message.event.completes().is_none_or(|task| !is_given_up(task))
            }
        });
    }

    fn journal(&mut self, instance: &InstanceId, event: &HistoryEvent) {
        let (kind, name, input) = match event {
            HistoryEvent::TaskScheduled(call) => (CallKind::Activity, &*call.name, value(&call.input)),
            HistoryEvent::SubOrchestrationInstanceCreated(child) => {
                (CallKind::SubOrchestration, &*child.name, value(&child.input))
            }
            HistoryEvent::TimerCreated(_) => (CallKind::Timer, "", Value::Null),
            HistoryEvent::EventSent(event) => (CallKind::Event, &*event.name, value(&event.input)),
            HistoryEvent::OrchestrationStarted(start) => (CallKind::Start, &*start.name, value(&start.input)),
            _ => return,
        };
        let (name, instance_id) = (name.to_owned(), instance.to_string());
        let after = self.after_start(self.now);
        self.journal.calls.push(Call { kind, name, input, instance_id, after });
    }
}

fn message_to(state: &RuntimeState, event: HistoryEvent) -> Message {
    let target = MessageTarget::Execution(state.execution());
    Message { instance: state.instance().clone(), target, event }
}

fn child_ended(task: TaskId, result: Result<Json, TaskFailureDetails>) -> HistoryEvent {
    match result {
        Ok(result) => HistoryEvent::SubOrchestrationInstanceCompleted { task, result },
        Err(failure) => HistoryEvent::SubOrchestrationInstanceFailed { task, failure },
    }
}
