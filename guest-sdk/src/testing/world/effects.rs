//! What a turn brings about.

use durance_durable::{
    CreateSubOrchestration, EntityId, ExecutionId, HistoryEvent, InstanceId, Json, MessageTarget, Parent,
    RuntimeState, RuntimeStatus, ScheduleTask, SendEventTo, StartOrchestration, TaskFailureDetails, TaskId,
    TurnCommit,
};
use serde_json::Value;

use super::{Attempt, Due, Instance, Message, Start, World, value};
use crate::function;
use crate::testing::convert;
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
        // Events are sent after the starts: what an orchestrator starts and writes to in one turn gets what was written.
        let (sent, others): (Vec<_>, Vec<_>) =
            events.iter().partition(|event| matches!(event, HistoryEvent::EventSent(_)));
        for event in &events {
            self.journal(&instance, event);
        }
        for event in others.into_iter().chain(sent) {
            self.take_effect(state, event.clone(), is_over);
        }
        if is_over {
            self.release_locks(execution);
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
            HistoryEvent::EntityOperationCalled(call) => self.call_entity(state, call),
            HistoryEvent::EntityOperationSignaled(signal) => self.signal(signal),
            HistoryEvent::EntityLockRequested(locks) => self.request_locks(state, locks),
            HistoryEvent::EntityUnlockSent { .. } => self.release_locks(state.execution()),
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
            Err(unknown_orchestrator(&name))
        };
        self.note(self.now, Due::Message(message_to(state, child_ended(task, result))));
    }

    /// Nobody is told whether it was started.
    pub(super) fn start_other(&mut self, start: StartOrchestration) {
        let StartOrchestration { name, instance, input, .. } = start;
        if let Some(fake) = self.orchestrators.get_mut(&name.to_lowercase()) {
            drop((fake.function)(&input));
        } else if let Some(name) = function::orchestrator_named(&name)
            && !self.is_live(&instance)
        {
            self.begin_run(Start { name, instance, input, parent: None });
        }
    }

    pub(super) fn has_orchestrator(&self, name: &str) -> bool {
        self.orchestrators.contains_key(&name.to_lowercase()) || function::orchestrator_named(name).is_some()
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
            Due::Entity(_) => true,
            Due::Attempt(attempt) => attempt.execution != execution || !is_given_up(attempt.call.task),
            Due::Message(message) => {
                let is_of_execution = message.target == MessageTarget::Execution(execution);
                !is_of_execution || message.event.completes().is_none_or(|task| !is_given_up(task))
            }
        });
    }

    fn journal(&mut self, instance: &InstanceId, event: &HistoryEvent) {
        let asked = |kind, name: &str, input| Some((kind, name.to_owned(), input, None));
        let of_entity = |kind, entity, name: &str, input: &Json| {
            Some((kind, name.to_owned(), value(input), Some(convert::entity_to_guest(entity))))
        };
        let call = match event {
            HistoryEvent::TaskScheduled(call) => asked(CallKind::Activity, &call.name, value(&call.input)),
            HistoryEvent::SubOrchestrationInstanceCreated(child) => {
                asked(CallKind::SubOrchestration, &child.name, value(&child.input))
            }
            HistoryEvent::TimerCreated(_) => asked(CallKind::Timer, "", Value::Null),
            HistoryEvent::EventSent(event) => asked(CallKind::Event, &event.name, value(&event.input)),
            HistoryEvent::OrchestrationStarted(start) => {
                asked(CallKind::Start, &start.name, value(&start.input))
            }
            HistoryEvent::EntityOperationCalled(call) => {
                of_entity(CallKind::EntityCall, &call.entity, &call.operation, &call.input)
            }
            HistoryEvent::EntityOperationSignaled(signal) => {
                of_entity(CallKind::EntitySignal, &signal.entity, &signal.operation, &signal.input)
            }
            HistoryEvent::EntityLockRequested(locks) => {
                asked(CallKind::Lock, "", locks.entities.iter().map(EntityId::as_str).collect())
            }
            _ => None,
        };
        if let Some((kind, name, input, entity)) = call {
            let (instance_id, after) = (instance.to_string(), self.after_start(self.now));
            self.journal.calls.push(Call { kind, name, input, entity, instance_id, after });
        }
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

pub(super) fn unknown_orchestrator(name: &str) -> TaskFailureDetails {
    let message = format!("this crate has no orchestrator '{name}': give the hub a fake of it");
    TaskFailureDetails::non_retriable("UnknownOrchestrator", message)
}
