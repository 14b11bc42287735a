//! Histories in the shape in which Durable Functions shows them.

use durance_durable::{HistoryEvent, Json, TaskId, Timestamp, Turn};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// A history as a JSON array.
///
/// Shape: `EventType`, `Timestamp` and what the event has. What a task was scheduled with is folded into the event that
/// finishes it, as `FunctionName`, `ScheduledTime` and `Input`; a task that is open keeps its own row. `Result` and
/// `Input` only with `show_output`.
///
/// Source: `historyEvents` of the Durable Functions management API.
#[must_use]
pub fn history_json(
    name: &str,
    turns: &[Turn],
    show_output: bool,
    time: fn(Timestamp) -> String,
) -> Vec<Value> {
    let mut shaper = Shaper { scheduled: HashMap::new(), rows: Vec::new(), show_output, time };
    for turn in turns {
        for event in &turn.events {
            shaper.add(name, turn.time, event);
        }
    }
    shaper.rows.into_iter().flatten().map(Value::Object).collect()
}

struct Shaper {
    /// Where the row of an open task is.
    scheduled: HashMap<TaskId, usize>,
    rows: Vec<Option<Map<String, Value>>>,
    show_output: bool,
    time: fn(Timestamp) -> String,
}

impl Shaper {
    fn add(&mut self, name: &str, time: Timestamp, event: &HistoryEvent) {
        let mut row = self.row(name, event);
        let Some(fields) = row.as_object_mut() else { return };
        fields.retain(|_, value| !value.is_null());
        fields.insert("EventType".into(), event_type(event).into());
        fields.insert("Timestamp".into(), (self.time)(time).into());
        let mut fields = std::mem::take(fields);
        if let Some(task) = event.completes() {
            self.fold_schedule(task, &mut fields);
        }
        if let Some(task) = task_of(event) {
            self.scheduled.insert(task, self.rows.len());
        }
        self.rows.push(Some(fields));
    }

    /// What an event says, besides its type and time.
    fn row(&self, name: &str, event: &HistoryEvent) -> Value {
        match event {
            HistoryEvent::ExecutionStarted => json!({ "FunctionName": name }),
            HistoryEvent::TaskScheduled(call) => {
                json!({ "FunctionName": &*call.name, "TaskId": call.task, "Input": self.value(&call.input) })
            }
            HistoryEvent::SubOrchestrationInstanceCreated(child) => json!({
                "FunctionName": &*child.name, "TaskId": child.task, "InstanceId": child.instance.as_str(),
                "Input": self.value(&child.input),
            }),
            HistoryEvent::TimerCreated(timer) => {
                json!({ "TaskId": timer.task, "FireAt": (self.time)(timer.fire_at) })
            }
            HistoryEvent::TaskCompleted { task, result }
            | HistoryEvent::SubOrchestrationInstanceCompleted { task, result }
            | HistoryEvent::EntityOperationCompleted { task, result } => {
                json!({ "TaskId": task, "Result": self.value(result) })
            }
            HistoryEvent::TaskFailed { task, failure }
            | HistoryEvent::SubOrchestrationInstanceFailed { task, failure }
            | HistoryEvent::EntityOperationFailed { task, failure } => {
                json!({ "TaskId": task, "Reason": failure.to_string(), "Details": failure })
            }
            HistoryEvent::TimerFired { task }
            | HistoryEvent::TimerCanceled { task }
            | HistoryEvent::TaskCanceled { task } => json!({ "TaskId": task }),
            HistoryEvent::EventSent(sent) => json!({
                "InstanceId": sent.instance.as_str(), "Name": &*sent.name, "Input": self.value(&sent.input),
            }),
            HistoryEvent::OrchestrationStarted(start) => json!({
                "FunctionName": &*start.name, "TaskId": start.task, "InstanceId": start.instance.as_str(),
                "Input": self.value(&start.input),
            }),
            HistoryEvent::EventRaised { name, input } => {
                json!({ "Name": &**name, "Input": self.value(input) })
            }
            HistoryEvent::ExecutionSuspended { reason }
            | HistoryEvent::ExecutionResumed { reason }
            | HistoryEvent::ExecutionTerminated { reason, .. }
            | HistoryEvent::ExecutionRewound { reason, .. } => json!({ "Reason": &**reason }),
            HistoryEvent::ExecutionCompleted { status, output, failure } => json!({
                "OrchestrationStatus": status, "Result": output.as_ref().map(|output| self.value(output)),
                "Reason": failure.as_ref().map(ToString::to_string), "Details": failure,
            }),
            HistoryEvent::ContinueAsNew { input } => json!({ "Input": self.value(input) }),
            HistoryEvent::EntityOperationCalled(call) => json!({
                "TaskId": call.task, "EntityId": call.entity.as_str(), "Operation": &*call.operation,
                "Input": self.value(&call.input),
            }),
            HistoryEvent::EntityOperationSignaled(signal) => json!({
                "EntityId": signal.entity.as_str(), "Operation": &*signal.operation,
                "Input": self.value(&signal.input), "ScheduledTime": signal.due.map(self.time),
            }),
            HistoryEvent::EntityLockRequested(request) => {
                json!({ "TaskId": request.task, "EntityIds": request.entities })
            }
            HistoryEvent::EntityLockGranted { task } | HistoryEvent::EntityUnlockSent { task } => {
                json!({ "TaskId": task })
            }
        }
    }

