//! What an orchestrator may call.

use super::{
    ACTIONS_MAX, CUSTOM_STATUS_BYTES_MAX, ContinueAsNew, GuestFault, NAME_BYTES_MAX, RuntimeState, Task,
    TaskKind, plan::Work,
};
use crate::{
    ActivityOptions, CreateSubOrchestration, CreateTimer, HistoryEvent, HttpCall, InstanceId, Json,
    RetryPolicy, ScheduleTask, SendEventTo, StartOrchestration, TaskFailureDetails, TaskId, Timestamp,
    http::HttpPolls,
};
use std::time::Duration;
use uuid::Uuid;

impl RuntimeState {
    /// Schedules an activity.
    ///
    /// # Errors
    /// The rules or the history do not allow it.
    pub fn call_activity(
        &mut self,
        name: &str,
        input: Json,
        options: ActivityOptions,
    ) -> Result<TaskId, GuestFault> {
        self.check_name("an activity", name)?;
        self.check_policy(options.retry.as_ref())?;
        let task = self.next_task()?;
        self.ask(HistoryEvent::TaskScheduled(ScheduleTask { task, name: name.into(), input, options }))?;
        Ok(self.open(TaskKind::Activity))
    }

    /// Has the host send an HTTP request. An answer of 202 with `Location` is followed by polls, each a step of its own, if
    /// the request says so; the result is the last answer, an [`HttpResponse`](crate::HttpResponse).
    ///
    /// # Errors
    /// The rules or the history do not allow it.
    pub fn call_http(&mut self, call: HttpCall) -> Result<TaskId, GuestFault> {
        self.check_policy(call.retry.as_ref())?;
        let task = self.next_task()?;
        self.ask(HistoryEvent::TaskScheduled(call.activity(task, &call.request, Duration::ZERO)))?;
        if call.request.asynchronous_pattern_enabled {
            self.plan(task, Work::Http(Box::new(HttpPolls::new(call))));
        }
        Ok(self.open(TaskKind::Activity))
    }

    /// Starts another orchestration and waits for its end. Without an id it gets `{execution id}:{task id}`. One that
    /// fails is started again, under the same id, if the policy says so.
    ///
    /// # Errors
    /// The rules or the history do not allow it.
    pub fn call_sub_orchestrator(
        &mut self,
        name: &str,
        instance: Option<&str>,
        input: Json,
        retry: Option<RetryPolicy>,
    ) -> Result<TaskId, GuestFault> {
        self.check_name("a sub-orchestrator", name)?;
        self.check_outside_critical_section("call a sub-orchestrator")?;
        self.check_policy(retry.as_ref())?;
        let task = self.next_task()?;
        let instance = self.instance_to_start(task, instance)?;
        let child = CreateSubOrchestration { task, name: name.into(), instance, input, retry };
        self.ask(HistoryEvent::SubOrchestrationInstanceCreated(child.clone()))?;
        if child.retry.is_some() {
            self.plan(task, Work::SubOrchestration(child));
        }
        Ok(self.open(TaskKind::SubOrchestration))
    }

    /// Starts another orchestration that goes its own way, and answers its id. Without an id it gets
    /// `{execution id}:{number}`. If a live instance has the id, nothing is started, and nobody is told.
    ///
    /// # Errors
    /// The rules or the history do not allow it.
    pub fn start_orchestration(
        &mut self,
        name: &str,
        instance: Option<&str>,
        input: Json,
    ) -> Result<InstanceId, GuestFault> {
        self.check_name("an orchestrator", name)?;
        let task = self.next_task()?;
        let instance = self.instance_to_start(task, instance)?;
        let start = StartOrchestration { task, name: name.into(), instance: instance.clone(), input };
        self.ask(HistoryEvent::OrchestrationStarted(start))?;
        self.tasks.push(Task::Gone);
        Ok(instance)
    }

    /// Sends an event to another instance, one way: if there is no live instance with this id, it is dropped.
    ///
    /// # Errors
    /// The rules or the history do not allow it.
    pub fn send_event(&mut self, instance: &str, name: &str, input: Json) -> Result<(), GuestFault> {
        self.check_name("an external event", name)?;
        let instance = self.check_instance(instance)?;
        self.ask(HistoryEvent::EventSent(SendEventTo { instance, name: name.into(), input }))
    }

