use super::*;
use crate::{
    ActivityOptions, CreateSubOrchestration, CreateTimer, ExecutionId, FailureCause, InstanceId, Json,
    ModuleHash, Parent, RetentionPolicy, RetryPolicy, RuntimeStatus, ScheduleTask, SendEventTo, StartDetails,
    StartOrchestration, TaskFailureDetails, TaskId, Token,
};
use std::time::Duration;
use uuid::Uuid;

/// Beyond what a number of 64-bit floating point can hold.
const TIME: Timestamp = Timestamp::from_nanos(1_795_393_639_960_404_811);

fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

fn failure() -> TaskFailureDetails {
    let cause = FailureCause { error_type: "Io".to_owned(), message: "disk".to_owned() };
    let details = Some("at line 1\nat line 2".to_owned());
    TaskFailureDetails { details, causes: vec![cause], ..TaskFailureDetails::non_retriable("E", "no") }
}

fn retry() -> RetryPolicy {
    RetryPolicy {
        first_retry_interval: Duration::from_nanos(1_500_000_001),
        max_attempts: 3,
        backoff_coefficient: 1.1,
        max_retry_interval: None,
        retry_timeout: Some(Duration::from_secs(9)),
        jitter: 0.5,
        handle: vec!["Busy".to_owned()],
    }
}

/// At least one event of every type.
fn events() -> Vec<HistoryEvent> {
    let task = TaskId(7);
    let name = || "näme \"x\"".into();
    let input = || json("{\n  \"b\": 1.50, \"a\": 12345678901234567890123\n}");
    let options = ActivityOptions {
        retry: Some(retry()),
        timeout: Some(Duration::from_millis(1)),
        heartbeat_timeout: Some(Duration::from_secs(1)),
        concurrency_key: Some(name()),
        priority: -3,
    };
    let completed = |status, output, failure| HistoryEvent::ExecutionCompleted { status, output, failure };
    vec![
        HistoryEvent::ExecutionStarted,
        HistoryEvent::TaskCompleted { task, result: input() },
        HistoryEvent::TaskFailed { task, failure: failure() },
        HistoryEvent::SubOrchestrationInstanceCompleted { task, result: Json::null() },
        HistoryEvent::SubOrchestrationInstanceFailed { task, failure: failure() },
        HistoryEvent::TimerFired { task },
        HistoryEvent::EventRaised { name: name(), input: input() },
        HistoryEvent::ExecutionSuspended { reason: name() },
        HistoryEvent::ExecutionResumed { reason: name() },
        HistoryEvent::ExecutionTerminated { reason: name(), recursive: true },
        HistoryEvent::TaskScheduled(ScheduleTask { task, name: name(), input: input(), options }),
        HistoryEvent::SubOrchestrationInstanceCreated(CreateSubOrchestration {
            task,
            name: name(),
            instance: InstanceId::new("child").unwrap(),
            input: input(),
            retry: Some(retry()),
        }),
        HistoryEvent::TimerCreated(CreateTimer { task, fire_at: Timestamp::from_nanos(u64::MAX) }),
        HistoryEvent::TimerCanceled { task },
        HistoryEvent::TaskCanceled { task },
        HistoryEvent::EventSent(SendEventTo {
            instance: InstanceId::new("other").unwrap(),
            name: name(),
            input: input(),
        }),
        HistoryEvent::OrchestrationStarted(StartOrchestration {
            task,
            name: name(),
            instance: InstanceId::new("free").unwrap(),
            input: input(),
        }),
        completed(RuntimeStatus::Completed, Some(input()), None),
        completed(RuntimeStatus::Failed, None, Some(failure())),
        HistoryEvent::ContinueAsNew { input: input() },
    ]
}

fn history() -> ExecutionHistory {
    let parent = Parent {
        name: "Parent".into(),
        instance: InstanceId::new("parent").unwrap(),
        execution: ExecutionId(Uuid::from_u128(0xa)),
        task: TaskId(1),
    };
    let mut events = events();
    // Two turns of one time: only their numbers part them.
    let later = events.split_off(9);
    ExecutionHistory {
        record: InstanceRecord {
            name: "F".into(),
            execution: ExecutionId(Uuid::from_u128(0xb)),
            generation: 2,
            token: Token(9),
            module: ModuleHash([0xcd; 32]),
            status: RuntimeStatus::Running,
            created: TIME,
            last_updated: TIME,
            event_count: 20,
            custom_status: Some(json("\"busy\"")),
            output: None,
            failure: None,
            details: StartDetails {
                tags: [("team".into(), "red".into())].into(),
                version: Some("2".into()),
                scheduled_start: Some(TIME),
            },
        },
        begun_with: ExecutionRecord {
            instance: InstanceId::new("a b").unwrap(),
            started: TIME,
            input: json("[1]"),
            parent: Some(parent),
            carryover: vec![HistoryEvent::EventRaised { name: "early".into(), input: Json::null() }],
            retention: RetentionPolicy {
                completed: Some(Duration::from_secs(60)),
                ..RetentionPolicy::default()
            },
        },
        turns: vec![Turn { time: TIME, events }, Turn { time: TIME, events: later }],
    }
}

