//! Statuses as the management API shows them.

use durance_durable::{InstanceId, Json, RuntimeStatus, TaskFailureDetails, Timestamp};
use durance_taskhub::{OrchestrationStatus, Stuck, history_json};
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, Value};
use std::{collections::BTreeMap, sync::Arc};

/// Whether a history shows what tasks were given and what they gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HistoryValues {
    Shown,
    Hidden,
}

/// The status of an instance.
///
/// Shape: that of the model, every field present, `historyEvents` only when it was asked for; `executionId`,
/// `generation`, `stuck` and `failure` are additions.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusJson<'s> {
    name: &'s str,
    instance_id: &'s str,
    runtime_status: RuntimeStatus,
    #[serde(serialize_with = "embedded")]
    input: Option<&'s Json>,
    #[serde(serialize_with = "embedded")]
    custom_status: Option<&'s Json>,
    output: Output<'s>,
    #[serde(serialize_with = "to_the_second")]
    created_time: Timestamp,
    #[serde(serialize_with = "to_the_second")]
    last_updated_time: Timestamp,
    execution_id: String,
    generation: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: &'s BTreeMap<Arc<str>, Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_instance_id: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stuck: Option<StuckJson<'s>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'s TaskFailureDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history_events: Option<Vec<Value>>,
}

/// Why an instance cannot go on.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StuckJson<'s> {
    reason: &'s str,
    since: String,
    attempts: u32,
    /// Null: after a restart of the host.
    next_attempt: Option<String>,
}

impl<'s> From<&'s Stuck> for StuckJson<'s> {
    fn from(stuck: &'s Stuck) -> Self {
        Self {
            reason: &stuck.reason,
            since: precise(stuck.since),
            attempts: stuck.attempts,
            next_attempt: stuck.next_attempt.map(precise),
        }
    }
}

/// What came of an instance.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Output<'s> {
    /// As a guest wrote it, or the reason of a termination.
    Json(#[serde(serialize_with = "embedded")] Option<&'s Json>),
    /// Why it failed.
    Failure(String),
}

impl<'s> StatusJson<'s> {
    pub(crate) fn new(status: &'s OrchestrationStatus, values: HistoryValues) -> Self {
        let show = values == HistoryValues::Shown;
        let history = status.history.as_deref();
        Self {
            name: &status.name,
            instance_id: status.instance.as_str(),
            runtime_status: status.runtime_status,
            input: status.input.as_ref(),
            custom_status: status.custom_status.as_ref(),
            output: match &status.failure {
                Some(failure) => Output::Failure(failure.to_string()),
                None => Output::Json(status.output.as_ref()),
            },
            created_time: status.created,
            last_updated_time: status.last_updated,
            execution_id: status.execution.to_string(),
            generation: status.generation,
            stuck: status.stuck.as_ref().map(StuckJson::from),
            tags: &status.details.tags,
            version: status.details.version.as_deref(),
            parent_instance_id: status.parent.as_ref().map(InstanceId::as_str),
            failure: status.failure.as_ref(),
            history_events: history.map(|turns| history_json(&status.name, turns, show, precise)),
        }
    }
}

/// The guest's own text, not parsed into a tree.
pub(super) fn embedded<S: Serializer>(json: &Option<&Json>, serializer: S) -> Result<S::Ok, S::Error> {
    let raw =
        json.map(|json| serde_json::from_str::<&RawValue>(json.as_str()).expect("checked when it came in"));
    raw.serialize(serializer)
}

/// `2026-01-02T03:04:05Z`, as the model has it.
fn to_the_second<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&time.to_calendar().strftime("%Y-%m-%dT%H:%M:%SZ"))
}

/// With as many digits of the second as there are.
pub(super) fn precise(time: Timestamp) -> String {
    time.to_calendar().to_string()
}