    fn check_instance(&mut self, id: &str) -> Result<InstanceId, GuestFault> {
        InstanceId::new(id).map_err(|invalid| self.fail(GuestFault::InvalidArgument(invalid.to_string())))
    }

    fn check_policy(&mut self, policy: Option<&RetryPolicy>) -> Result<(), GuestFault> {
        let checked = policy.map_or(Ok(()), RetryPolicy::check);
        checked.map_err(|invalid| self.fail(GuestFault::InvalidArgument(invalid.to_string())))
    }

    fn instance_to_start(&mut self, task: TaskId, chosen: Option<&str>) -> Result<InstanceId, GuestFault> {
        let instance = match chosen {
            Some(id) => self.check_instance(id)?,
            None => self.check_instance(&format!("{}:{task}", self.execution))?,
        };
        if instance == self.instance {
            let text = "an orchestration cannot start another one with its own instance id".to_owned();
            return Err(self.fail(GuestFault::InvalidArgument(text)));
        }
        Ok(instance)
    }

    /// Creates a timer. One in the past fires at once.
    ///
    /// # Errors
    /// The rules or the history do not allow it.
    pub fn create_timer(&mut self, fire_at: Timestamp) -> Result<TaskId, GuestFault> {
        let task = self.next_task()?;
        self.ask(HistoryEvent::TimerCreated(CreateTimer { task, fire_at }))?;
        Ok(self.open(TaskKind::Timer))
    }

    /// Waits for an external event. Names are compared without regard to case; the first event that came goes to the
    /// first waiter.
    ///
    /// # Errors
    /// The rules do not allow it.
    pub fn wait_for_external_event(&mut self, name: &str) -> Result<TaskId, GuestFault> {
        self.check_name("an external event", name)?;
        let task = self.next_task()?;
        let slot = self.wait_for_event(task, &name.into());
        self.tasks.push(slot);
        Ok(task)
    }

    /// Gives up a task: a timer is deleted, an activity is told and stopped, a waiter takes no event and gives back one
    /// that it was given, locks are released. A sub-orchestration goes on, but its end is of no account, and it is not
    /// started again.
    ///
    /// # Errors
    /// No such task, or the history does not allow it.
    pub fn cancel_task(&mut self, task: TaskId) -> Result<(), GuestFault> {
        let Some(slot) = self.tasks.get_mut(task.0 as usize) else {
            return Err(self.fail(GuestFault::UnknownTask(task)));
        };
        match std::mem::replace(slot, Task::Gone) {
            Task::Open(kind) => {
                self.wait_set.forget_open(task);
                self.give_up(task, &kind)
            }
            Task::Done { kind, order, result } => {
                self.wait_set.forget_done(order);
                match (kind, result) {
                    (TaskKind::Lock, _) => return self.release_locks(task),
                    (TaskKind::Event(name), Ok(input)) => self.give_back(name, order, input),
                    _ => {}
                }
                Ok(())
            }
            Task::Gone => Ok(()),
        }
    }

    fn give_up(&mut self, task: TaskId, kind: &TaskKind) -> Result<(), GuestFault> {
        if let Some(given_up) = self.give_up_step(task) {
            return given_up;
        }
        match kind {
            TaskKind::Timer => self.ask(HistoryEvent::TimerCanceled { task }),
            TaskKind::Event(name) => {
                if let Some(waiters) = self.waiters.get_mut(&name.to_lowercase()) {
                    waiters.retain(|waiter| *waiter != task);
                }
                Ok(())
            }
            TaskKind::Activity => self.ask(HistoryEvent::TaskCanceled { task }),
            TaskKind::Lock => self.release_locks(task),
            TaskKind::SubOrchestration | TaskKind::EntityCall => Ok(()),
        }
    }