#[test]
fn history_is_read_as_it_was_written() {
    let history = history();
    let text = history.to_json_lines();
    assert_eq!(text.lines().count() as u64, 1 + history.event_count());
    assert_eq!(ExecutionHistory::from_json_lines(&text).unwrap(), history);
}

#[test]
fn every_name_is_that_of_the_format() {
    let text = history().to_json_lines();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let header = serde_json::json!({
        "format": "durance-history", "version": 1, "orchestrator": "F",
        "executionId": "0000000000000000000000000000000b", "generation": 2, "token": 9,
        "module": "cd".repeat(32), "runtimeStatus": "Running", "created": 1_795_393_639_960_404_811_u64,
        "lastUpdated": 1_795_393_639_960_404_811_u64, "eventCount": 20, "customStatus": "\"busy\"",
        "output": null, "failure": null,
        "details": {
            "tags": { "team": "red" }, "version": "2", "scheduledStart": 1_795_393_639_960_404_811_u64,
        },
        "instanceId": "a b", "started": 1_795_393_639_960_404_811_u64,
        "input": "[1]", "carryover": [{ "eventType": "EventRaised", "name": "early", "input": "null" }],
        "retention": { "completed": { "secs": 60, "nanos": 0 }, "failed": null, "terminated": null },
        "parent": {
            "orchestrator": "Parent", "instanceId": "parent",
            "executionId": "0000000000000000000000000000000a", "task": 1,
        },
    });
    assert_eq!(lines[0], header);
    let started = serde_json::json!({
        "turn": 0, "sequence": 0, "time": 1_795_393_639_960_404_811_u64, "eventType": "ExecutionStarted",
    });
    assert_eq!(lines[1], started);
    let scheduled = serde_json::json!({
        "turn": 1, "sequence": 10, "time": 1_795_393_639_960_404_811_u64, "eventType": "TaskScheduled",
        "task": 7, "name": "näme \"x\"", "input": "{\n  \"b\": 1.50, \"a\": 12345678901234567890123\n}",
        "options": {
            "retry": {
                "firstRetryInterval": { "secs": 1, "nanos": 500_000_001 }, "maxAttempts": 3,
                "backoffCoefficient": 1.1, "maxRetryInterval": null,
                "retryTimeout": { "secs": 9, "nanos": 0 }, "jitter": 0.5, "handle": ["Busy"],
            },
            "timeout": { "secs": 0, "nanos": 1_000_000 }, "heartbeatTimeout": { "secs": 1, "nanos": 0 },
            "concurrencyKey": "näme \"x\"", "priority": -3,
        },
    });
    assert_eq!(lines[11], scheduled);
    assert_eq!(lines[12]["instanceId"], "child");
    assert_eq!(lines[13]["fireAt"], u64::MAX);
}

#[test]
fn what_is_not_a_whole_history_is_refused_with_the_line() {
    let text = history().to_json_lines();
    let lines: Vec<_> = text.lines().collect();
    let refuse = |text: &str| ExecutionHistory::from_json_lines(text).unwrap_err().to_string();
    let without = |line: usize| {
        let kept = lines.iter().enumerate().filter(|(index, _)| *index != line).map(|(_, line)| *line);
        kept.collect::<Vec<_>>().join("\n")
    };
    assert!(refuse(" \n").starts_with("it is empty"));
    assert!(refuse("{}").starts_with("line 1: missing field `format`"), "{}", refuse("{}"));
    assert!(refuse(&text.replace("durance-history", "x")).contains("format 'x'"));
    assert!(refuse(&text.replace("\"version\":1", "\"version\":2")).contains("version 2"));
    assert!(refuse(&without(0)).starts_with("line 1: "), "{}", refuse(&without(0)));
    assert!(refuse(&without(3)).starts_with("line 4: event 3 comes where 2"), "{}", refuse(&without(3)));
    assert!(refuse(&text.replace("\"turn\":1", "\"turn\":2")).starts_with("line 11: turn 2 comes where 1"));
    assert!(refuse(&without(20)).starts_with("it has 19 of 20 events"), "{}", refuse(&without(20)));
    let other_time = text.replacen("\"sequence\":1,\"time\":1", "\"sequence\":1,\"time\":2", 1);
    assert!(refuse(&other_time).starts_with("line 3: time 2"), "{}", refuse(&other_time));
    assert!(refuse(&text.replace("\"TimerFired\"", "\"TimerBurnt\"")).contains("TimerBurnt"));
}