    fn fold_schedule(&mut self, task: TaskId, fields: &mut Map<String, Value>) {
        let row =
            self.scheduled.remove(&task).and_then(|index| self.rows.get_mut(index)).and_then(Option::take);
        let Some(mut scheduled) = row else { return };
        if let Some(time) = scheduled.remove("Timestamp") {
            fields.insert("ScheduledTime".into(), time);
        }
        for key in ["FunctionName", "InstanceId", "EntityId", "EntityIds", "Operation", "Input", "FireAt"] {
            if let Some(value) = scheduled.remove(key) {
                fields.insert(key.into(), value);
            }
        }
    }

    /// A guest's value, if it is to be shown. It was checked when it came in.
    fn value(&self, json: &Json) -> Value {
        if self.show_output {
            serde_json::from_str(json.as_str()).unwrap_or(Value::Null)
        } else {
            Value::Null
        }
    }
}

/// The task that an event schedules, if it does.
fn task_of(event: &HistoryEvent) -> Option<TaskId> {
    match event {
        HistoryEvent::TaskScheduled(call) => Some(call.task),
        HistoryEvent::SubOrchestrationInstanceCreated(child) => Some(child.task),
        HistoryEvent::TimerCreated(timer) => Some(timer.task),
        HistoryEvent::EntityOperationCalled(call) => Some(call.task),
        HistoryEvent::EntityLockRequested(request) => Some(request.task),
        _ => None,
    }
}