    /// The first of these tasks to be done, in the order of the history; none if the orchestrator must wait.
    ///
    /// Goes on to the next turn as often as there is one and none of the tasks is done.
    ///
    /// # Errors
    /// The list is empty, names an unknown or taken task, or the history has gone another way.
    pub fn wait_any(&mut self, tasks: &[TaskId]) -> Result<Option<TaskId>, GuestFault> {
        if tasks.is_empty() {
            return Err(self.fail(GuestFault::NothingToWaitFor));
        }
        loop {
            let first = self.first_done(tasks).map_err(|fault| self.fail(fault))?;
            if first.is_some() && !self.suspended {
                return Ok(first);
            }
            if !self.advance()? {
                return Ok(None);
            }
        }
    }

    fn first_done(&self, tasks: &[TaskId]) -> Result<Option<TaskId>, GuestFault> {
        let mut first: Option<(u64, TaskId)> = None;
        for &task in tasks {
            match self.tasks.get(task.0 as usize) {
                None => return Err(GuestFault::UnknownTask(task)),
                Some(Task::Gone) => return Err(GuestFault::ResultGone(task)),
                Some(Task::Open(_)) => {}
                Some(Task::Done { order, .. }) => {
                    if first.is_none_or(|(earliest, _)| *order < earliest) {
                        first = Some((*order, task));
                    }
                }
            }
        }
        Ok(first.map(|(_, task)| task))
    }

    /// The result of a finished task. It can be taken once.
    ///
    /// # Errors
    /// The task is unknown, not done, or its result was taken.
    pub fn take_result(&mut self, task: TaskId) -> Result<Result<Json, TaskFailureDetails>, GuestFault> {
        let fault = match self.tasks.get_mut(task.0 as usize) {
            Some(slot @ Task::Done { .. }) => {
                if let Task::Done { result, order, .. } = std::mem::replace(slot, Task::Gone) {
                    self.wait_set.forget_done(order);
                    return Ok(result);
                }
                GuestFault::ResultGone(task)
            }
            Some(Task::Open(_)) => GuestFault::NotDone(task),
            Some(Task::Gone) => GuestFault::ResultGone(task),
            None => GuestFault::UnknownTask(task),
        };
        Err(self.fail(fault))
    }

    /// Sets the custom status, shown from the end of the turn on; `null` clears it.
    ///
    /// # Errors
    /// It is longer than [`CUSTOM_STATUS_BYTES_MAX`].
    pub fn set_custom_status(&mut self, status: Json) -> Result<(), GuestFault> {
        let bytes = status.as_str().len();
        if bytes > CUSTOM_STATUS_BYTES_MAX {
            return Err(self.fail(GuestFault::CustomStatusTooLarge(bytes)));
        }
        self.custom_status = (status.as_str() != "null").then_some(status);
        Ok(())
    }

    /// When the orchestrator returns it goes on with a new input and an empty history. The last call counts.
    pub fn continue_as_new(&mut self, next: ContinueAsNew) {
        self.continue_as_new = Some(next);
    }

    /// A UUID that is the same at every replay.
    pub fn new_guid(&mut self) -> Uuid {
        self.guids += 1;
        self.execution.derive_uuid(self.guids)
    }

    pub(super) fn check_name(&mut self, what: &str, name: &str) -> Result<(), GuestFault> {
        let wrong = match name.len() {
            0 => format!("the name of {what} must not be empty"),
            1..=NAME_BYTES_MAX => return Ok(()),
            bytes => format!("the name of {what} has at most {NAME_BYTES_MAX} bytes, this one has {bytes}"),
        };
        Err(self.fail(GuestFault::InvalidArgument(wrong)))
    }

    pub(super) fn next_task(&mut self) -> Result<TaskId, GuestFault> {
        if self.tasks.len() >= ACTIONS_MAX {
            return Err(self.fail(GuestFault::TooManyActions));
        }
        Ok(TaskId(u32::try_from(self.tasks.len()).expect("fewer than ACTIONS_MAX")))
    }

    pub(super) fn open(&mut self, kind: TaskKind) -> TaskId {
        let task = TaskId(u32::try_from(self.tasks.len()).expect("fewer than ACTIONS_MAX"));
        self.tasks.push(Task::Open(kind));
        task
    }
}
