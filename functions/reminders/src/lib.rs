//! Schedules that functions make: each caller has one of their own.
//!
//! ```text
//! curl -i -X PUT http://127.0.0.1:7071/api/reminders/tea -d '{"text":"Tea!","cron":"0 0 16 * * *","timeZone":"Europe/London"}'
//! curl -i -X PUT http://127.0.0.1:7071/api/reminders/stretch -d '{"text":"Get up.","everySeconds":3600}'
//! curl http://127.0.0.1:7071/api/reminders/tea
//! curl -i -X DELETE http://127.0.0.1:7071/api/reminders/tea
//! ```

use durance_sdk::{Schedule, ScheduleClient, ScheduleDefinition, TickOutcome, prelude::*};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reminder {
    text: String,
    /// Either this, in the time zone, or `every_seconds`.
    cron: Option<String>,
    #[serde(default = "utc")]
    time_zone: String,
    every_seconds: Option<u64>,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// Sets a reminder, or changes it: 200 with when it is due.
#[http_trigger(name = "SetReminder", auth = "anonymous", methods("put"), route = "reminders/{id}")]
fn set_reminder(request: Request) -> Result<Response> {
    let reminder: Reminder = request.json()?;
    let definition = match (reminder.cron, reminder.every_seconds) {
        (Some(cron), None) => ScheduleDefinition::cron("Remind", cron).time_zone(reminder.time_zone),
        (None, Some(seconds)) => ScheduleDefinition::every("Remind", Duration::from_secs(seconds)),
        _ => return Err(Problem::new(400).detail("a reminder has either cron or everySeconds").into()),
    };
    shown(&ScheduleClient::new().put(&id(&request), &definition.input(reminder.text)?)?)
}

/// When a reminder is due, and the instances that its last ticks started.
#[http_trigger(name = "GetReminder", auth = "anonymous", methods("get"), route = "reminders/{id}")]
fn get_reminder(request: Request) -> Result<Response> {
    shown(&ScheduleClient::new().get(&id(&request))?)
}

#[http_trigger(name = "DeleteReminder", auth = "anonymous", methods("delete"), route = "reminders/{id}")]
fn delete_reminder(request: Request) -> Result<Response> {
    ScheduleClient::new().delete(&id(&request))?;
    Ok(Response::new(204))
}

#[orchestrator(name = "Remind")]
async fn remind(ctx: OrchestrationContext, text: String) -> Result<String> {
    ctx.call_activity("ShowReminder", text).await
}

#[activity(name = "ShowReminder")]
fn show_reminder(text: String) -> String {
    println!("{text}");
    text
}

fn id(request: &Request) -> String {
    format!("reminder-{}", request.param("id").unwrap_or_default())
}

fn shown(schedule: &Schedule) -> Result<Response> {
    let started = schedule.ticks.iter().filter_map(|tick| match &tick.outcome {
        TickOutcome::Started(instance_id) => Some(instance_id),
        _ => None,
    });
    Response::json(&json!({
        "id": schedule.id,
        "nextTime": schedule.next_time.map(|nanoseconds| nanoseconds / 1_000_000_000),
        "started": started.collect::<Vec<_>>(),
    }))
}
