//! Schedules as the management API takes and shows them.

use crate::{
    management::status::{embedded, precise},
    problem::Problem,
    query::parse_time,
};
use bytes::Bytes;
use durance_durable::{
    CATCH_UP_DEFAULT, Json, RunOutcome, ScheduleDefinition, ScheduleId, ScheduleRecord, ScheduleTarget,
    ScheduledRun, Timestamp, Timing,
};
use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::value::RawValue;
use std::time::Duration;

/// What is sent to make or change a schedule.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DefinitionJson {
    /// What each tick starts.
    orchestrator: String,
    #[serde(default)]
    input: Option<Box<RawValue>>,
    /// Template, with the placeholders `{schedule}` and `{time}`.
    #[serde(default)]
    instance_id: Option<String>,
    /// Either this, with `time_zone`, or `interval_seconds`.
    #[serde(default)]
    cron: Option<String>,
    #[serde(default)]
    time_zone: Option<String>,
    #[serde(default)]
    interval_seconds: Option<f64>,
    #[serde(default)]
    overlap: Option<String>,
    #[serde(default)]
    catch_up_seconds: Option<f64>,
    #[serde(default, deserialize_with = "time")]
    start_time: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    end_time: Option<Timestamp>,
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let time = parse_time(&text);
    time.map(Some).ok_or_else(|| {
        D::Error::custom(format!("'{text}' is not a date or time as in ISO 8601, like 2026-01-02T03:04:05Z"))
    })
}

/// The definition that a body holds.
pub(super) fn parse(body: &Bytes) -> Result<ScheduleDefinition, Problem> {
    let wrong =
        |why: String| Problem::new(StatusCode::BAD_REQUEST, format!("the body is not a schedule: {why}"));
    let sent: DefinitionJson = serde_json::from_slice(body).map_err(|error| wrong(error.to_string()))?;
    sent.into_definition().map_err(wrong)
}

impl DefinitionJson {
    fn into_definition(self) -> Result<ScheduleDefinition, String> {
        let input = match self.input {
            Some(input) => Json::parse(input.get()).map_err(|error| format!("its input is {error}"))?,
            None => Json::null(),
        };
        let seconds = |name: &str, seconds: f64| {
            Duration::try_from_secs_f64(seconds).map_err(|error| format!("{name}: {error}"))
        };
        let timing = match (self.cron, self.time_zone, self.interval_seconds) {
            (Some(expression), zone, None) => {
                let time_zone = zone.unwrap_or_else(|| "UTC".to_owned()).into();
                Timing::Cron { expression: expression.into(), time_zone }
            }
            (None, None, Some(interval)) => Timing::Every(seconds("intervalSeconds", interval)?),
            _ => return Err("it has either cron, with timeZone if you like, or intervalSeconds".to_owned()),
        };
        let catch_up = self.catch_up_seconds.map(|window| seconds("catchUpSeconds", window)).transpose()?;
        let overlap = self.overlap.as_deref().map(str::parse).transpose();
        Ok(ScheduleDefinition {
            target: ScheduleTarget::Orchestrator {
                name: self.orchestrator.into(),
                input,
                instance: self.instance_id.map(Into::into),
            },
            timing,
            overlap: overlap
                .map_err(|error: durance_durable::UnknownOverlapPolicy| error.to_string())?
                .unwrap_or_default(),
            catch_up: catch_up.unwrap_or(CATCH_UP_DEFAULT),
            start: self.start_time,
            end: self.end_time,
        })
    }
}

/// A schedule, with what it has done lately.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScheduleJson<'s> {
    id: &'s str,
    /// `Active`, `Paused`, or `Ended`: it is never due again.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_reason: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    orchestrator: Option<&'s str>,
    /// The timer-triggered function, if it is the schedule of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<&'s str>,
    #[serde(serialize_with = "embedded", skip_serializing_if = "Option::is_none")]
    input: Option<&'s Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_id: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cron: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval_seconds: Option<f64>,
    overlap: &'static str,
    catch_up_seconds: f64,
    start_time: Option<String>,
    end_time: Option<String>,
    created_time: String,
    last_updated_time: String,
    next_time: Option<String>,
    queued_count: usize,
    run_count: u64,
    skipped_count: u64,
    /// The newest last.
    runs: Vec<RunJson<'s>>,
}

/// What became of a tick.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunJson<'s> {
    scheduled_time: String,
    time: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_id: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'s str>,
}

