//! The import `schedule-client` of functions that are no orchestrators.

use crate::{
    bindings::{orchestration_client::ClientError, schedule_client as wit},
    call_state::CallState,
    client_binding::Answer,
    client_values::{client_error, page_size},
};
use durance_durable::{
    OverlapPolicy, RunOutcome, ScheduleDefinition, ScheduleId, ScheduleRecord, ScheduleTarget, ScheduledRun,
    Timestamp, Timing,
};
use durance_taskhub::OrchestrationClient;
use std::time::Duration;
use wasmtime::Result as Trappable;

impl CallState {
    /// The client for a call that changes a schedule, and the schedule's id.
    fn schedule(&mut self, id: &str, key: Option<String>) -> Answer<(OrchestrationClient, ScheduleId)> {
        Ok((self.once(key)?, schedule_id(id)?))
    }

    fn definition(&self, sent: wit::ScheduleDefinition) -> Answer<ScheduleDefinition> {
        Ok(ScheduleDefinition {
            target: ScheduleTarget::Orchestrator {
                name: sent.orchestrator.into(),
                input: self.json("the input", sent.input)?,
                instance: sent.instance_id.map(Into::into),
            },
            timing: match sent.timing {
                wit::Timing::Cron(wit::Cron { expression, time_zone }) => {
                    Timing::Cron { expression: expression.into(), time_zone: time_zone.into() }
                }
                wit::Timing::IntervalMs(interval) => Timing::Every(Duration::from_millis(interval)),
            },
            overlap: match sent.overlap {
                wit::OverlapPolicy::Skip => OverlapPolicy::Skip,
                wit::OverlapPolicy::Queue => OverlapPolicy::Queue,
                wit::OverlapPolicy::Allow => OverlapPolicy::Allow,
                wit::OverlapPolicy::Terminate => OverlapPolicy::Terminate,
            },
            catch_up: Duration::from_millis(sent.catch_up_ms),
            start: sent.start_time.map(Timestamp::from_nanos),
            end: sent.end_time.map(Timestamp::from_nanos),
        })
    }
}

impl wit::Host for CallState {
    async fn create_schedule(
        &mut self,
        id: String,
        definition: wit::ScheduleDefinition,
        key: Option<String>,
    ) -> Trappable<Answer<wit::Schedule>> {
        let (target, definition) = (self.schedule(&id, key), self.definition(definition));
        let made = async {
            let (client, id) = target?;
            let made = client.create_schedule(&id, definition?).await;
            made.map(|record| schedule(&id, record)).map_err(client_error)
        };
        Ok(made.await)
    }

    async fn put_schedule(
        &mut self,
        id: String,
        definition: wit::ScheduleDefinition,
        key: Option<String>,
    ) -> Trappable<Answer<wit::Schedule>> {
        let (target, definition) = (self.schedule(&id, key), self.definition(definition));
        let put = async {
            let (client, id) = target?;
            let put = client.put_schedule(&id, definition?).await;
            put.map(|(record, _)| schedule(&id, record)).map_err(client_error)
        };
        Ok(put.await)
    }

    fn get_schedule(&mut self, id: String) -> Trappable<Answer<wit::Schedule>> {
        let get = || {
            let (client, id) = (self.client()?, schedule_id(&id)?);
            client.get_schedule(&id).map(|record| schedule(&id, record)).map_err(client_error)
        };
        Ok(get())
    }

    fn list_schedules(&mut self, size: u32, after: Option<String>) -> Trappable<Answer<wit::SchedulePage>> {
        let list = || {
            let size = page_size(size)?;
            let after = after.as_deref().map(schedule_id).transpose()?;
            // One more than the page says whether there are more.
            let mut page = self.client()?.list_schedules(after.as_ref(), size + 1);
            let has_more = page.len() > size;
            page.truncate(size);
            let last = page.last().filter(|_| has_more);
            Ok(wit::SchedulePage {
                continuation_token: last.map(|(id, _)| id.to_string()),
                schedules: page.into_iter().map(|(id, record)| schedule(&id, record)).collect(),
            })
        };
        Ok(list())
    }

    async fn delete_schedule(&mut self, id: String, key: Option<String>) -> Trappable<Answer<()>> {
        let target = self.schedule(&id, key);
        let deleted = async {
            let (client, id) = target?;
            client.delete_schedule(&id).await.map_err(client_error)
        };
        Ok(deleted.await)
    }

