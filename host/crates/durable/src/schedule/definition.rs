//! What a schedule is told to do.

use super::{InvalidTiming, Timing};
use crate::{InvalidInstanceId, Json, ScheduleId, Timestamp};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, sync::Arc, time::Duration};

/// How late a tick may be if nobody says otherwise.
pub const CATCH_UP_DEFAULT: Duration = Duration::from_secs(60);

/// The instance ids of a schedule's runs if nobody says otherwise.
const TEMPLATE_DEFAULT: &str = "{schedule}-{time}";

/// What a schedule does, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleDefinition {
    /// What each tick runs.
    pub target: ScheduleTarget,
    /// When.
    pub timing: Timing,
    /// What a tick does while the run before is not over.
    pub overlap: OverlapPolicy,
    /// Ticks that were missed, because no host was up for example, are made up for if they are not older than this.
    pub catch_up: Duration,
    /// No tick before; also the anchor of intervals. None: when the schedule was created.
    pub start: Option<Timestamp>,
    /// No tick after.
    pub end: Option<Timestamp>,
}

/// What a tick runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScheduleTarget {
    /// Starts an orchestration.
    Orchestrator {
        /// The orchestrator.
        name: Arc<str>,
        /// Its input.
        input: Json,
        /// Template of its instance id, with the placeholders `{schedule}` and `{time}`; none: both, with a dash.
        instance: Option<Arc<str>>,
    },
    /// Calls the timer-triggered function that has the schedule's id as its name.
    Function,
}

/// What a tick does while the run before is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum OverlapPolicy {
    /// Nothing.
    #[default]
    Skip,
    /// It waits for its turn.
    Queue,
    /// It runs beside.
    Allow,
    /// It ends the run before, and runs.
    Terminate,
}

/// The schedule cannot be used; says why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchedule {
    /// The timing is wrong.
    #[error(transparent)]
    Timing(#[from] InvalidTiming),
    /// The template gives no instance id.
    #[error("the instance ids of the schedule's runs are wrong: {0}")]
    Template(#[from] InvalidInstanceId),
    /// No tick would ever be due.
    #[error("the schedule would never be due")]
    Never,
}

impl ScheduleDefinition {
    /// Checks that it can be used, and is due at least once after `now`.
    ///
    /// # Errors
    /// It cannot, or is not.
    pub fn check(&self, id: &ScheduleId, now: Timestamp) -> Result<(), InvalidSchedule> {
        self.timing.check()?;
        if let ScheduleTarget::Orchestrator { instance, .. } = &self.target {
            let template = instance.as_deref().unwrap_or(TEMPLATE_DEFAULT);
            // With nanoseconds: as long as it can become.
            id.instance_of(template, Timestamp::from_nanos(1))?;
        }
        self.next_after(now, now).map(drop).ok_or(InvalidSchedule::Never)
    }

    /// The first tick that is later than `after`, of a schedule that was created then.
    #[must_use]
    pub fn next_after(&self, created: Timestamp, after: Timestamp) -> Option<Timestamp> {
        let before_start = self.start.unwrap_or_default().as_nanos().saturating_sub(1);
        let after = after.max(Timestamp::from_nanos(before_start));
        let next = self.timing.next_after(self.start.unwrap_or(created), after)?;
        (self.end.is_none_or(|end| next <= end)).then_some(next)
    }

    /// The template of instance ids.
    #[must_use]
    pub fn template(&self) -> &str {
        match &self.target {
            ScheduleTarget::Orchestrator { instance: Some(template), .. } => template,
            _ => TEMPLATE_DEFAULT,
        }
    }
}

impl OverlapPolicy {
    /// Every policy.
    pub const ALL: [Self; 4] = [Self::Skip, Self::Queue, Self::Allow, Self::Terminate];

    /// The name as users write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
            Self::Allow => "allow",
            Self::Terminate => "terminate",
        }
    }
}

impl fmt::Display for OverlapPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No policy has this name; names the known ones.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the overlap policy '{0}' is none of skip, queue, allow, terminate")]
pub struct UnknownOverlapPolicy(String);

impl FromStr for OverlapPolicy {
    type Err = UnknownOverlapPolicy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|policy| policy.as_str() == text);
        found.ok_or_else(|| UnknownOverlapPolicy(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    fn every_ten(start: Option<u64>, end: Option<u64>) -> ScheduleDefinition {
        ScheduleDefinition {
            target: ScheduleTarget::Function,
            timing: Timing::Every(Duration::from_secs(10)),
            overlap: OverlapPolicy::Skip,
            catch_up: CATCH_UP_DEFAULT,
            start: start.map(at),
            end: end.map(at),
        }
    }

    #[test]
    fn start_and_end_bound_the_ticks() {
        let table = [
            (None, None, 100, Some(110)),
            (None, None, 105, Some(110)),
            (Some(103), None, 100, Some(103)),
            (Some(103), None, 103, Some(113)),
            (Some(3), None, 100, Some(103)),
            (None, Some(110), 109, Some(110)),
            (None, Some(110), 110, None),
            (Some(200), Some(150), 100, None),
        ];
        for (start, end, after, expected) in table {
            let next = every_ten(start, end).next_after(at(100), at(after));
            assert_eq!(next, expected.map(at), "{start:?} {end:?} {after}");
        }
    }

    #[test]
    fn what_can_never_run_is_refused() {
        let id = ScheduleId::new("s").unwrap();
        assert_eq!(every_ten(None, None).check(&id, at(1)), Ok(()));
        assert_eq!(every_ten(None, Some(5)).check(&id, at(100)), Err(InvalidSchedule::Never));
        let target = |template: &str| ScheduleTarget::Orchestrator {
            name: "F".into(),
            input: Json::null(),
            instance: Some(template.into()),
        };
        let with = |template| ScheduleDefinition { target: target(template), ..every_ten(None, None) };
        assert_eq!(with("always").check(&id, at(1)), Ok(()));
        let error = with("a#{time}").check(&id, at(1)).expect_err("not an id");
        assert!(error.to_string().contains("'#'"), "{error}");
    }

    #[test]
    fn policy_reads_what_it_shows() {
        for policy in OverlapPolicy::ALL {
            assert_eq!(policy.as_str().parse(), Ok(policy));
        }
        assert!("Skip".parse::<OverlapPolicy>().is_err());
    }
}