impl<'s> ScheduleJson<'s> {
    pub(super) fn new(id: &'s ScheduleId, record: &'s ScheduleRecord) -> Self {
        let definition = &record.definition;
        let (orchestrator, input) = match &definition.target {
            ScheduleTarget::Orchestrator { name, input, .. } => (Some(&**name), Some(input)),
            ScheduleTarget::Function => (None, None),
        };
        let (cron, time_zone, interval) = match &definition.timing {
            Timing::Cron { expression, time_zone } => (Some(&**expression), Some(&**time_zone), None),
            Timing::Every(interval) => (None, None, Some(interval.as_secs_f64())),
        };
        Self {
            id: id.as_str(),
            status: match (&record.paused, record.next) {
                (Some(_), _) => "Paused",
                (None, Some(_)) => "Active",
                (None, None) => "Ended",
            },
            paused_reason: record.paused.as_deref(),
            orchestrator,
            function: orchestrator.is_none().then_some(id.as_str()),
            input,
            instance_id: orchestrator.map(|_| definition.template()),
            cron,
            time_zone,
            interval_seconds: interval,
            overlap: definition.overlap.as_str(),
            catch_up_seconds: definition.catch_up.as_secs_f64(),
            start_time: definition.start.map(precise),
            end_time: definition.end.map(precise),
            created_time: precise(record.created),
            last_updated_time: precise(record.updated),
            next_time: record.due().map(precise),
            queued_count: record.queued.len(),
            run_count: record.run_count,
            skipped_count: record.skipped_count,
            runs: record.runs.iter().map(RunJson::from).collect(),
        }
    }
}

impl<'s> From<&'s ScheduledRun> for RunJson<'s> {
    fn from(run: &'s ScheduledRun) -> Self {
        let (outcome, instance_id, reason) = match &run.outcome {
            RunOutcome::Started { instance, .. } => ("Started", Some(instance.as_str()), None),
            RunOutcome::Running => ("Running", None, None),
            RunOutcome::Completed => ("Completed", None, None),
            RunOutcome::Failed(why) => ("Failed", None, Some(&**why)),
            RunOutcome::Skipped => ("Skipped", None, None),
            RunOutcome::Queued => ("Queued", None, None),
        };
        Self { scheduled_time: precise(run.scheduled), time: precise(run.at), outcome, instance_id, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use durance_durable::OverlapPolicy;

    fn parsed(body: &str) -> Result<ScheduleDefinition, String> {
        let problem = |problem: Problem| {
            let response = problem.into_response("", "", "");
            assert_eq!(response.status(), 400);
            crate::testing::body_json(response)["detail"].as_str().unwrap().to_owned()
        };
        parse(&Bytes::copy_from_slice(body.as_bytes())).map_err(problem)
    }

    #[test]
    fn definition_is_read_with_its_defaults() {
        let definition = parsed(r#"{"orchestrator":"F","cron":"@daily"}"#).unwrap();
        let timing = Timing::Cron { expression: "@daily".into(), time_zone: "UTC".into() };
        assert_eq!((definition.timing, definition.overlap), (timing, OverlapPolicy::Skip));
        assert_eq!(definition.catch_up, CATCH_UP_DEFAULT);
        let target = ScheduleTarget::Orchestrator { name: "F".into(), input: Json::null(), instance: None };
        assert_eq!(definition.target, target);
        let definition = parsed(
            r#"{"orchestrator":"F","input":{"n": 1.50},"instanceId":"x-{time}","intervalSeconds":2.5,
               "overlap":"queue","catchUpSeconds":0,"startTime":"1970-01-01T00:00:01Z","endTime":null}"#,
        )
        .unwrap();
        assert_eq!(definition.timing, Timing::Every(Duration::from_millis(2_500)));
        assert_eq!((definition.start, definition.end), (Some(Timestamp::from_nanos(1_000_000_000)), None));
        let ScheduleTarget::Orchestrator { input, .. } = definition.target else { unreachable!() };
        assert_eq!(input.as_str(), r#"{"n": 1.50}"#);
    }

    #[test]
    fn wrong_bodies_say_what_is_wrong() {
        let table = [
            ("", "the body is not a schedule"),
            ("[]", "the body is not a schedule"),
            (r#"{"cron":"@daily"}"#, "missing field `orchestrator`"),
            (r#"{"orchestrator":"F"}"#, "either cron"),
            (r#"{"orchestrator":"F","cron":"@daily","intervalSeconds":1}"#, "either cron"),
            (r#"{"orchestrator":"F","timeZone":"UTC","intervalSeconds":1}"#, "either cron"),
            (r#"{"orchestrator":"F","cron":"@daily","overlap":"maybe"}"#, "none of skip, queue"),
            (r#"{"orchestrator":"F","intervalSeconds":-1}"#, "intervalSeconds"),
            (r#"{"orchestrator":"F","cron":"@daily","startTime":"soon"}"#, "'soon' is not a date"),
            (r#"{"orchestrator":"F","cron":"@daily","every":1}"#, "unknown field `every`"),
        ];
        for (body, expected) in table {
            let detail = parsed(body).expect_err(body);
            assert!(detail.contains(expected), "{detail}");
        }
    }
}