/// With as many digits of the second as there are.
pub(super) fn precisely<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&precise(*time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use durance_durable::{ExecutionId, HistoryEvent, StartDetails, Turn};
    use serde_json::json;
    use uuid::Uuid;

    fn status() -> OrchestrationStatus {
        OrchestrationStatus {
            name: "F".into(),
            instance: InstanceId::new("a").unwrap(),
            execution: ExecutionId(Uuid::from_u128(0xab)),
            generation: 2,
            runtime_status: RuntimeStatus::Running,
            input: None,
            custom_status: None,
            output: None,
            failure: None,
            stuck: None,
            created: Timestamp::from_nanos(1_767_323_045_999_999_999),
            last_updated: Timestamp::from_nanos(u64::MAX),
            details: StartDetails::default(),
            parent: None,
            history: None,
        }
    }

    fn show(status: &OrchestrationStatus, values: HistoryValues) -> Value {
        serde_json::to_value(StatusJson::new(status, values)).unwrap()
    }

    #[test]
    fn every_field_of_the_model_is_present() {
        let expected = json!({
            "name": "F", "instanceId": "a", "runtimeStatus": "Running", "input": null, "customStatus": null,
            "output": null, "createdTime": "2026-01-02T03:04:05Z", "lastUpdatedTime": "2554-07-21T23:34:33Z",
            "executionId": "000000000000000000000000000000ab", "generation": 2,
        });
        assert_eq!(show(&status(), HistoryValues::Hidden), expected);
    }

    #[test]
    fn values_of_guests_keep_their_text() {
        let json = |text: &str| Some(Json::parse(text).unwrap());
        let status = OrchestrationStatus {
            input: json("{\"b\": 1.50,  \"a\":[]}"),
            custom_status: json("\"busy\""),
            output: json("12345678901234567890123"),
            ..status()
        };
        let text = serde_json::to_string(&StatusJson::new(&status, HistoryValues::Hidden)).unwrap();
        let expected =
            r#""input":{"b": 1.50,  "a":[]},"customStatus":"busy","output":12345678901234567890123,"#;
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn output_of_a_failed_instance_is_its_message() {
        let failure = Some(TaskFailureDetails::new("IoError", "disk full"));
        let status = OrchestrationStatus { runtime_status: RuntimeStatus::Failed, failure, ..status() };
        let shown = show(&status, HistoryValues::Hidden);
        assert_eq!(shown["output"], "IoError: disk full");
        assert_eq!(shown["failure"]["errorType"], "IoError");
    }

    #[test]
    fn instance_that_cannot_go_on_says_why() {
        let time = Timestamp::from_nanos(1_767_323_045_500_000_000);
        let stuck =
            Stuck { reason: "no component".into(), since: time, attempts: 3, next_attempt: Some(time) };
        let status = OrchestrationStatus { stuck: Some(stuck), ..status() };
        let time = "2026-01-02T03:04:05.5Z";
        let expected = json!({ "reason": "no component", "since": time, "attempts": 3, "nextAttempt": time });
        assert_eq!(show(&status, HistoryValues::Hidden)["stuck"], expected);
    }

    #[test]
    fn history_hides_values_unless_asked() {
        let event = HistoryEvent::EventRaised { name: "Go".into(), input: Json::parse("7").unwrap() };
        let time = Timestamp::from_nanos(1_767_323_045_000_000_100);
        let status =
            OrchestrationStatus { history: Some(vec![Turn { time, events: vec![event] }]), ..status() };
        let with = |value: Option<i32>| {
            let mut row = json!({ "EventType": "EventRaised", "Name": "Go", "Timestamp": "2026-01-02T03:04:05.0000001Z" });
            if let Some(value) = value {
                row["Input"] = value.into();
            }
            json!([row])
        };
        assert_eq!(show(&status, HistoryValues::Hidden)["historyEvents"], with(None));
        assert_eq!(show(&status, HistoryValues::Shown)["historyEvents"], with(Some(7)));
    }
}