    async fn pause_schedule(
        &mut self,
        id: String,
        reason: String,
        key: Option<String>,
    ) -> Trappable<Answer<wit::Schedule>> {
        let target = self.schedule(&id, key);
        let paused = async {
            let (client, id) = target?;
            let paused = client.pause_schedule(&id, &reason).await;
            paused.map(|record| schedule(&id, record)).map_err(client_error)
        };
        Ok(paused.await)
    }

    async fn resume_schedule(&mut self, id: String, key: Option<String>) -> Trappable<Answer<wit::Schedule>> {
        let target = self.schedule(&id, key);
        let resumed = async {
            let (client, id) = target?;
            let resumed = client.resume_schedule(&id).await;
            resumed.map(|record| schedule(&id, record)).map_err(client_error)
        };
        Ok(resumed.await)
    }

    async fn trigger_schedule(&mut self, id: String, key: Option<String>) -> Trappable<Answer<wit::Tick>> {
        let target = self.schedule(&id, key);
        let triggered = async {
            let (client, id) = target?;
            client.trigger_schedule(&id).await.map(tick).map_err(client_error)
        };
        Ok(triggered.await)
    }
}

fn schedule_id(id: &str) -> Answer<ScheduleId> {
    ScheduleId::new(id).map_err(|invalid| ClientError::InvalidArgument(invalid.to_string()))
}

fn schedule(id: &ScheduleId, record: ScheduleRecord) -> wit::Schedule {
    let nanos = |time: Option<Timestamp>| time.map(Timestamp::as_nanos);
    wit::Schedule {
        id: id.to_string(),
        next_time: nanos(record.due()),
        status: match (&record.paused, record.next) {
            (Some(_), _) => wit::ScheduleStatus::Paused,
            (None, Some(_)) => wit::ScheduleStatus::Active,
            (None, None) => wit::ScheduleStatus::Ended,
        },
        paused_reason: record.paused.as_deref().map(str::to_owned),
        created_time: record.created.as_nanos(),
        last_updated_time: record.updated.as_nanos(),
        run_count: record.run_count,
        skipped_count: record.skipped_count,
        queued_count: u32::try_from(record.queued.len()).unwrap_or(u32::MAX),
        ticks: record.runs.into_iter().map(tick).collect(),
        definition: definition_for_guest(record.definition),
    }
}

/// None: the schedule is a function's.
fn definition_for_guest(definition: ScheduleDefinition) -> Option<wit::ScheduleDefinition> {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let ScheduleTarget::Orchestrator { name, input, instance } = definition.target else { return None };
    Some(wit::ScheduleDefinition {
        orchestrator: name.as_ref().to_owned(),
        input: input.as_str().to_owned(),
        instance_id: instance.as_deref().map(str::to_owned),
        timing: match definition.timing {
            Timing::Cron { expression, time_zone } => wit::Timing::Cron(wit::Cron {
                expression: expression.as_ref().to_owned(),
                time_zone: time_zone.as_ref().to_owned(),
            }),
            Timing::Every(interval) => wit::Timing::IntervalMs(millis(interval)),
        },
        overlap: match definition.overlap {
            OverlapPolicy::Skip => wit::OverlapPolicy::Skip,
            OverlapPolicy::Queue => wit::OverlapPolicy::Queue,
            OverlapPolicy::Allow => wit::OverlapPolicy::Allow,
            OverlapPolicy::Terminate => wit::OverlapPolicy::Terminate,
        },
        catch_up_ms: millis(definition.catch_up),
        start_time: definition.start.map(Timestamp::as_nanos),
        end_time: definition.end.map(Timestamp::as_nanos),
    })
}

fn tick(run: ScheduledRun) -> wit::Tick {
    wit::Tick {
        scheduled_time: run.scheduled.as_nanos(),
        time: run.at.as_nanos(),
        outcome: match run.outcome {
            RunOutcome::Started { instance, .. } => wit::TickOutcome::Started(instance.to_string()),
            RunOutcome::Running => wit::TickOutcome::Running,
            RunOutcome::Completed => wit::TickOutcome::Completed,
            RunOutcome::Failed(why) => wit::TickOutcome::Failed(why.as_ref().to_owned()),
            RunOutcome::Skipped => wit::TickOutcome::Skipped,
            RunOutcome::Queued => wit::TickOutcome::Queued,
        },
    }
}
