//! Makes and manages schedules, for HTTP functions, activities and timer-triggered functions.

use std::time::Duration;

use serde::Serialize;

use crate::bindings::durance::functions::schedule_client as wit;
use crate::client::to_json;
use crate::error::Result;
use crate::options::{FireAt, milliseconds};
use crate::{ClientError, Cron, OverlapPolicy, Schedule, ScheduleDefinition, SchedulePage, Tick, Timing};

/// How late a tick may be if nobody says otherwise.
const CATCH_UP_DEFAULT: Duration = Duration::from_secs(60);

/// Makes and manages schedules: each starts an orchestration at its times.
///
/// What it answers is durable. In an orchestrator every call ends the run.
///
/// ```no_run
/// use durance_sdk::{ScheduleClient, ScheduleDefinition, prelude::*};
///
/// #[http_trigger(methods("put"), route = "reports/{team}")]
/// fn report_daily(request: Request) -> Result<Response> {
///     let team = request.param("team").unwrap_or_default();
///     let daily = ScheduleDefinition::cron("Report", "0 0 7 * * MON-FRI").time_zone("Europe/Berlin").input(team)?;
///     ScheduleClient::new().put(&format!("report-{team}"), &daily)?;
///     Ok(Response::new(204))
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ScheduleClient {
    idempotency_key: Option<String>,
}

#[expect(clippy::unused_self, reason = "the receiver says where the call is allowed")]
impl ScheduleClient {
    /// The client of the host that runs this function.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same client for one call that may be repeated: with the same key within 24 hours it changes nothing more and
    /// gets the first answer.
    #[must_use]
    pub fn with_idempotency_key(&self, key: impl Into<String>) -> Self {
        Self { idempotency_key: Some(key.into()) }
    }

    fn key(&self) -> Option<&str> {
        self.idempotency_key.as_deref()
    }

    /// Makes a schedule.
    ///
    /// # Errors
    /// [`ClientError::WrongStatus`] when there is one of this id, [`ClientError::InvalidArgument`],
    /// [`ClientError::UnknownOrchestrator`].
    pub fn create(&self, id: &str, definition: &ScheduleDefinition) -> Result<Schedule, ClientError> {
        Ok(wit::create_schedule(id, definition, self.key())?)
    }

    /// Makes a schedule, or gives one another definition.
    ///
    /// # Errors
    /// [`ClientError::InvalidArgument`], [`ClientError::UnknownOrchestrator`], [`ClientError::WrongStatus`] when it is
    /// that of a timer-triggered function.
    pub fn put(&self, id: &str, definition: &ScheduleDefinition) -> Result<Schedule, ClientError> {
        Ok(wit::put_schedule(id, definition, self.key())?)
    }

    /// A schedule, with what became of its last ticks.
    ///
    /// # Errors
    /// [`ClientError::NotFound`].
    pub fn get(&self, id: &str) -> Result<Schedule, ClientError> {
        Ok(wit::get_schedule(id)?)
    }

    /// At most `page_size` schedules, 1 to 1000, in the order of their ids; the token is that of the page before.
    ///
    /// # Errors
    /// [`ClientError::InvalidArgument`] for a page size or continuation token that cannot be.
    pub fn list(
        &self,
        page_size: u32,
        continuation_token: Option<&str>,
    ) -> Result<SchedulePage, ClientError> {
        Ok(wit::list_schedules(page_size, continuation_token)?)
    }

    /// Deletes a schedule. What it started goes on.
    ///
    /// # Errors
    /// [`ClientError::NotFound`], [`ClientError::WrongStatus`] when it is that of a timer-triggered function.
    pub fn delete(&self, id: &str) -> Result<(), ClientError> {
        Ok(wit::delete_schedule(id, self.key())?)
    }

    /// Leaves its ticks out until it is resumed.
    ///
    /// # Errors
    /// [`ClientError::NotFound`].
    pub fn pause(&self, id: &str, reason: &str) -> Result<Schedule, ClientError> {
        Ok(wit::pause_schedule(id, reason, self.key())?)
    }

    /// Lets a paused schedule go on with its next tick.
    ///
    /// # Errors
    /// [`ClientError::NotFound`].
    pub fn resume(&self, id: &str) -> Result<Schedule, ClientError> {
        Ok(wit::resume_schedule(id, self.key())?)
    }

    /// Lets it be due now, besides its own times and even if it is paused; what became of that.
    ///
    /// # Errors
    /// [`ClientError::NotFound`].
    pub fn trigger(&self, id: &str) -> Result<Tick, ClientError> {
        Ok(wit::trigger_schedule(id, self.key())?)
    }
}

impl ScheduleDefinition {
    /// Starts an orchestrator at the times of a cron expression: six fields (second, minute, hour, day of month, month, day
    /// of week), or five without the second. In UTC, with input `null`; a tick is skipped while the run before is live, and
    /// made up for if it was missed by at most a minute.
    pub fn cron(orchestrator: impl Into<String>, expression: impl Into<String>) -> Self {
        let cron = Cron { expression: expression.into(), time_zone: "UTC".to_owned() };
        Self::new(orchestrator.into(), Timing::Cron(cron))
    }

    /// Starts an orchestrator again and again, with this time between. The rest is as in [`ScheduleDefinition::cron`].
    pub fn every(orchestrator: impl Into<String>, interval: Duration) -> Self {
        Self::new(orchestrator.into(), Timing::IntervalMs(milliseconds(interval)))
    }

    fn new(orchestrator: String, timing: Timing) -> Self {
        Self {
            orchestrator,
            input: "null".to_owned(),
            instance_id: None,
            timing,
            overlap: OverlapPolicy::Skip,
            catch_up_ms: milliseconds(CATCH_UP_DEFAULT),
            start_time: None,
            end_time: None,
        }
    }

    /// Reads a cron expression in this time zone, a name of the IANA database. Nothing for intervals.
    #[must_use]
    pub fn time_zone(mut self, name: impl Into<String>) -> Self {
        if let Timing::Cron(cron) = &mut self.timing {
            cron.time_zone = name.into();
        }
        self
    }

    /// Gives each run this input.
    ///
    /// # Errors
    /// [`ClientError::InvalidArgument`] when it cannot be written as JSON.
    pub fn input(mut self, input: impl Serialize) -> Result<Self, ClientError> {
        self.input = to_json(&input)?;
        Ok(self)
    }

    /// Names the instances by this template, with the placeholders `{schedule}` and `{time}`.
    #[must_use]
    pub fn instance_id(mut self, template: impl Into<String>) -> Self {
        self.instance_id = Some(template.into());
        self
    }

    /// Says what a tick does while the run before is not over.
    #[must_use]
    pub fn overlap(mut self, policy: OverlapPolicy) -> Self {
        self.overlap = policy;
        self
    }

    /// Makes up for ticks that were missed if they are not older than this.
    #[must_use]
    pub fn catch_up(mut self, window: Duration) -> Self {
        self.catch_up_ms = milliseconds(window);
        self
    }

    /// Lets no tick be before this time, or so long from now.
    #[must_use]
    pub fn start(mut self, time: impl Into<FireAt>) -> Self {
        self.start_time = Some(time.into().since_now());
        self
    }

    /// Lets no tick be after this time, or so long from now.
    #[must_use]
    pub fn end(mut self, time: impl Into<FireAt>) -> Self {
        self.end_time = Some(time.into().since_now());
        self
    }
}