fn event_type(event: &HistoryEvent) -> &'static str {
    match event {
        HistoryEvent::ExecutionStarted => "ExecutionStarted",
        HistoryEvent::TaskCompleted { .. } => "TaskCompleted",
        HistoryEvent::TaskFailed { .. } => "TaskFailed",
        HistoryEvent::SubOrchestrationInstanceCompleted { .. } => "SubOrchestrationInstanceCompleted",
        HistoryEvent::SubOrchestrationInstanceFailed { .. } => "SubOrchestrationInstanceFailed",
        HistoryEvent::TimerFired { .. } => "TimerFired",
        HistoryEvent::EventRaised { .. } => "EventRaised",
        HistoryEvent::ExecutionSuspended { .. } => "ExecutionSuspended",
        HistoryEvent::ExecutionResumed { .. } => "ExecutionResumed",
        HistoryEvent::ExecutionTerminated { .. } => "ExecutionTerminated",
        HistoryEvent::TaskScheduled(_) => "TaskScheduled",
        HistoryEvent::SubOrchestrationInstanceCreated(_) => "SubOrchestrationInstanceCreated",
        HistoryEvent::TimerCreated(_) => "TimerCreated",
        HistoryEvent::TimerCanceled { .. } => "TimerCanceled",
        HistoryEvent::ExecutionCompleted { .. } => "ExecutionCompleted",
        HistoryEvent::ContinueAsNew { .. } => "ContinueAsNew",
        HistoryEvent::EntityOperationCalled(_) => "EntityOperationCalled",
        HistoryEvent::EntityOperationSignaled(_) => "EntityOperationSignaled",
        HistoryEvent::EntityOperationCompleted { .. } => "EntityOperationCompleted",
        HistoryEvent::EntityOperationFailed { .. } => "EntityOperationFailed",
        HistoryEvent::EntityLockRequested(_) => "EntityLockRequested",
        HistoryEvent::EntityLockGranted { .. } => "EntityLockGranted",
        HistoryEvent::EntityUnlockSent { .. } => "EntityUnlockSent",
        HistoryEvent::TaskCanceled { .. } => "TaskCanceled",
        HistoryEvent::EventSent(_) => "EventSent",
        HistoryEvent::OrchestrationStarted(_) => "OrchestrationStarted",
        HistoryEvent::ExecutionRewound { .. } => "ExecutionRewound",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use durance_durable::{ActivityOptions, CreateTimer, RuntimeStatus, ScheduleTask, TaskFailureDetails};

    fn turns() -> Vec<Turn> {
        let json = |text: &str| Json::parse(text).unwrap();
        let call = |task, name: &str| {
            HistoryEvent::TaskScheduled(ScheduleTask {
                task: TaskId(task),
                name: name.into(),
                input: json("1"),
                options: ActivityOptions::default(),
            })
        };
        let turn = |time, events| Turn { time: Timestamp::from_nanos(time), events };
        let timer = CreateTimer { task: TaskId(2), fire_at: Timestamp::from_nanos(9) };
        vec![
            turn(
                1,
                vec![
                    HistoryEvent::ExecutionStarted,
                    call(0, "A"),
                    call(1, "B"),
                    HistoryEvent::TimerCreated(timer),
                ],
            ),
            turn(2, vec![HistoryEvent::TaskCompleted { task: TaskId(0), result: json("{\"a\":[2]}") }]),
            turn(
                3,
                vec![
                    HistoryEvent::TaskFailed {
                        task: TaskId(1),
                        failure: TaskFailureDetails::new("Oops", "no"),
                    },
                    HistoryEvent::ExecutionCompleted {
                        status: RuntimeStatus::Completed,
                        output: Some(json("3")),
                        failure: None,
                    },
                ],
            ),
        ]
    }

    fn shaped(show_output: bool) -> Value {
        Value::Array(history_json("F", &turns(), show_output, |time| time.as_nanos().to_string()))
    }

    #[test]
    fn what_a_task_was_scheduled_with_is_folded_into_its_end_and_an_open_task_keeps_its_row() {
        let expected = json!([
            { "EventType": "ExecutionStarted", "Timestamp": "1", "FunctionName": "F" },
            { "EventType": "TimerCreated", "Timestamp": "1", "TaskId": 2, "FireAt": "9" },
            {
                "EventType": "TaskCompleted", "Timestamp": "2", "TaskId": 0, "ScheduledTime": "1",
                "FunctionName": "A",
            },
            {
                "EventType": "TaskFailed", "Timestamp": "3", "TaskId": 1, "ScheduledTime": "1",
                "FunctionName": "B", "Reason": "Oops: no",
                "Details": {
                    "errorType": "Oops", "message": "no", "details": null, "nonRetriable": false, "causes": [],
                },
            },
            { "EventType": "ExecutionCompleted", "Timestamp": "3", "OrchestrationStatus": "Completed" },
        ]);
        assert_eq!(shaped(false), expected);
    }

    #[test]
    fn inputs_and_results_are_shown_when_asked_for() {
        let rows = shaped(true);
        assert_eq!((&rows[2]["Input"], &rows[2]["Result"]), (&json!(1), &json!({ "a": [2] })));
        assert_eq!(rows[4]["Result"], json!(3));
    }
}
